package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"zkd/daemon"
)

// progressEvery is how often a long piece of work says how far it is.
const progressEvery = time.Second

// progress says on standard error, where that is a terminal, how far a piece of work is: on one line, which is
// gone at the end.
type progress struct {
	out   io.Writer // nil for nobody
	next  time.Time
	shown bool
}

func newProgress(out io.Writer) *progress {
	p := &progress{next: time.Now().Add(progressEvery)}
	if daemon.IsTerminal(out) {
		p.out = out
	}
	return p
}

// say shows text, unless it is too soon after the last.
func (p *progress) say(format string, args ...any) {
	if p.out == nil || time.Now().Before(p.next) {
		return
	}
	p.next, p.shown = time.Now().Add(progressEvery), true
	fmt.Fprintf(p.out, "\r%s\x1b[K", fmt.Sprintf(format, args...))
}

// read is an inspect.Options.Progress.
func (p *progress) read(file string, bytes, items int64) {
	p.say("%s: %d MiB, %d records", filepath.Base(file), bytes>>20, items)
}

// done takes the line away.
func (p *progress) done() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown = false
	}
}
