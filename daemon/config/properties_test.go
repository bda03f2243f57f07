package config

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

// testdata/properties.java holds what Java made of each text.
func TestPropertiesAreReadAsByJava(t *testing.T) {
	file, err := os.Open("testdata/properties.java")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		text, want, ok := strings.Cut(lines.Text(), " -> ")
		if !ok || text[0] != '"' {
			continue // the comment
		}
		input, err := strconv.Unquote(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		list, errs := parseProperties([]byte(input))
		var seen []string
		for _, p := range list {
			seen = append(seen, strconv.QuoteToASCII(p.key)+"="+strconv.QuoteToASCII(p.value))
		}
		got := strings.Join(seen, " ")
		if len(errs) > 0 {
			got = "ERR"
		}
		if got != javaQuoted(t, want) {
			t.Errorf("%s is read as %s, by Java as %s", text, got, want)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// javaQuoted brings the quoting of the recording into Go's: \u000a is \n.
func javaQuoted(t *testing.T, recorded string) string {
	t.Helper()
	var b strings.Builder
	for recorded != "" && recorded != "ERR" {
		if recorded[0] != '"' {
			b.WriteByte(recorded[0])
			recorded = recorded[1:]
			continue
		}
		quoted, err := strconv.QuotedPrefix(recorded)
		if err != nil {
			t.Fatalf("%s: %v", recorded, err)
		}
		s, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%s: %v", quoted, err)
		}
		b.WriteString(strconv.QuoteToASCII(s))
		recorded = recorded[len(quoted):]
	}
	return b.String() + recorded
}

func TestPropertiesKnowTheirLines(t *testing.T) {
	list, errs := parseProperties([]byte("# comment\n\na=1\\\n 2\r\nb=3\rc=4\n\\\n\nbad=\\u1\nd=5"))
	want := []property{{"a", "12", 3}, {"b", "3", 5}, {"c", "4", 6}, {"d", "5", 10}}
	if len(list) != len(want) {
		t.Fatalf("read %+v, want %+v", list, want)
	}
	for i := range want {
		if list[i] != want[i] {
			t.Errorf("read %+v, want %+v", list[i], want[i])
		}
	}
	if len(errs) != 1 || errs[0].line != 9 {
		t.Errorf("errors %+v, want one on line 9", errs)
	}
}

func FuzzProperties(f *testing.F) {
	for _, seed := range []string{"a=b", "a\\\n b:c", "\\u0041=\\", "#\r!\r\n x y", "a\\=\\:\\ =\t\f:"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		list, errs := parseProperties(text)
		if len(list)+len(errs) > len(text)+1 {
			t.Fatalf("%d properties and %d errors of %d bytes", len(list), len(errs), len(text))
		}
		// What is read and written again, everything escaped, is read alike.
		var b strings.Builder
		for _, p := range list {
			b.WriteString(escapeAll(p.key) + "=" + escapeAll(p.value) + "\n")
		}
		again, errs := parseProperties([]byte(b.String()))
		if len(errs) > 0 || len(again) != len(list) {
			t.Fatalf("%d properties, then %d, errors %v", len(list), len(again), errs)
		}
		for i := range list {
			if list[i].key != again[i].key || list[i].value != again[i].value {
				t.Fatalf("%+v, then %+v", list[i], again[i])
			}
		}
	})
}

// escapeAll writes every character as \u, two of them where Java has two.
func escapeAll(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= 0x10000 {
			r -= 0x10000
			b.WriteString(escapeUnit(0xd800 + r>>10))
			r = 0xdc00 + r&0x3ff
		}
		b.WriteString(escapeUnit(r))
	}
	return b.String()
}

func escapeUnit(r rune) string {
	hex := strconv.FormatInt(int64(r), 16)
	return `\u` + strings.Repeat("0", 4-len(hex)) + hex
}
