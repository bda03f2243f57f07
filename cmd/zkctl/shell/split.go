package shell

import (
	"errors"
	"strings"
)

// ErrQuote says that a quoted word has no end.
var ErrQuote = errors.New("a quote has no end")

// Split takes a line apart into words at blanks. A word that begins with ' or " reaches to the same quote again,
// without either; a quote within a word means nothing, so that JSON needs none around it. There is no escape
// character. Source: ZooKeeperMain, whose lines these are.
func Split(line string) ([]string, error) {
	var words []string
	for {
		line = strings.TrimLeft(line, " \t\r\n")
		if line == "" {
			return words, nil
		}
		if quote := line[0]; quote == '"' || quote == '\'' {
			end := strings.IndexByte(line[1:], quote)
			if end < 0 {
				return nil, ErrQuote
			}
			words = append(words, line[1:1+end])
			line = line[2+end:]
			continue
		}
		end := strings.IndexAny(line, " \t\r\n")
		if end < 0 {
			end = len(line)
		}
		words = append(words, line[:end])
		line = line[end:]
	}
}
