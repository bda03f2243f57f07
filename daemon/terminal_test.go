package daemon

import (
	"io"
	"os"
	"strings"
	"testing"
)

func TestWhatIsATerminal(t *testing.T) {
	open := func(name string) *os.File {
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	file, err := os.Create(t.TempDir() + "/file")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	for name, test := range map[string]struct {
		out  io.Writer
		want bool
	}{
		"a pseudo-terminal":          {open("/dev/ptmx"), true},
		"nobody, a character device": {open("/dev/null"), false},
		"a file":                     {file, false},
		"no file at all":             {new(strings.Builder), false},
	} {
		if got := IsTerminal(test.out); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
