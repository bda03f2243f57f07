package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/election"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// pipes is a network in memory, of net.Pipe, for synctest: every address is refused until somebody
// listens on it.
type pipes struct {
	mu        sync.Mutex
	listeners map[string]*pipeListener
	fail      map[string]error // what dials of an address end with; context.Canceled: never
	dials     []string
	writes    int // by those who dialed
}

func newPipes() *pipes {
	return &pipes{listeners: make(map[string]*pipeListener), fail: make(map[string]error)}
}

func (p *pipes) network() Network {
	return Network{Dial: p.dial, Listen: func(_ context.Context, address string) (net.Listener, error) { return p.listen(address), nil }}
}

func (p *pipes) listen(address string) *pipeListener {
	l := &pipeListener{address: address, conns: make(chan net.Conn, 256), closed: make(chan struct{})}
	p.mu.Lock()
	p.listeners[address] = l
	p.mu.Unlock()
	return l
}

func (p *pipes) dial(ctx context.Context, address string) (net.Conn, error) {
	p.mu.Lock()
	p.dials = append(p.dials, address)
	l, fail := p.listeners[address], p.fail[address]
	p.mu.Unlock()
	switch {
	case errors.Is(fail, context.Canceled):
		<-ctx.Done()
		return nil, ctx.Err()
	case fail != nil:
		return nil, fail
	case l == nil:
		return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	here, there := net.Pipe()
	l.conns <- there
	return &countedConn{here, p}, nil
}

func (p *pipes) counts() (dials, writes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.dials), p.writes
}

// countedConn counts writes, and has no file descriptor.
type countedConn struct {
	net.Conn
	p *pipes
}

func (c *countedConn) Write(b []byte) (int, error) {
	c.p.mu.Lock()
	c.p.writes++
	c.p.mu.Unlock()
	return c.Conn.Write(b)
}

type pipeListener struct {
	address string
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return pipeAddr(l.address) }

type pipeAddr string

func (a pipeAddr) Network() string { return "pipe" }
func (a pipeAddr) String() string  { return string(a) }

// loopback listens on a free port of 127.0.0.1.
func loopback(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func hostPort(a net.Addr) proto.HostPort {
	tcp := a.(*net.TCPAddr)
	return proto.HostPort{Host: tcp.IP.String(), Port: uint16(tcp.Port)}
}

// patience is how long a test with sockets waits for what must happen.
const patience = 20 * time.Second

// inbox is an ElectionReceiver that keeps what it gets.
type inbox struct {
	mu     sync.Mutex
	events []election.Event
	failed error
	more   chan struct{}
}

func newInbox() *inbox { return &inbox{more: make(chan struct{}, 1)} }

func (in *inbox) Deliver(ev election.Event) {
	in.mu.Lock()
	in.events = append(in.events, ev)
	in.mu.Unlock()
	signal(in.more)
}

func (in *inbox) Failed(err error) {
	in.mu.Lock()
	in.failed = err
	in.mu.Unlock()
	signal(in.more)
}

// take returns what came since the last call, in words.
func (in *inbox) take() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	var all []string
	for _, ev := range in.events {
		all = append(all, inWords(ev))
	}
	in.events = nil
	return all
}

func inWords(ev election.Event) string {
	switch ev := ev.(type) {
	case election.LinkUp:
		return fmt.Sprintf("up %d", ev.Peer)
	case election.LinkDown:
		return fmt.Sprintf("down %d", ev.Peer)
	case election.Received:
		return fmt.Sprintf("round %d from %d", ev.Note.Round, ev.From)
	case election.Garbled:
		return fmt.Sprintf("garbled from %d", ev.From)
	}
	return fmt.Sprintf("%T", ev)
}

// await waits until all of want have come, in any order, and drops what else came with them.
func (in *inbox) await(t testing.TB, want ...string) {
	t.Helper()
	late := time.After(patience)
	var come []string
	for {
		come = append(come, in.take()...)
		if !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(come, w) }) {
			return
		}
		select {
		case <-in.more:
		case <-late:
			t.Fatalf("there should be %q; there is %q", want, come)
		}
	}
}

// note is a notification that is told from others by its round.
func note(round proto.Round) *proto.Notification {
	return &proto.Notification{State: proto.Looking, Leader: 1, Round: round, Version: 1}
}

func frameOf(n *proto.Notification) []byte {
	body := n.Append(nil)
	return append([]byte{byte(len(body) >> 24), byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

func helloOf(id zk.ServerID, addrs ...proto.HostPort) []byte {
	if len(addrs) == 0 {
		addrs = []proto.HostPort{{Host: "0.0.0.0", Port: 1}}
	}
	h := proto.ElectionHello{ServerID: id, Addrs: addrs}
	return h.AppendV1(nil)
}

func at(host string) []proto.HostPort { return []proto.HostPort{{Host: host, Port: 1}} }

// electionOn returns an Election in a network of pipes that listens as <host>:1.
func electionOn(p *pipes, self zk.ServerID, host string, members ...Member) (*Election, *inbox) {
	in := newInbox()
	e := NewElection(ElectionConfig{Self: self, Addrs: at(host), Network: p.network(), Receiver: in, Logger: zap.NewNop()})
	e.Serve(p.listen(host + ":1"))
	e.SetMembers(members)
	return e, in
}

// noLeaks fails the test if, at its end, goroutines of this room are left.
func noLeaks(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		late := time.Now().Add(patience)
		for {
			buf := make([]byte, 1<<20)
			var left []string
			for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
				if strings.Contains(stack, "zkd/quorum/peer.(*") && !strings.Contains(stack, "peer.noLeaks") {
					left = append(left, stack)
				}
			}
			if len(left) == 0 {
				return
			}
			if time.Now().After(late) {
				t.Fatalf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
			}
			runtime.Gosched()
		}
	})
}
