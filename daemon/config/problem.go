package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Source is where a setting came from. The zero Source is the built-in default.
type Source struct {
	File string
	// Line and Column count from 1, in characters; 0 where they are unknown.
	Line, Column int
	// Key and Value are as written in File; Value is empty for secrets.
	Key, Value string
	// Note replaces the place for a value that no line gives, such as a default of zoo.cfg that
	// differs from that of zkd.toml.
	Note string
}

// String returns "default", the note, or "file:line".
func (s Source) String() string {
	switch {
	case s.Note != "":
		return s.Note
	case s.File == "":
		return "default"
	case s.Line == 0:
		return s.File
	default:
		return fmt.Sprintf("%s:%d", s.File, s.Line)
	}
}

// place returns "file:line:column: ", as much of it as is known.
func (s Source) place() string {
	var b strings.Builder
	if s.File == "" {
		return ""
	}
	b.WriteString(s.File)
	if s.Line > 0 {
		fmt.Fprintf(&b, ":%d", s.Line)
		if s.Column > 0 {
			fmt.Fprintf(&b, ":%d", s.Column)
		}
	}
	b.WriteString(": ")
	return b.String()
}

// Problem is one thing that is wrong, where, and how to mend it.
type Problem struct {
	Source
	// What is wrong, and the Fix, "" if What says it all. Neither ends in a full stop.
	What, Fix string
	// Denied says that it is only that whoever asks may not read the file: the server may.
	Denied bool
	// Passes says that it may go by itself: the host lacks an address, or an answer of its name service, that it may
	// get while it starts.
	Passes bool
}

// String returns the problem on one line:
//
//	zkd.toml:7:1: session.tick_time = "0s": must be at least 100ms; the default is "2s"
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.place())
	if p.Key != "" {
		b.WriteString(p.Key)
		if p.Value != "" {
			b.WriteString(" = " + p.Value)
		}
		b.WriteString(": ")
	}
	b.WriteString(p.What)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// Errors are all the reasons why a configuration cannot be used, in the order of the file.
type Errors []Problem

// Error returns the problems, a line each.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, p := range e {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Severity says how much a [Notice] matters.
type Severity uint8

// The severities. What is worse than a Warning is a [Problem] among [Errors].
const (
	// Info: the setting has no effect here, or another one than in ZooKeeper, and that is harmless.
	Info Severity = iota
	// Warning: the server runs, but perhaps not as its operator expects.
	Warning
)

// String returns "info" or "warning".
func (s Severity) String() string {
	if s == Warning {
		return "warning"
	}
	return "info"
}

// Notice is something an operator should know about a configuration that works.
type Notice struct {
	Severity Severity
	Problem
}

// String returns the notice on one line, its severity behind the place.
func (n Notice) String() string {
	p := n.Problem
	p.Source.File = ""
	return n.place() + n.Severity.String() + ": " + p.String()
}

// report gathers what is found while a file is read. Keys that could not be read are remembered by
// their name in zkd.toml, so that no check complains about the default that stands in for them.
type report struct {
	errs    Errors
	notices []Notice
	broken  map[string]bool
}

func (r *report) errorf(at Source, fix, format string, args ...any) {
	r.errs = append(r.errs, Problem{Source: at, What: fmt.Sprintf(format, args...), Fix: fix})
}

func (r *report) notice(s Severity, at Source, fix, format string, args ...any) {
	r.notices = append(r.notices, Notice{s, Problem{Source: at, What: fmt.Sprintf(format, args...), Fix: fix}})
}

func (r *report) breakKey(name string) {
	if r.broken == nil {
		r.broken = make(map[string]bool)
	}
	r.broken[name] = true
}

// result sorts the findings by place; those without one come last, in the order they were found.
func (r *report) result() ([]Notice, error) {
	byPlace := func(a, b Source) int {
		return cmp.Or(cmp.Compare(b2i(a.Line == 0), b2i(b.Line == 0)),
			strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	}
	slices.SortStableFunc(r.errs, func(a, b Problem) int { return byPlace(a.Source, b.Source) })
	slices.SortStableFunc(r.notices, func(a, b Notice) int { return byPlace(a.Source, b.Source) })
	if len(r.errs) > 0 {
		return r.notices, r.errs
	}
	return r.notices, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
