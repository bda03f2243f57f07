package proto

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// property is a key and its value.
type property struct{ key, value string }

// maxProperties bounds a text: 254 servers, each with a weight and a group, are 762 properties.
const maxProperties = 4096

// parseProperties reads text as Java's Properties.load does, and returns the properties in order of
// first appearance. A key that is given again gets the later value.
//
//	# comment, or ! comment      key=value   key:value   key value   key = value
//	backslash at the end         goes on in the next line, whose leading blanks do not count
//	\t \n \r \f \u00e9           escapes; \x is x for any other x. A surrogate reads as U+FFFD
//
// The first =, : or blank that no backslash precedes ends the key. Blanks are space, tab and form
// feed; those behind the value belong to it.
func parseProperties(text string) ([]property, error) {
	var all []property
	for line, rest := nextLine(text); line != "" || rest != ""; line, rest = nextLine(rest) {
		if line == "" {
			continue
		}
		key, value := splitProperty(line)
		key, err1 := unescape(key)
		value, err2 := unescape(value)
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(all, func(p property) bool { return p.key == key }); i >= 0 {
			all[i].value = value
		} else if all = append(all, property{key, value}); len(all) > maxProperties {
			return nil, fmt.Errorf("more than %d properties", maxProperties)
		}
	}
	return all, nil
}

const propertyBlanks = " \t\f"

// nextLine returns the first logical line of text without leading blanks, "" if it is empty or a
// comment, and what follows it. Escapes in it are still to be undone.
func nextLine(text string) (line, rest string) {
	var joined strings.Builder
	for first := true; ; first = false {
		end := strings.IndexAny(text, "\r\n")
		natural := text
		if end >= 0 {
			natural, text = text[:end], strings.TrimPrefix(text[end:], "\r")
			text = strings.TrimPrefix(text, "\n")
		} else {
			text = ""
		}
		natural = strings.TrimLeft(natural, propertyBlanks)
		if first && (strings.HasPrefix(natural, "#") || strings.HasPrefix(natural, "!")) {
			return "", text
		}
		slashes := len(natural) - len(strings.TrimRight(natural, `\`))
		if first && slashes%2 == 0 {
			return natural, text
		}
		joined.WriteString(natural[:len(natural)-slashes%2])
		if slashes%2 == 0 || text == "" {
			return joined.String(), text
		}
	}
}

// splitProperty splits a logical line at the end of its key.
func splitProperty(line string) (key, value string) {
	end := 0
	for end < len(line) && !strings.ContainsRune("=:"+propertyBlanks, rune(line[end])) {
		if line[end] == '\\' {
			end++
		}
		end++
	}
	end = min(end, len(line))
	value = strings.TrimLeft(line[end:], propertyBlanks)
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], propertyBlanks)
	}
	return line[:end], value
}

// unescape undoes the backslashes of a key or value.
func unescape(text string) (string, error) {
	if !strings.Contains(text, `\`) {
		return text, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			unit, err := strconv.ParseUint(text[i+1:min(i+5, len(text))], 16, 16)
			if err != nil || i+5 > len(text) {
				return "", errors.New(`malformed \uxxxx`)
			}
			b.WriteRune(rune(unit))
			i += 4
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String(), nil
}
