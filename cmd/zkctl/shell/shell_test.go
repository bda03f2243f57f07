package shell

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		"":                            nil,
		"  \t\n":                      nil,
		"ls /":                        {"ls", "/"},
		`create /a "two words" ''`:    {"create", "/a", "two words", ""},
		`set /a {"json":"as it is"}`:  {"set", "/a", `{"json":"as`, "it", `is"}`},
		`set /a '{"json": "quoted"}'`: {"set", "/a", `{"json": "quoted"}`},
		`a"b c\d`:                     {`a"b`, `c\d`},
		`'a'b`:                        {"a", "b"},
	} {
		if got, err := Split(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`set /a "no end`, "'", `x ' "`} {
		if got, err := Split(line); !errors.Is(err, ErrQuote) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
}

func TestHistoryKeepsNumbersWhenItForgets(t *testing.T) {
	var h History
	for i := range maxHistory + 5 {
		h.Add(fmt.Sprint(i))
	}
	if h.Len() != maxHistory || h.Next() != maxHistory+5 || h.At(0) != fmt.Sprint(maxHistory+4) || h.At(h.Len()-1) != "5" {
		t.Errorf("%d lines, next %d, last %q, first %q", h.Len(), h.Next(), h.At(0), h.At(h.Len()-1))
	}
	for number, want := range map[int]string{-1: "", 4: "", 5: "5", maxHistory + 4: fmt.Sprint(maxHistory + 4), maxHistory + 5: ""} {
		if got, ok := h.Line(number); got != want || ok != (want != "") {
			t.Errorf("line %d: %q, %v", number, got, ok)
		}
	}
}

func paths(prefix string) []string {
	var found []string
	for _, path := range []string{"/app/alpha", "/app/alpine", "/app/ö1", "/app/ò2", "/only"} {
		if strings.HasPrefix(path, prefix) {
			found = append(found, path)
		}
	}
	return found
}

func TestComplete(t *testing.T) {
	c := Completer{Commands: []string{"get", "getAcl", "getEphemerals", "ls"}, Paths: paths}
	for _, test := range []struct {
		line, want string // | is the cursor
		candidates int
	}{
		{"l|", "ls |", 1},
		{"g|", "get|", 3},
		{"x|", "x|", 0},
		{"ls /o|", "ls /only|", 1},
		{"ls /app/a|", "ls /app/alp|", 2},
		{"ls /app/alp|", "ls /app/alp|", 2},
		{"ls /app/|", "ls /app/|", 4}, // two begin with the same byte of different characters
		{"ls -R /o| x", "ls -R /only| x", 1},
		{`get "/o|`, `get "/only|`, 1},
		{"set /only da|", "set /only da|", 0},
		{"get | /only", "get | /only", 0},
	} {
		pos := strings.IndexByte(test.line, '|')
		line, at, candidates := c.Complete(strings.Replace(test.line, "|", "", 1), pos)
		if got := line[:at] + "|" + line[at:]; got != test.want || len(candidates) != test.candidates {
			t.Errorf("%q became %q with %q, want %q with %d", test.line, got, candidates, test.want, test.candidates)
		}
	}
}

func TestLinesFromAPipe(t *testing.T) {
	var out strings.Builder
	c := NewConsole(strings.NewReader("one\r\n\ntwo"), &out, new(History), Completer{})
	for _, want := range []string{"one", "", "two"} {
		if got, err := c.ReadLine("prompt> "); err != nil || got != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	if _, err := c.ReadLine(""); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if c.Terminal() || out.String() != "" {
		t.Errorf("terminal: %v, output %q", c.Terminal(), out.String())
	}
}

// screen is what a terminal has been sent, and lets a test wait for it.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return s.text.Write(b)
}

func (s *screen) await(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	limit := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		text := s.text.String()
		s.mu.Unlock()
		if re.MatchString(text) {
			return
		}
		select {
		case <-s.more:
		case <-limit:
			t.Fatalf("the screen shows %q, want %s", text, pattern)
		}
	}
}

func TestEditingAtATerminal(t *testing.T) {
	keyboard, typist := io.Pipe()
	s := &screen{more: make(chan struct{}, 1)}
	h := new(History)
	c := newTerminal(keyboard, s, h, Completer{Commands: []string{"ls"}, Paths: paths})
	restored := 0
	c.raw = func() (func(), error) { return func() { restored++ }, nil }
	c.size = func() (int, int, error) { return 100, 30, nil }
	line := func(keys string) (string, error) {
		t.Helper()
		go io.WriteString(typist, keys)
		got, err := c.ReadLine("> ")
		if err == nil {
			h.Add(got)
		}
		return got, err
	}
	for _, test := range []struct{ name, keys, want string }{
		{"plain", "ls /\r", "ls /"},
		{"completion", "l\t/o\t\r", "ls /only"},
		{"the line before", "\x1b[A\r", "ls /only"},
		{"Ctrl-C empties the line", "garbage\x1b[D\x03ls\r", "ls"},
	} {
		if got, err := line(test.keys); err != nil || got != test.want {
			t.Errorf("%s: %q, %v, want %q", test.name, got, err, test.want)
		}
	}
	// Candidates are listed, and what others print stands above the line that is typed.
	done := make(chan string)
	go func() {
		got, err := c.ReadLine("> ")
		done <- fmt.Sprint(got, err)
	}()
	io.WriteString(typist, "ls /app/a\t\t")
	s.await(t, `/app/alpha  /app/alpine\r\n> ls /app/alp`)
	fmt.Fprint(c, "an event\n")
	s.await(t, `an event\r\n> ls /app/alp`)
	io.WriteString(typist, "\r")
	if got := <-done; got != "ls /app/alp<nil>" {
		t.Errorf("got %q", got)
	}
	fmt.Fprint(c, "between lines\n")
	s.await(t, `between lines\n$`)
	if _, err := line("\x04"); err != io.EOF {
		t.Errorf("Ctrl-D: %v", err)
	}
	if restored != 6 {
		t.Errorf("the terminal was restored %d times, want 6", restored)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(`create /a "b c" 'd'`)
	f.Fuzz(func(t *testing.T, line string) {
		words, err := Split(line)
		total := 0
		for _, word := range words {
			total += len(word)
		}
		if total > len(line) || err != nil && words != nil {
			t.Errorf("%q became %q, %v", line, words, err)
		}
	})
}
