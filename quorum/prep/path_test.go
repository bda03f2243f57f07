package prep

import (
	"testing"

	"zkd/quorum/zk"
)

func TestCheckPath(t *testing.T) {
	tests := map[string]struct {
		path       string
		sequential bool
		ok         bool
	}{
		"the root":                              {"/", false, true},
		"a child":                               {"/a", false, true},
		"a long way down":                       {"/a/b/c/d", false, true},
		"dots within a name":                    {"/a/...", false, true},
		"a name that starts with dots":          {"/..a/.b", false, true},
		"a space":                               {"/a b", false, true},
		"letters beyond ASCII":                  {"/ä/日本/\u00a0", false, true},
		"just below the surrogates":             {"/\ud7ff", false, true},
		"between private use and the specials":  {"/\uf900\uffef", false, true},
		"empty":                                 {"", false, false},
		"no slash at the start":                 {"a/b", false, false},
		"a slash at the end":                    {"/a/", false, false},
		"two slashes":                           {"/a//b", false, false},
		"only two slashes":                      {"//", false, false},
		"a dot":                                 {"/a/./b", false, false},
		"a dot at the end":                      {"/a/.", false, false},
		"two dots":                              {"/a/../b", false, false},
		"two dots at the end":                   {"/..", false, false},
		"NUL":                                   {"/a\x00", false, false},
		"the last low control character":        {"/\x1f", false, false},
		"delete":                                {"/\x7f", false, false},
		"the last high control character":       {"/\u009f", false, false},
		"a private-use character":               {"/\ue000", false, false},
		"the last private-use character":        {"/\uf8ff", false, false},
		"the first special":                     {"/\ufff0", false, false},
		"U+FFFD itself":                         {"/\ufffd", false, false},
		"an emoji":                              {"/\U0001f600", false, false},
		"a byte that is not UTF-8":              {"/\xff", false, false},
		"a surrogate in three bytes":            {"/\xed\xa0\x80", false, false},
		"sequential in a directory":             {"/a/", true, true},
		"sequential in the root":                {"/", true, true},
		"sequential behind dots":                {"/a/..", true, true},
		"sequential with dots further up":       {"/../a", true, false},
		"sequential with nothing":               {"", true, false},
		"sequential behind two slashes":         {"/a//", true, false},
		"sequential with a control character":   {"/a\x01", true, false},
		"sequential without slash at the start": {"a", true, false},
	}
	for name, tt := range tests {
		want := zk.ErrBadArguments
		if tt.ok {
			want = zk.OK
		}
		if got := CheckPath(tt.path, tt.sequential); got != want {
			t.Errorf("%s: CheckPath(%q, %v) = %v, want %v", name, tt.path, tt.sequential, got, want)
		}
		if seq, final := CheckPath(tt.path, true), CheckPath(tt.path+"1", false); seq != final {
			t.Errorf("%s: %q is %v for a sequential node, its name with a digit is %v", name, tt.path, seq, final)
		}
	}
}

// Expected digits are what Java's String.format("%010d") gave.
func TestSequenceNamesAreThoseOfJava(t *testing.T) {
	for counter, want := range map[int32]string{
		0: "/a-0000000000", 7: "/a-0000000007", 1234567890: "/a-1234567890",
		2147483647: "/a-2147483647", -2147483648: "/a--2147483648", -5: "/a--000000005",
	} {
		if got := sequenceName("/a-", counter); got != want {
			t.Errorf("counter %d: %s, want %s", counter, got, want)
		}
	}
}

func TestParentOf(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "/a": "/", "/a/b": "/a", "/a/": "/a", "//": "/", "a/b": "a",
		"": "refused", "a": "refused", "/a\x00b": "refused",
	} {
		got, ok := parentOf(path)
		if !ok {
			got = "refused"
		}
		if got != want {
			t.Errorf("parentOf(%q) = %q, want %q", path, got, want)
		}
	}
}
