// Package peer starts, watches and ends the servers that are compared: each a process of its own on
// loopback, with an ordinary zoo.cfg, a directory of its own and the same settings.
//
// It ends only processes that it started, by their id, and has the kernel end them should the
// benchmark itself be killed.
package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"zkd/cmd/zkbench/wire"
)

const (
	startLimit   = 5 * time.Minute // a million znodes take Apache ZooKeeper seconds
	stopLimit    = 30 * time.Second
	retryEvery   = 5 * time.Millisecond
	dialTimeout  = 2 * time.Second
	probeTimeout = 4 * time.Second // session timeout of the session that proves a start
)

// Command returns the program and its arguments. config is the path of the zoo.cfg; addr, the same
// host:port as in it, is for a program that reads none.
type Command func(config, addr string) []string

// ZKD is the zkd at the path binary.
func ZKD(binary string) Command {
	return func(config, _ string) []string { return []string{binary, "run", "--config", config} }
}

// Apache is ZooKeeper in a JVM, java being its launcher and heap its -Xmx.
func Apache(java, classPath, heap string) Command {
	return func(config, _ string) []string {
		return []string{java, "-Xmx" + heap, "-cp", classPath, "org.apache.zookeeper.server.quorum.QuorumPeerMain", config}
	}
}

// Peer is one server. It is for one goroutine, except for Usage.
type Peer struct {
	// Name is what it is called in tables.
	Name string
	// Addr is the host:port of the running server: a new port at every start.
	Addr string

	dir     string
	command Command
	process *process
}

// process is a running server. wait is closed when it has ended.
type process struct {
	cmd  *exec.Cmd
	wait chan struct{}
	err  error // how it ended, once wait is closed
}

// New returns a Peer that is not running, with its data, zoo.cfg and log below dir.
func New(name, dir string, command Command) *Peer {
	return &Peer{Name: name, dir: dir, command: command}
}

// DataDir is where the server keeps its snapshots and logs.
func (p *Peer) DataDir() string { return filepath.Join(p.dir, "data", "version-2") }

// config is the text of zoo.cfg. settings are further lines, key=value.
func config(dataDir, addr string, settings []string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	lines := append([]string{
		"tickTime=2000",
		"dataDir=" + dataDir,
		"clientPort=" + port,
		"clientPortAddress=" + host,
		"maxClientCnxns=0",
		"admin.enableServer=false",
		"4lw.commands.whitelist=*",
	}, settings...)
	return strings.Join(lines, "\n") + "\n", nil
}

// freeAddr is an address on loopback that nobody listens on.
func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// Start starts the server on the data that it has, waits until it has opened a session for a client,
// and returns how long that took from the start of the process. settings are further lines of
// zoo.cfg for this start.
func (p *Peer) Start(ctx context.Context, settings ...string) (time.Duration, error) {
	took, err := p.start(ctx, settings)
	if err != nil {
		p.end(syscall.SIGKILL)
		return 0, fmt.Errorf("start %s: %w%s", p.Name, err, p.lastWords())
	}
	return took, nil
}

func (p *Peer) start(ctx context.Context, settings []string) (time.Duration, error) {
	addr, err := freeAddr()
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(filepath.Join(p.dir, "data"), 0o755); err != nil {
		return 0, err
	}
	text, err := config(filepath.Join(p.dir, "data"), addr, settings)
	if err != nil {
		return 0, err
	}
	file := filepath.Join(p.dir, "zoo.cfg")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return 0, err
	}
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return 0, err
	}
	defer log.Close()

	words := p.command(file, addr)
	cmd := exec.CommandContext(ctx, words[0], words[1:]...) // killed when ctx is done
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own, so that a terminal's Ctrl-C reaches it through Stop only, in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started := &process{cmd: cmd, wait: make(chan struct{})}
	begin := time.Now()
	if err := started.begin(); err != nil {
		return 0, err
	}
	p.Addr, p.process = addr, started
	return p.awaitSession(ctx, begin)
}

// begin starts the process and has a goroutine wait for its end.
func (p *process) begin() error {
	begun := make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the thread ends that made the process: this one must stay as
		// long as the process. It is not unlocked, so it ends with the goroutine.
		runtime.LockOSThread()
		err := p.cmd.Start()
		begun <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.wait)
		}
	}()
	return <-begun
}

// awaitSession tries to open a session until there is one, and returns how long after begin.
func (p *Peer) awaitSession(ctx context.Context, begin time.Time) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	for {
		conn, err := wire.Open(p.Addr, dialTimeout, probeTimeout, 512)
		if err == nil {
			took := time.Since(begin)
			return took, conn.Close(dialTimeout)
		}
		select {
		case <-p.process.wait:
			return 0, fmt.Errorf("it ended: %v", p.process.err)
		case <-ctx.Done():
			return 0, errors.Join(ctx.Err(), err)
		case <-time.After(retryEvery):
		}
	}
}

// Stop asks the server to end and waits for it. A Peer that is not running is stopped already.
func (p *Peer) Stop() { p.end(syscall.SIGTERM) }

// Kill ends the server as kill -9 does and waits for it.
func (p *Peer) Kill() { p.end(syscall.SIGKILL) }

func (p *Peer) end(signal syscall.Signal) {
	if p.process == nil {
		return
	}
	started := p.process
	p.process = nil
	// Signals to a process that has ended already go nowhere, as it is only reaped by Wait.
	_ = started.cmd.Process.Signal(signal)
	select {
	case <-started.wait:
	case <-time.After(stopLimit):
		_ = started.cmd.Process.Kill()
		<-started.wait
	}
}

// Wipe removes all that the server has written. It must not be running.
func (p *Peer) Wipe() error { return os.RemoveAll(p.dir) }

// Usage returns what the running server has used so far.
func (p *Peer) Usage() (Usage, error) {
	if p.process == nil {
		return Usage{}, fmt.Errorf("%s is not running", p.Name)
	}
	return usageOf(p.process.cmd.Process.Pid)
}

// Version returns the first line of what the server answers to the four-letter word srvr, without
// its label.
func (p *Peer) Version() (string, error) {
	conn, err := net.DialTimeout("tcp", p.Addr, dialTimeout)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(dialTimeout)) // fails only on a closed connection
	if _, err := conn.Write([]byte("srvr")); err != nil {
		return "", err
	}
	var text bytes.Buffer
	if _, err := text.ReadFrom(conn); err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(text.String(), "\n")
	version := strings.TrimPrefix(line, "Zookeeper version: ")
	version, _, _ = strings.Cut(version, ",")
	return version, nil
}

func (p *Peer) logFile() string { return filepath.Join(p.dir, "log") }

// lastWords is the end of the server's log, for the text of an error.
func (p *Peer) lastWords() string {
	const lines = 10
	text, err := os.ReadFile(p.logFile())
	if err != nil || len(text) == 0 {
		return ""
	}
	all := slices.Collect(strings.Lines(string(text)))
	return "\nthe last lines of its log, of " + strconv.Itoa(len(all)) + ":\n" + strings.Join(all[max(len(all)-lines, 0):], "")
}
