package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestFlags(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "zkd")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args []string
		good func(o options) bool
		want string // in the error
	}{
		"the defaults":                 {nil, func(o options) bool { return o.rounds == 3 && o.znodes == 1_000_000 && o.sessions == 10_000 }, ""},
		"--quick":                      {[]string{"--quick"}, func(o options) bool { return o.rounds == 1 && o.znodes == 100_000 }, ""},
		"a flag outweighs --quick":     {[]string{"--rounds", "7", "--quick"}, func(o options) bool { return o.rounds == 7 && o.znodes == 100_000 }, ""},
		"--only":                       {[]string{"--only", "get,znodes"}, func(o options) bool { return o.wants("get") && o.wants("znodes") && !o.wants("set") }, ""},
		"everything is wanted":         {nil, func(o options) bool { return o.wants("set") && o.wants("sessions") }, ""},
		"a part that does not exist":   {[]string{"--only", "got"}, nil, `"got" is none of get, get-1,`},
		"a stray argument":             {[]string{"get"}, nil, `unexpected argument "get"`},
		"no round":                     {[]string{"--rounds", "0"}, nil, "there must be a round"},
		"znodes that cannot be shared": {[]string{"--znodes", "15"}, nil, "multiple of 10"},
		"a flag that does not exist":   {[]string{"--fast"}, nil, "fast"},
		"a zkd that is not there":      {[]string{"--zkd", binary + "x"}, nil, "make build"},
		"nothing to measure":           {[]string{"--zkd", "", "--apache", ""}, nil, "nothing to measure"},
		"no JVM":                       {[]string{"--apache", "some.jar", "--java", binary + "x"}, nil, "--java"},
		"no JVM is no matter alone":    {[]string{"--apache", "", "--java", binary + "x"}, func(o options) bool { return o.apache == "" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"--zkd", binary, "--java", binary}, test.args...)
			o, err := parse(args, io.Discard)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("got error %v", err)
			case test.want == "" && !test.good(o):
				t.Errorf("got %+v", o)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got error %v, want %q", err, test.want)
			}
		})
	}
	if _, err := parse([]string{"--help"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: got error %v", err)
	}
}

// brokenSuite has a zkd that ends at once.
func brokenSuite(t *testing.T) options {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "zkd")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho out of order\nexit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return options{zkd: binary, dir: dir, rounds: 1, duration: time.Second}
}

func TestABenchmarkThatCannotStartItsServerSaysWhyAndLeavesNothing(t *testing.T) {
	o := brokenSuite(t)
	var out bytes.Buffer
	err := bench(t.Context(), o, &out, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "exit status 7") || !strings.Contains(err.Error(), "out of order") {
		t.Errorf("got error %v, want the server's exit status and last words", err)
	}
	left, err := filepath.Glob(filepath.Join(o.dir, "zkbench-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, error %v", left, err)
	}
}

func TestAFailedMeasurementIsInTheReportAndInTheExitStatus(t *testing.T) {
	o := brokenSuite(t)
	o.only = []string{"sessions"}
	var out bytes.Buffer
	err := bench(t.Context(), o, &out, io.Discard)
	if err == nil || !strings.Contains(out.String(), "FAILED: sessions, zkd:") {
		t.Errorf("got error %v and report\n%s", err, out.String())
	}
}

func TestAnInterruptedBenchmarkEndsWithItsReason(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := bench(ctx, brokenSuite(t), io.Discard, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want that of the context", err)
	}
}
