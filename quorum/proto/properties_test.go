package proto

import (
	"slices"
	"strings"
	"testing"
)

func TestParseProperties(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []property
	}{
		"nothing":                                       {"", nil},
		"lines end with LF, CR or both":                 {"a=1\nb=2\rc=3\r\nd=4", []property{{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}},
		"a key ends at =, : or a blank":                 {"a=1\nb:2\nc 3\nd\t4", []property{{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}},
		"blanks around the separator do not count":      {" a  =  1 \n\fb\t:\t2", []property{{"a", "1 "}, {"b", "2"}}},
		"one separator, the rest is value":              {"a==1\nb = = 2\nc := 3", []property{{"a", "=1"}, {"b", "= 2"}, {"c", "= 3"}}},
		"comments and empty lines do not count":         {"# a=1\n\n  ! b=2\n \t\nc=3\n", []property{{"c", "3"}}},
		"a comment does not go on":                      {"# a=1\\\nb=2", []property{{"b", "2"}}},
		"no # behind a value begins a comment":          {"a=1 # one", []property{{"a", "1 # one"}}},
		"a key without value":                           {"a\nb=", []property{{"a", ""}, {"b", ""}}},
		"a value without key":                           {"=1", []property{{"", "1"}}},
		"a backslash at the end joins lines":            {"a=1,\\\n   2,\\\r\n   3\nb=4", []property{{"a", "1,2,3"}, {"b", "4"}}},
		"a line that goes on is no comment":             {"a=1\\\n#2", []property{{"a", "1#2"}}},
		"two backslashes at the end do not join lines":  {"a=1\\\\\nb=2", []property{{"a", "1\\"}, {"b", "2"}}},
		"a backslash at the very end":                   {"a=1\\", []property{{"a", "1"}}},
		"escaped separators belong to the key":          {`a\=b\:c\ d=1`, []property{{"a=b:c d", "1"}}},
		"escapes":                                       {`a=\t\n\r\f\u00e9\u0041\x\\\:`, []property{{"a", "\t\n\r\féAx\\:"}}},
		"a surrogate reads as the replacement":          {`a=\ud83d`, []property{{"a", "\ufffd"}}},
		"the later value of a key given twice counts":   {"a=1\nb=2\na=3", []property{{"a", "3"}, {"b", "2"}}},
		"an escaped first character makes no separator": {`\=a=1`, []property{{"=a", "1"}}},
	} {
		got, err := parseProperties(test.text)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, test.want)
		}
	}
}

func TestParsePropertiesRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"an escape cut off":              `a=\u00e`,
		"an escape without digits":       `a=\u+0e9`,
		"an escape at the end of a key":  `a\u`,
		"more properties than there are": strings.Repeat("a", maxProperties+2) + "=1\n" + manyProperties(maxProperties),
	} {
		if got, err := parseProperties(text); err == nil {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// manyProperties returns n properties with different keys.
func manyProperties(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("k" + strings.Repeat("\\", 2*(i%3)) + string(rune('a'+i%26)) + strings.Repeat("x", i/26) + "=\n")
	}
	return b.String()
}
