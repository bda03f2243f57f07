package text

import (
	"fmt"
	"strings"
)

// Hexdump returns data as the table of get -x: sixteen bytes a row, in hexadecimal and as ASCII.
func Hexdump(data []byte) string {
	if len(data) == 0 {
		return "\n"
	}
	const rule = "+--------+-------------------------------------------------+----------------+\n"
	var b strings.Builder
	b.WriteString("         +-------------------------------------------------+\n")
	b.WriteString("         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n" + rule)
	for offset := 0; offset < len(data); offset += 16 {
		row := data[offset:min(offset+16, len(data))]
		var hex, ascii strings.Builder
		for _, c := range row {
			fmt.Fprintf(&hex, " %02x", c)
			if c < ' ' || c > '~' {
				c = '.'
			}
			ascii.WriteByte(c)
		}
		fmt.Fprintf(&b, "|%08x|%-49s|%-16s|\n", offset, hex.String(), ascii.String())
	}
	b.WriteString(rule)
	return b.String()
}
