package auth

import (
	"encoding/hex"
	"testing"
)

// The pairs are bytes and what new String(bytes, UTF_8).getBytes(UTF_8) made of them on OpenJDK 17.
func TestJavaStringReplacesWhatJavaReplaces(t *testing.T) {
	for in, want := range map[string]string{
		"4190dfbf":       "41efbfbddfbf",
		"41dfdf80efc0c2": "41efbfbddf80efbfbdefbfbdefbfbd",
		"80":             "efbfbd",
		"809f41c09f":     "efbfbdefbfbd41efbfbdefbfbd",
		"80c0f3":         "efbfbdefbfbdefbfbd",
		"8fc241a0efe0":   "efbfbdefbfbd41efbfbdefbfbdefbfbd",
		"8fedf0df9041":   "efbfbdefbfbdefbfbddf9041",
		"8fefe1c080":     "efbfbdefbfbdefbfbdefbfbdefbfbd",
		"8ff590f38f":     "efbfbdefbfbdefbfbdefbfbd",
		"90":             "efbfbd",
		"90ed9f":         "efbfbdefbfbd",
		"90ffff908fdf":   "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbd",
		"9f8f41dfc0dfe1": "efbfbdefbfbd41efbfbdefbfbdefbfbdefbfbd",
		"9f9f":           "efbfbdefbfbd",
		"9fc0e1":         "efbfbdefbfbdefbfbd",
		"9fe1ef8fed":     "efbfbdefbfbdefbfbdefbfbd",
		"9ff5f390ed41bf": "efbfbdefbfbdefbfbdefbfbd41efbfbd",
		"a0":             "efbfbd",
		"a080":           "efbfbdefbfbd",
		"a080f58ff080":   "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbd",
		"a0e1f0e090f5f3": "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbdefbfbd",
		"a0f38f":         "efbfbdefbfbd",
		"a0f3e1f4ffeff4": "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbdefbfbd",
		"bfefffdf":       "efbfbdefbfbdefbfbdefbfbd",
		"c041f5e0":       "efbfbd41efbfbdefbfbd",
		"c0a0f3bf80e18f": "efbfbdefbfbdefbfbdefbfbd",
		"c0df":           "efbfbdefbfbd",
		"c0e0efc090f0e1": "efbfbdefbfbdefbfbdefbfbdefbfbdefbfbdefbfbd",
		"c2efc2":         "efbfbdefbfbdefbfbd",
		"c2eff3f5":       "efbfbdefbfbdefbfbdefbfbd",
		"df41":           "efbfbd41",
		"e0":             "efbfbd",
		"e0418fe0f0":     "efbfbd41efbfbdefbfbdefbfbd",
		"e0bf":           "efbfbd",
		"e0c2":           "efbfbdefbfbd",
		"e0f0":           "efbfbdefbfbd",
		"e0f490f080":     "efbfbdefbfbdefbfbdefbfbdefbfbd",
		"e1":             "efbfbd",
		"e18ff5c2":       "efbfbdefbfbdefbfbd",
		"e1e180":         "efbfbdefbfbd",
	} {
		b, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString([]byte(javaString(b))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
}
