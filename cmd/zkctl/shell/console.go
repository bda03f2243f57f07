package shell

import (
	"bufio"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"
)

// Console reads lines and writes what others have to say.
type Console struct {
	out   io.Writer
	plain *bufio.Reader  // where there is no terminal
	term  *term.Terminal // where there is one

	// raw hands the keys over one by one until restore is called; size is that of the window.
	raw  func() (restore func(), err error)
	size func() (width, height int, err error)

	mu      sync.Mutex
	reading bool // term has the cursor
}

// NewConsole returns a console over in and out, with editing if both are terminals.
func NewConsole(in io.Reader, out io.Writer, history *History, completer Completer) *Console {
	inFile, ok1 := in.(*os.File)
	outFile, ok2 := out.(*os.File)
	if !ok1 || !ok2 || !term.IsTerminal(int(inFile.Fd())) || !term.IsTerminal(int(outFile.Fd())) {
		return &Console{out: out, plain: bufio.NewReader(in)}
	}
	c := newTerminal(in, out, history, completer)
	c.raw = func() (func(), error) {
		state, err := term.MakeRaw(int(inFile.Fd()))
		return func() { _ = term.Restore(int(inFile.Fd()), state) }, err // an error means that the terminal is gone
	}
	c.size = func() (int, int, error) { return term.GetSize(int(outFile.Fd())) }
	return c
}

func newTerminal(in io.Reader, out io.Writer, history *History, completer Completer) *Console {
	c := &Console{out: out, term: term.NewTerminal(keys{in, out}, "")}
	c.term.History = editorHistory{history}
	c.term.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		newLine, newPos, candidates := completer.Complete(line, pos)
		if newLine == line && len(candidates) > 1 {
			io.WriteString(c.term, strings.Join(candidates, "  ")+"\n")
		}
		return newLine, newPos, true
	}
	return c
}

// Terminal reports whether lines are edited.
func (c *Console) Terminal() bool { return c.term != nil }

// ReadLine returns the next line, without its end; io.EOF is the end of all. The prompt is for terminals.
func (c *Console) ReadLine(prompt string) (string, error) {
	if c.term == nil {
		line, err := c.plain.ReadString('\n')
		if err == io.EOF && line != "" {
			err = nil
		}
		return strings.TrimRight(line, "\r\n"), err
	}
	restore, err := c.raw()
	if err != nil {
		return "", err
	}
	defer restore()
	if width, height, err := c.size(); err == nil && width > 0 {
		_ = c.term.SetSize(width, height) // fails only if out does, and the prompt will tell
	}
	c.term.SetPrompt(prompt)
	c.setReading(true)
	defer c.setReading(false)
	line, err := c.term.ReadLine()
	if err == term.ErrPasteIndicator {
		err = nil
	}
	return line, err
}

func (c *Console) setReading(reading bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = reading
}

// Write prints, above the line that is being typed if there is one.
func (c *Console) Write(b []byte) (int, error) {
	c.mu.Lock()
	reading := c.reading
	c.mu.Unlock()
	if reading {
		return c.term.Write(b)
	}
	return c.out.Write(b)
}

// keys turns Ctrl-C, which the editor takes for the end, into what empties the line.
type keys struct {
	io.Reader
	io.Writer
}

const (
	ctrlC     = 3
	toEnd     = 5  // Ctrl-E
	eraseLine = 21 // Ctrl-U
)

func (k keys) Read(b []byte) (int, error) {
	if len(b) < 2 {
		return k.Reader.Read(b)
	}
	n, err := k.Reader.Read(b[:len(b)/2]) // each may become two
	out := make([]byte, 0, len(b))
	for _, key := range b[:n] {
		if key == ctrlC {
			out = append(out, toEnd, eraseLine)
		} else {
			out = append(out, key)
		}
	}
	return copy(b, out), err
}
