package config

import (
	"strconv"
	"unicode/utf16"
)

// property is one key and value of a Java properties file, in the order of the file.
type property struct {
	key, value string
	line       int // where its logical line begins, from 1
}

// propertyError is a line that Java refuses.
type propertyError struct {
	line int
	what string
}

// parseProperties reads Java's properties format as java.util.Properties.load does:
//
//	logical line = natural line *( "\" line-end blanks natural line )
//	natural line = blanks ( comment | key [ separator value ] )
//	comment      = ( "#" | "!" ) anything, never continued
//	separator    = blanks | blanks ( "=" | ":" ) blanks
//	escape       = "\t" "\n" "\r" "\f" | "\u" 4 hex digits | "\" any = that character
//
// Blanks are space, tab and form feed; lines end in LF, CR or CRLF. The bytes are ISO-8859-1, so
// that UTF-8 comes out as Java would have it: wrong. Neither keys nor values are trimmed at the end,
// and equal keys are all returned: in Java the last one counts.
func parseProperties(text []byte) ([]property, []propertyError) {
	var list []property
	var errs []propertyError
	s := lineScanner{text: text, line: 1}
	for s.next() {
		p := property{line: s.start}
		keyEnd, valueStart := splitProperty(s.logical)
		var ok, okValue bool
		p.key, ok = unescape(s.logical[:keyEnd])
		p.value, okValue = unescape(s.logical[valueStart:])
		if !ok || !okValue {
			errs = append(errs, propertyError{s.start, `has a \u that four hexadecimal digits do not follow`})
			continue
		}
		list = append(list, p)
	}
	return list, errs
}

// lineScanner yields the logical lines of a properties file, without comments and empty lines.
type lineScanner struct {
	text    []byte
	line    int // number of the natural line that text begins with
	logical []byte
	start   int // number of the natural line on which logical began
}

// next reads the next logical line; false at the end of the text. Only an empty logical line can turn
// into a comment, whatever was continued before it. A lone backslash at the end of the text makes no
// line here; Java makes an empty key of it, which no reader of zoo.cfg could mean.
func (s *lineScanner) next() bool {
	s.logical = s.logical[:0]
	for len(s.text) > 0 {
		number := s.line
		natural := trimBlanks(s.natural())
		if len(s.logical) == 0 {
			if len(natural) == 0 || natural[0] == '#' || natural[0] == '!' {
				continue
			}
			s.start = number
		}
		backslashes := 0
		for backslashes < len(natural) && natural[len(natural)-1-backslashes] == '\\' {
			backslashes++
		}
		if backslashes%2 == 0 {
			s.logical = append(s.logical, natural...)
			return true
		}
		s.logical = append(s.logical, natural[:len(natural)-1]...)
	}
	return len(s.logical) > 0
}

// natural takes one line off the text, without its end.
func (s *lineScanner) natural() []byte {
	for i, c := range s.text {
		if c != '\n' && c != '\r' {
			continue
		}
		line, rest := s.text[:i], s.text[i+1:]
		if c == '\r' && len(rest) > 0 && rest[0] == '\n' {
			rest = rest[1:]
		}
		s.text = rest
		s.line++
		return line
	}
	line := s.text
	s.text = nil
	return line
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\f' }

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	return b
}

// splitProperty finds the end of the key and the start of the value in a logical line.
func splitProperty(line []byte) (keyEnd, valueStart int) {
	escaped, separated := false, false
	for keyEnd < len(line) {
		c := line[keyEnd]
		if !escaped && (c == '=' || c == ':' || isBlank(c)) {
			separated = !isBlank(c)
			break
		}
		escaped = c == '\\' && !escaped
		keyEnd++
	}
	valueStart = min(keyEnd+1, len(line))
	for valueStart < len(line) {
		c := line[valueStart]
		if !isBlank(c) {
			if separated || c != '=' && c != ':' {
				break
			}
			separated = true
		}
		valueStart++
	}
	return keyEnd, valueStart
}

// unescape resolves the escapes of a key or value; false if a \u is malformed. Escapes are UTF-16,
// as Java's characters are: two of them may make one rune.
func unescape(b []byte) (string, bool) {
	units := make([]uint16, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' || i+1 == len(b) {
			units = append(units, uint16(b[i]))
			continue
		}
		i++
		switch c := b[i]; c {
		case 't':
			units = append(units, '\t')
		case 'n':
			units = append(units, '\n')
		case 'r':
			units = append(units, '\r')
		case 'f':
			units = append(units, '\f')
		case 'u':
			if i+4 >= len(b) {
				return "", false
			}
			n, err := strconv.ParseUint(string(b[i+1:i+5]), 16, 16)
			if err != nil {
				return "", false
			}
			units = append(units, uint16(n))
			i += 4
		default:
			units = append(units, uint16(c))
		}
	}
	return string(utf16.Decode(units)), true
}
