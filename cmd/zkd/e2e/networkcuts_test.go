package e2e

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listenOn listens on a port of one of the network's hosts.
func listenOn(t *testing.T, host int) net.Listener {
	t.Helper()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	theirs, err := os.Open("/run/netns/" + hostName(host))
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	runtime.LockOSThread() // the namespace is the thread's
	defer runtime.UnlockOSThread()
	if err := unix.Setns(int(theirs.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", hostAddr(host)+":1")
	if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back != nil {
		panic(back) // this thread must not run anything else
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// A cut must cut, new connections and old ones, in its direction, and be undone by heal.
func TestNetworkCuts(t *testing.T) {
	n := newNetwork(t, 2)
	server, here := []int{1}, []int{testHost}
	l := listenOn(t, 1)
	addr := l.Addr().String()
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	// arrives sends a byte and returns the error of waiting for it.
	arrives := func(from, to net.Conn, limit time.Duration) error {
		if _, err := from.Write([]byte{1}); err != nil {
			return err
		}
		to.SetReadDeadline(time.Now().Add(limit))
		_, err := io.ReadFull(to, make([]byte, 1))
		return err
	}
	const silence = 300 * time.Millisecond // long for a loopback; what comes too late would fail another line
	if err := arrives(conn, accepted, answerLimit); err != nil {
		t.Fatal(err)
	}

	n.cut(t, blackHole, here, server)
	if err := arrives(conn, accepted, silence); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("through a cut: %v", err)
	}
	if err := arrives(accepted, conn, answerLimit); err != nil {
		t.Errorf("against the direction of a cut: %v", err)
	}
	if c, err := net.DialTimeout("tcp4", addr, silence); err == nil {
		c.Close()
		t.Error("a new connection through a cut")
	}
	n.heal(t)
	accepted.SetReadDeadline(time.Now().Add(answerLimit))
	if _, err := io.ReadFull(accepted, make([]byte, 1)); err != nil {
		t.Errorf("what was sent into a cut does not arrive behind it: %v", err)
	}

	n.part(t, reset, here, server)
	if _, err := net.Dial("tcp4", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a new connection: %v, want one refused", err)
	}
	if err := arrives(conn, accepted, silence); err == nil {
		t.Error("an old connection is left")
	}
	eventually(t, answerLimit, "the sender hears of it", func() bool {
		_, err := conn.Write([]byte{1})
		return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	})
	n.heal(t)
	c, err := net.Dial("tcp4", addr)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
