package conformance

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestApacheZooKeeperPassesTheSuite(t *testing.T) {
	if oracleClassPath(t) == "" {
		return
	}
	Run(t, func(t *testing.T, p Profile) string { return startJava(t, p).addr })
}

// docs/compatibility.md names each difference in a row of a table, with the releases if there are
// any, and names no other.
func TestDocumentationNamesEveryDifference(t *testing.T) {
	text, err := os.ReadFile("../../docs/compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| ([^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		documented[m[1]] = m[2]
	}
	for _, d := range differences {
		row, ok := documented[d.Name]
		if !ok {
			t.Errorf("docs/compatibility.md has no row for %v", d)
		}
		for _, v := range d.Since {
			if !d.ZkdStays && !strings.Contains(row, v.String()) {
				t.Errorf("docs/compatibility.md, %s: no %v in %q", d.Name, v, row)
			}
		}
		delete(documented, d.Name)
	}
	for name := range documented {
		t.Errorf("docs/compatibility.md names %s, which the suite does not know", name)
	}
}

func TestDifferenceIsInReleases(t *testing.T) {
	backported, fresh, kept, ours := since("x", "3.8.4", "3.9.2"), since("x", "3.9.0"), zkdStaysBefore("x", "3.9.0"), onlyZkd("x")
	for name, test := range map[string]struct {
		d    *Difference
		s    Server
		want bool
	}{
		"before the backport":              {backported, Server{Version: Version{3, 8, 3}}, false},
		"at the backport":                  {backported, Server{Version: Version{3, 8, 4}}, true},
		"in the next line, before its fix": {backported, Server{Version: Version{3, 9, 1}}, false},
		"in the next line, behind its fix": {backported, Server{Version: Version{3, 9, 5}}, true},
		"in a later line":                  {backported, Server{Version: Version{3, 10, 0}}, true},
		"in an earlier line":               {backported, Server{Version: Version{3, 7, 9}}, false},
		"zkd is like the newest":           {backported, Server{Version: Version{3, 9, 5}, Zkd: true}, true},
		"the line before a new feature":    {fresh, Server{Version: Version{3, 8, 9}}, false},
		"zkd stays where it wants to":      {kept, Server{Version: Version{3, 9, 5}, Zkd: true}, false},
		"while the release moves on":       {kept, Server{Version: Version{3, 9, 5}}, true},
		"zkd alone":                        {ours, Server{Version: Version{3, 9, 5}, Zkd: true}, true},
		"and no release":                   {ours, Server{Version: Version{3, 10, 0}}, false},
	} {
		if got := test.d.in(&test.s); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
