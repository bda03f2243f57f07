package shell

import (
	"strings"
)

// Completer knows what words may become.
type Completer struct {
	// Commands are the first words of lines.
	Commands []string
	// Paths returns the paths that begin with a prefix.
	Paths func(prefix string) []string
}

// Complete completes the word that ends at pos, a command or what begins with a slash. candidates are all that
// it may become; line and pos are the new ones, longer by what the candidates have in common.
func (c Completer) Complete(line string, pos int) (newLine string, newPos int, candidates []string) {
	start := strings.LastIndexAny(line[:pos], " \t\"'") + 1
	word := line[start:pos]
	command := strings.TrimSpace(line[:start]) == ""
	switch {
	case command:
		for _, name := range c.Commands {
			if strings.HasPrefix(name, word) {
				candidates = append(candidates, name)
			}
		}
	case strings.HasPrefix(word, "/"):
		candidates = c.Paths(word)
	}
	if len(candidates) == 0 {
		return line, pos, nil
	}
	common := candidates[0]
	for _, candidate := range candidates[1:] {
		for !strings.HasPrefix(candidate, common) {
			common = common[:len(common)-1]
		}
	}
	if command && len(candidates) == 1 {
		common += " "
	}
	common = strings.ToValidUTF8(common, "") // the cut may go through a character
	if len(common) < len(word) {
		return line, pos, candidates
	}
	return line[:start] + common + line[pos:], start + len(common), candidates
}
