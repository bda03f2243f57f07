package client

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// ensemble is a scripted ensemble: every dial gets a pipe, whose other end the test plays.
type ensemble struct {
	t       *testing.T
	mu      sync.Mutex
	refuse  map[string]error // by address
	dialled []string
	conns   chan *peer
}

func newEnsemble(t *testing.T) *ensemble {
	return &ensemble{t: t, refuse: map[string]error{}, conns: make(chan *peer, 100)}
}

func (e *ensemble) dial(_ context.Context, address string) (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.dialled = append(e.dialled, address)
	if err := e.refuse[address]; err != nil {
		return nil, err
	}
	here, there := net.Pipe()
	e.conns <- &peer{t: e.t, conn: there, address: address}
	return here, nil
}

// peer is the server's end of a connection.
type peer struct {
	t       *testing.T
	conn    net.Conn
	address string
}

func (p *peer) frame() []byte {
	p.t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(p.conn, head[:]); err != nil {
		p.t.Fatalf("reading from the client: %v", err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(p.conn, body); err != nil {
		p.t.Fatal(err)
	}
	return body
}

func (p *peer) send(body []byte) {
	p.t.Helper()
	if _, err := p.conn.Write(appendFrame(nil, body)); err != nil {
		p.t.Fatalf("writing to the client: %v", err)
	}
}

const testTimeout = 3 * time.Second

// welcome takes the handshake and lets the client in with the session; 0 refuses.
func (p *peer) welcome(session zk.SessionID) proto.ConnectRequest {
	p.t.Helper()
	var request proto.ConnectRequest
	d := jute.NewDecoder(p.frame())
	request.Decode(&d)
	response := proto.ConnectResponse{SessionID: session, Password: make([]byte, proto.PasswordBytes), HasReadOnly: true}
	if session != 0 {
		response.TimeoutMillis = int32(testTimeout.Milliseconds())
		response.Password[0] = 7
	}
	p.send(response.Append(nil))
	return request
}

// request returns the next request that is no ping.
func (p *peer) request() (h proto.RequestHeader, record []byte) {
	p.t.Helper()
	for {
		d := jute.NewDecoder(p.frame())
		h.Decode(&d)
		if h.Op != zk.OpPing {
			return h, d.Rest()
		}
		p.reply(h.Xid, 0, zk.OK, nil)
	}
}

func (p *peer) want(op zk.Op) (xid int32, record []byte) {
	p.t.Helper()
	h, record := p.request()
	if h.Op != op {
		p.t.Fatalf("the client sent %v, want %v", h.Op, op)
	}
	return h.Xid, record
}

func (p *peer) reply(xid int32, zxid zk.Zxid, code zk.Code, body []byte) {
	p.t.Helper()
	p.send(append(proto.ReplyHeader{Xid: xid, Zxid: zxid, Err: code}.Append(nil), body...))
}

func (p *peer) notify(t zk.EventType, path string, zxid zk.Zxid) {
	p.t.Helper()
	p.reply(zk.XidNotification, zxid, zk.OK, (&proto.WatcherEvent{Type: t, State: 3, Path: path}).Append(nil))
}

// got collects events.
type got struct {
	mu     sync.Mutex
	events []Event
}

func (g *got) add(e Event) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.events = append(g.events, e)
}

func (g *got) take() []Event {
	g.mu.Lock()
	defer g.mu.Unlock()
	events := g.events
	g.events = nil
	return events
}

// start returns a client of a scripted ensemble with its first connection.
func start(t *testing.T, g *got) (*ensemble, *Client, *peer) {
	t.Helper()
	e := newEnsemble(t)
	c, err := New(Config{Servers: []string{"a:1", "b:2"}, SessionTimeout: testTimeout, OnEvent: g.add, Dial: e.dial})
	if err != nil {
		t.Fatal(err)
	}
	p := <-e.conns
	p.welcome(0x10)
	if err := c.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	return e, c, p
}

// finish ends the client while the scripted server does not answer.
func finish(t *testing.T, c *Client, p *peer) {
	t.Helper()
	p.conn.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = c.Close(ctx) // there is nobody to say good-bye to
}

// async runs f beside the script.
func async(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func wantError(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("got error %v, want %v", got, want)
	}
}

func wantEvents(t *testing.T, got, want []Event) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got events  %v\nwant %v", got, want)
	}
}
