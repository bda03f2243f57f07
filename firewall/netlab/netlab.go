package netlab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Main runs the tests of a package as root of its own user namespace, unless they are root already.
// Use it as `func TestMain(m *testing.M) { os.Exit(netlab.Main(m.Run)) }`.
func Main(run func() int) int {
	if os.Geteuid() == 0 {
		return run()
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	err := cmd.Run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "netlab: these tests make network namespaces, as root or in a user namespace:", err)
		return 1
	}
	return 0
}

// Namespace is a network namespace.
type Namespace struct {
	t    testing.TB
	file *os.File
}

// New makes a namespace with its loopback interface up. It ends with the test.
func New(t testing.TB) *Namespace {
	t.Helper()
	n := &Namespace{t: t}
	made := make(chan error)
	go func() {
		// The thread is not unlocked: it ends with the goroutine, and nobody else gets into the namespace.
		runtime.LockOSThread()
		made <- func() (err error) {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("unshare: %w (root is needed)", err)
			}
			n.file, err = os.Open("/proc/thread-self/ns/net")
			return err
		}()
	}()
	if err := <-made; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.file.Close() })
	n.Run("ip", "link", "set", "lo", "up")
	return n
}

// FD is the file descriptor of the namespace.
func (n *Namespace) FD() int { return int(n.file.Fd()) }

// Do runs f in the namespace and waits for it. Sockets that f makes stay there; goroutines that it
// starts do not.
func (n *Namespace) Do(f func()) {
	n.t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Setns(n.FD(), unix.CLONE_NEWNET)
		if err == nil {
			f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		n.t.Fatalf("setns: %v", err)
	}
}

// Run runs a command in the namespace and returns what it printed, or fails the test.
func (n *Namespace) Run(name string, args ...string) string {
	n.t.Helper()
	out, err := n.Try("", name, args...)
	if err != nil {
		n.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// Try runs a command in the namespace with an input.
func (n *Namespace) Try(input, name string, args ...string) (out string, err error) {
	n.t.Helper()
	if path, lookErr := exec.LookPath(name); lookErr == nil {
		name = path
	} else if _, statErr := os.Stat(filepath.Join("/usr/sbin", name)); statErr == nil {
		name = filepath.Join("/usr/sbin", name) // not in the PATH of those who are not root
	}
	n.Do(func() {
		cmd := exec.Command(name, args...)
		cmd.Stdin = strings.NewReader(input)
		var text []byte
		text, err = cmd.CombinedOutput()
		out = string(text)
	})
	return out, err
}

// Nft loads rules in the syntax of nft.
func (n *Namespace) Nft(rules string) {
	n.t.Helper()
	if out, err := n.Try(rules, "nft", "-f", "-"); err != nil {
		n.t.Fatalf("nft: %v\n%s%s", err, out, rules)
	}
}

// Link connects the namespace with another by a cable whose ends are named here and there.
func (n *Namespace) Link(here string, other *Namespace, there string) {
	n.t.Helper()
	n.Run("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), other.FD()))
	n.Run("ip", "link", "set", here, "up")
	other.Run("ip", "link", "set", there, "up")
}

// Addr gives an interface addresses with their lengths. IPv6 addresses are usable at once.
func (n *Namespace) Addr(dev string, prefixes ...string) {
	n.t.Helper()
	for _, p := range prefixes {
		args := []string{"address", "add", p, "dev", dev}
		if netip.MustParsePrefix(p).Addr().Is6() {
			args = append(args, "nodad")
		}
		n.Run("ip", args...)
	}
}

// Listen accepts and closes connections to an address until the test ends.
func (n *Namespace) Listen(address string) {
	n.t.Helper()
	var l net.Listener
	var err error
	n.Do(func() { l, err = net.Listen("tcp", address) })
	if err != nil {
		n.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	n.t.Cleanup(func() { l.Close(); <-done })
}

// Dial connects to an address from a source, "" for any, and says what came of it within the time given.
// A dropped connection costs all of that time, so that it should be short, and long enough for a busy machine.
func (n *Namespace) Dial(source, address string, within time.Duration) error {
	n.t.Helper()
	var err error
	n.Do(func() {
		d := net.Dialer{}
		if source != "" {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(source), 0))
		}
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		var c net.Conn
		if c, err = d.DialContext(ctx, "tcp", address); err == nil {
			c.Close()
		}
	})
	return err
}
