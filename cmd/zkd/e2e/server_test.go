package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"zkd/quorum/freeport"
)

// tick is the servers' tickTime. Sessions may last 2 to 20 ticks: long enough for a client to be back after a
// restart of the server, short enough to wait for the end of an abandoned session.
const (
	tick              = time.Second
	minSessionTimeout = 2 * tick
	maxSessionTimeout = 20 * tick
)

// startLimit bounds the time from the start of the process to its first answer, on a busy machine.
const startLimit = 60 * time.Second

// A server is one server process and what survives it: its directory, its port and its log.
type server struct {
	target target
	dir    string
	host   string   // address of the client port
	prefix []string // of the command: what puts the process on a host of its own
	port   int
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended and was waited for
}

// startServer starts the selected target on fresh data; it is stopped with the test. Each of
// settings is a further line of zoo.cfg.
func startServer(t testing.TB, settings ...string) *server {
	t.Helper()
	s := &server{target: selectedTarget(t), dir: t.TempDir(), host: "127.0.0.1", port: freeport.Take(t, 1)[0]}
	lines := append([]string{
		fmt.Sprintf("tickTime=%d", tick.Milliseconds()),
		"dataDir=" + filepath.Join(s.dir, "data"),
		fmt.Sprintf("clientPort=%d", s.port),
		"clientPortAddress=127.0.0.1",
		"admin.enableServer=false",
		"4lw.commands.whitelist=*",
	}, settings...)
	if err := os.Mkdir(filepath.Join(s.dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.cfg(), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cleanup(t) })
	s.start(t)
	return s
}

func (s *server) cfg() string     { return filepath.Join(s.dir, "zoo.cfg") }
func (s *server) logFile() string { return filepath.Join(s.dir, "log") }
func (s *server) addr() string    { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// start starts the process and returns when it answers.
func (s *server) start(t testing.TB) {
	t.Helper()
	s.launch(t)
	s.awaitServing(t)
}

// launch starts the process.
func (s *server) launch(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the process has its own descriptor
	command := slices.Concat(s.prefix, s.target.command(t, s.cfg()))
	s.cmd = exec.Command(command[0], command[1:]...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // no orphan of a test that panics
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan struct{}) {
		cmd.Wait() // its status is read from cmd.ProcessState
		close(exited)
	}(s.cmd, s.exited)
}

// awaitServing waits until the server serves, alone or in an ensemble.
func (s *server) awaitServing(t testing.TB) {
	t.Helper()
	answered := poll(startLimit, func() bool {
		answer, err := fourLetterWord(s.addr(), "srvr")
		return err == nil && strings.Contains(answer, "Mode: ") || s.ended()
	})
	if s.ended() {
		t.Fatalf("%s ended before it served: %v", s.target.name, s.cmd.ProcessState)
	}
	if !answered {
		t.Fatalf("%s does not serve %v after its start", s.target.name, startLimit)
	}
}

func (s *server) ended() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

// kill ends the process as a crash does and returns when it is gone.
func (s *server) kill(t testing.TB) {
	t.Helper()
	if s.ended() {
		t.Fatalf("%s ended by itself: %v", s.target.name, s.cmd.ProcessState)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-s.exited
}

// stop ends the process as an operator does and returns its exit status.
func (s *server) stop(t testing.TB) (status int) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.exited:
	case <-time.After(startLimit):
		t.Fatalf("%s does not end %v after SIGTERM", s.target.name, startLimit)
	}
	return exitStatus(s.cmd)
}

// exitStatus is the status of an ended process as a shell reports it.
func exitStatus(cmd *exec.Cmd) int {
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// cleanup ends the process and, after a failure, shows the end of its log.
func (s *server) cleanup(t testing.TB) {
	if s.cmd != nil && s.cmd.Process != nil && s.exited != nil {
		if s.ended() {
			t.Logf("%s had ended: %v", s.target.name, s.cmd.ProcessState)
		}
		s.cmd.Process.Kill() // an error means that it has ended already
		<-s.exited
	}
	if t.Failed() {
		t.Logf("end of the log of %s:\n%s", s.target.name, tail(s.logFile(), 4096))
	}
}

// tail returns the last bytes of a file, at most max.
func tail(file string, max int) string {
	content, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(content[len(content)-min(len(content), max):])
}

// fourLetterWord sends a four-letter word and returns the whole answer.
func fourLetterWord(addr, word string) (string, error) {
	return fourLetterWordWithin(5*time.Second, addr, word)
}

// fourLetterWordWithin is fourLetterWord for servers that may not answer.
func fourLetterWordWithin(limit time.Duration, addr, word string) (string, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	if _, err := io.WriteString(conn, word); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}
