package shell

// maxHistory bounds the lines that are remembered.
const maxHistory = 1000

// History numbers the lines of a session from 0, and remembers the last of them.
type History struct {
	lines []string // the last ones
	next  int      // the number of the next one
}

// Add gives line the next number.
func (h *History) Add(line string) {
	h.lines = append(h.lines, line)
	if len(h.lines) > maxHistory {
		h.lines = h.lines[1:]
	}
	h.next++
}

// Len returns how many lines are remembered.
func (h *History) Len() int { return len(h.lines) }

// At returns the line that is i before the last; i is below Len.
func (h *History) At(i int) string { return h.lines[len(h.lines)-1-i] }

// Next returns the number of the next line.
func (h *History) Next() int { return h.next }

// Line returns the line with a number; ok is false if there is none, or no longer.
func (h *History) Line(number int) (line string, ok bool) {
	i := number - (h.next - len(h.lines))
	if i < 0 || i >= len(h.lines) {
		return "", false
	}
	return h.lines[i], true
}

// editorHistory shows a History to the editor, which must not add to it: what is typed is added where it is
// run, so that a line that comes by another way is there, too.
type editorHistory struct{ *History }

func (editorHistory) Add(string) {}
