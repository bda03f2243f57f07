package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"zkd/daemon"
	"zkd/daemon/probe"
)

// minInterval is the least time between two looks: each costs the server some work, and its members.
const minInterval = 100 * time.Millisecond

// clearScreen puts the cursor into the upper left corner of a terminal and clears what follows. Source: ECMA-48, CUP and ED.
const clearScreen = "\x1b[H\x1b[J"

// watch looks at once and then every interval until ctx ends, and returns the verdict of the last look
// that was not cut short. A look that takes longer than interval makes the next one late, not two at a time.
func (l *statusLook) watch(ctx context.Context, out io.Writer, interval time.Duration) error {
	clearing := !l.asJSON && daemon.IsTerminal(out)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	last := daemon.Errorf(daemon.ExitFailure, "interrupted before there was an answer")
	for {
		a := probe.Ask(ctx, l.target)
		if ctx.Err() != nil {
			return last
		}
		last = said(verdict(a))
		frame, err := l.frame(a, clearing, time.Now())
		if err != nil {
			return err
		}
		// One write, so that a terminal never shows half of it.
		if _, err := out.Write(frame); err != nil {
			return err // nobody watches any more
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return last
		}
	}
}

// frame is what watch prints for one answer: a line of JSON, or the time and the text, an empty line
// behind it, on a terminal in the place of the one before.
func (l *statusLook) frame(a probe.Answer, clearing bool, now time.Time) ([]byte, error) {
	if l.asJSON {
		line, err := json.Marshal(a.Document(daemon.ExitCode(verdict(a))))
		return append(line, '\n'), err
	}
	var b bytes.Buffer
	if clearing {
		b.WriteString(clearScreen)
	}
	b.WriteString(now.Format(time.DateTime) + "\n" + a.Text)
	if a.Text == "" {
		fmt.Fprintln(&b, a.Reason)
	}
	b.WriteString("\n")
	return b.Bytes(), nil
}
