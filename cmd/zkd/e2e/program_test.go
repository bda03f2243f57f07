package e2e

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// programLimit bounds a program's single step and answerLimit a single answer. Both are far above what any
// needs on a busy machine; a program gives up on a step before the test does, and says why.
const (
	programLimit = 60 * time.Second
	answerLimit  = 20 * time.Second
)

// runOnce runs a program to its end and returns what it printed on both streams.
func runOnce(t testing.TB, limit time.Duration, command ...string) (output string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%v: not done after %v\n%s", command, limit, both.String())
	}
	return both.String(), exitStatus(cmd)
}

// poll calls condition until it is true or the limit is over, and says which.
func poll(limit time.Duration, condition func() bool) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return condition()
		case <-ticker.C:
		}
	}
	return true
}

// eventually fails the test if the condition, which what describes, does not come true in time.
func eventually(t testing.TB, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	if !poll(limit, condition) {
		t.Fatalf("not within %v: %s", limit, what)
	}
}

// A transcript collects what a program prints, on both streams.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *transcript) String() string { return t.since(0) }

func (t *transcript) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Len()
}

func (t *transcript) since(start int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text.Bytes()[start:])
}

// A program is a running client program.
type program struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	output transcript
	lines  chan string   // what startSteps' program tells the test, line by line
	exited chan struct{} // closed when cmd has ended and was waited for
	asked  int           // where in output the answer to the last send begins
}

// startProgram starts a program to talk to; it ends with the test.
func startProgram(t testing.TB, command ...string) *program {
	t.Helper()
	p := &program{exited: make(chan struct{})}
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.launch(t, func() {})
	return p
}

// startSteps starts a program that reports steps as the package comment tells.
func startSteps(t testing.TB, command ...string) *program {
	t.Helper()
	p := &program{exited: make(chan struct{}), lines: make(chan string, 1000)}
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Stderr = &p.output
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.launch(t, func() {
		for scanner := bufio.NewScanner(stdout); scanner.Scan(); {
			line := scanner.Text()
			io.WriteString(&p.output, line+"\n")
			if strings.HasPrefix(line, "step ") || strings.HasPrefix(line, "server ") {
				p.lines <- line // never blocks: a program has far fewer steps than room
			}
		}
		close(p.lines)
	})
	return p
}

// launch starts cmd and a goroutine that reads, if there is something to read, and then waits for its end.
func (p *program) launch(t testing.TB, read func()) {
	t.Helper()
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		read()
		p.cmd.Wait() // its status is read from cmd.ProcessState
		close(p.exited)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill() // an error means that it has ended already
		<-p.exited
	})
}

// send writes a line to the program; what it prints from now on is the answer.
func (p *program) send(t testing.TB, line string) {
	t.Helper()
	p.asked = p.output.len()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		t.Fatalf("%s does not read %q: %v\n%s", p.cmd.Path, line, err, p.output.String())
	}
}

// expect waits until the answer to the last line matches every pattern. Their order does not
// matter: clients print watch events from a thread of their own. ^ and $ match at lines.
func (p *program) expect(t testing.TB, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		re := regexp.MustCompile("(?m)" + pattern)
		if !poll(answerLimit, func() bool { return re.MatchString(p.output.since(p.asked)) }) {
			t.Fatalf("no answer matches %q; the answer so far:\n%s", pattern, p.output.since(p.asked))
		}
	}
}

// finish closes the program's standard input and returns its exit status.
func (p *program) finish(t testing.TB) int {
	t.Helper()
	p.stdin.Close()
	select {
	case <-p.exited:
	case <-time.After(programLimit):
		t.Fatalf("%s does not end %v after the last line\n%s", p.cmd.Path, programLimit, p.output.String())
	}
	return exitStatus(p.cmd)
}

// runSteps runs a program against s and wants these steps, each as a subtest, and exit status 0.
func runSteps(t *testing.T, s *server, steps []string, command ...string) {
	t.Helper()
	p := startSteps(t, command...)
	for _, step := range steps {
		if !t.Run(step, func(t *testing.T) { p.awaitStep(t, s, step) }) {
			t.FailNow()
		}
	}
	if status := p.finish(t); status != 0 {
		t.Errorf("exit status %d after all steps\n%s", status, p.output.String())
	}
}

// awaitStep waits for one step and does with the server what the program asks for on the way.
func (p *program) awaitStep(t *testing.T, s *server, step string) {
	timeout := time.NewTimer(programLimit)
	defer timeout.Stop()
	for {
		var line string
		var running bool
		select {
		case line, running = <-p.lines:
		case <-timeout.C:
			t.Fatalf("not done after %v; the program printed:\n%s", programLimit, p.output.String())
		}
		if !running {
			<-p.exited
			t.Fatalf("the program ended, %v, after it printed:\n%s", p.cmd.ProcessState, p.output.String())
		}
		switch keyword, rest, _ := strings.Cut(line, " "); {
		case line == "server kill":
			s.kill(t)
			p.send(t, "done")
		case line == "server start":
			s.start(t)
			p.send(t, "done")
		case keyword == "step" && rest == step:
			return
		case keyword == "step":
			t.Fatalf("got step %q, want %q", rest, step)
		}
	}
}
