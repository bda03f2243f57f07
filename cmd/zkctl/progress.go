package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progressEvery is how often a running transfer says how far it is.
const progressEvery = time.Second

// progress tells on standard error how far a transfer is: on one line at a terminal, on lines of their own
// where it was asked for.
type progress struct {
	out   io.Writer
	verb  string // "exported", "imported"
	total int    // nodes; 0 where it is not known
	nodes int
	bytes int64
	live  bool // say something before the end
	quiet bool // not even then
	inRow bool
	next  time.Time
}

func newProgress(out io.Writer, verb string, always, quiet bool) *progress {
	file, ok := out.(*os.File)
	row := ok && term.IsTerminal(int(file.Fd()))
	return &progress{out: out, verb: verb, live: (row || always) && !quiet, quiet: quiet, inRow: row, next: time.Now().Add(progressEvery)}
}

// add counts a node.
func (p *progress) add(dataBytes int) {
	p.nodes++
	p.bytes += int64(dataBytes)
	if !p.live || time.Now().Before(p.next) {
		return
	}
	p.next = time.Now().Add(progressEvery)
	if p.inRow {
		fmt.Fprintf(p.out, "\r%s\x1b[K", p.text())
	} else {
		fmt.Fprintln(p.out, p.text())
	}
}

func (p *progress) text() string {
	of := ""
	if p.total > 0 {
		of = fmt.Sprintf(" of %d", p.total)
	}
	return fmt.Sprintf("zkctl: %s %d%s znodes, %s", p.verb, p.nodes, of, sizeText(p.bytes))
}

// done writes the last word, with what was left out.
func (p *progress) done(remarks ...string) {
	if p.quiet {
		return
	}
	if p.inRow && p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	fmt.Fprintln(p.out, p.text())
	for _, remark := range remarks {
		fmt.Fprintln(p.out, "zkctl: "+remark)
	}
}

func sizeText(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
