package auth

import (
	"strings"
	"unicode/utf8"
)

// javaString decodes b as Java's new String(b, UTF_8) does: each malformed sequence becomes one
// U+FFFD. It matters for passwords that are not UTF-8: their hashes stand in ACLs that Java wrote.
//
// A malformed sequence is the longest start of a character that breaks off, or one byte; a
// surrogate in three bytes is one sequence. Go's own conversion replaces each byte.
func javaString(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var text strings.Builder
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			size = malformedBytes(b)
		}
		text.WriteRune(r)
		b = b[size:]
	}
	return text.String()
}

// malformedBytes returns how many bytes at the start of b, which does not start with a character,
// Java replaces at once.
func malformedBytes(b []byte) int {
	want, low, high := 0, byte(0x80), byte(0xbf) // continuation bytes wanted, range of the first
	switch lead := b[0]; {
	case lead == 0xe0:
		want, low = 2, 0xa0
	case lead > 0xe0 && lead <= 0xef:
		want = 2
	case lead == 0xf0:
		want, low = 3, 0x90
	case lead > 0xf0 && lead < 0xf4:
		want = 3
	case lead == 0xf4:
		want, high = 3, 0x8f
	}
	n := 1
	for n <= want && n < len(b) && b[n] >= low && b[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}
