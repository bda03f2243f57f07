package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Config says with whom to have a session, and how.
type Config struct {
	// Servers are "host:port", at least one; they are tried in this order, from the first at the start
	// and from the next one when a connection breaks.
	Servers []string
	// Chroot is put before every path and taken from every path that comes back; "" or "/a/b".
	Chroot string
	// SessionTimeout is what the client asks for; the server has the last word. 0 is 30 s.
	SessionTimeout time.Duration
	// ConnectTimeout bounds a dial and the handshake after it. 0 is 5 s.
	ConnectTimeout time.Duration
	// OperationTimeout bounds each operation, the wait for a connection included. 0 is no bound.
	OperationTimeout time.Duration
	// OnEvent gets every event, one at a time, on a goroutine of its own; nil drops them. It may call
	// the client's methods but for Close and Flush.
	OnEvent func(Event)
	// Dial opens a connection; nil is a TCP connection.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Client has one session. Its methods may be called by any number of goroutines.
type Client struct {
	cfg    Config
	calls  chan *call
	events *eventQueue

	stop      context.CancelFunc
	stopped   context.Context
	ended     chan struct{} // closed when run has returned
	delivered chan struct{} // closed when the last event was handed out

	mu        sync.Mutex
	session   zk.SessionID
	password  []byte
	timeout   time.Duration // as the server has it
	lastZxid  zk.Zxid
	connected bool
	server    string        // of the connection, or of the last one
	changed   chan struct{} // closed and replaced when connected changes or an attempt fails
	final     error         // why the client will never answer again; nil while it may
	attempts  []error       // of the last round of attempts, by server; nil if it succeeded
	auths     []proto.AuthRequest
	watches   watches
}

// New returns a client that connects in the background. Close it.
func New(cfg Config) (*Client, error) {
	if len(cfg.Servers) == 0 {
		return nil, errors.New("client: no servers")
	}
	if strings.HasSuffix(cfg.Chroot, "/") {
		cfg.Chroot = strings.TrimRight(cfg.Chroot, "/")
	}
	if cfg.Chroot != "" && !strings.HasPrefix(cfg.Chroot, "/") {
		return nil, fmt.Errorf("client: chroot %q does not begin with /", cfg.Chroot)
	}
	cfg.SessionTimeout = cmp.Or(cfg.SessionTimeout, 30*time.Second)
	cfg.ConnectTimeout = cmp.Or(cfg.ConnectTimeout, 5*time.Second)
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}
	}
	c := &Client{
		cfg: cfg, calls: make(chan *call), events: newEventQueue(),
		ended: make(chan struct{}), delivered: make(chan struct{}), changed: make(chan struct{}),
		password: make([]byte, proto.PasswordBytes), attempts: make([]error, len(cfg.Servers)),
	}
	c.stopped, c.stop = context.WithCancel(context.Background())
	go func() {
		defer close(c.delivered)
		if cfg.OnEvent != nil {
			c.events.deliver(cfg.OnEvent)
		}
	}()
	go c.run()
	return c, nil
}

// Close ends the session, which takes its ephemerals with it, and waits until all goroutines of the
// client have ended. When ctx ends first, or without a connection, the session is left to its timeout.
func (c *Client) Close(ctx context.Context) error {
	var err error
	if c.Connected() {
		_, err = c.do(ctx, &call{op: zk.OpCloseSession})
	}
	c.stop()
	<-c.ended
	<-c.delivered
	return err
}

// Connect waits until there is a session with a connection. The error is an [UnreachableError] if ctx
// ends first.
func (c *Client) Connect(ctx context.Context) error {
	for {
		c.mu.Lock()
		connected, final, changed, attempts := c.connected, c.final, c.changed, slices.Clone(c.attempts)
		c.mu.Unlock()
		switch {
		case final != nil:
			return final
		case connected:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			attempts = slices.DeleteFunc(attempts, func(err error) bool { return err == nil })
			if len(attempts) == 0 {
				return ctx.Err()
			}
			return &UnreachableError{attempts}
		}
	}
}

// Flush waits until OnEvent has returned from every event that came before the call, so that whoever got an
// answer has heard first of what came before it. OnEvent must not call it.
func (c *Client) Flush() { c.events.flush() }

// Connected reports whether there is a connection now.
func (c *Client) Connected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.connected
}

// Server returns the server of the connection, or of the last one; "" before the first.
func (c *Client) Server() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.server
}

// A call is one request on its way.
type call struct {
	op     zk.Op
	record []byte
	xid    int32
	// answered runs before any later frame is looked at, with the client locked. It is for watches, which must
	// be known before the event that uses them up.
	answered func(zk.Code)
	done     chan answer // room for one
}

type answer struct {
	body []byte
	err  error
}

// do sends a request and waits for its reply; the error is a zk.Code where the server refused.
func (c *Client) do(ctx context.Context, request *call) ([]byte, error) {
	request.done = make(chan answer, 1)
	if c.cfg.OperationTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.cfg.OperationTimeout)
		defer cancel()
	}
	select {
	case c.calls <- request:
	case <-ctx.Done():
		return nil, c.why(ctx)
	case <-c.ended:
		return nil, c.ending()
	}
	select {
	case a := <-request.done:
		return a.body, a.err
	case <-ctx.Done():
		return nil, c.why(ctx)
	case <-c.ended:
		select {
		case a := <-request.done: // answered before the end
			return a.body, a.err
		default:
			return nil, c.ending()
		}
	}
}

// why explains the end of ctx: a deadline that passed without a connection has a better reason.
func (c *Client) why(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	reasons := slices.DeleteFunc(slices.Clone(c.attempts), func(err error) bool { return err == nil })
	if !c.connected && len(reasons) > 0 {
		return errors.Join(ctx.Err(), &UnreachableError{reasons})
	}
	return ctx.Err()
}

func (c *Client) ending() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.final
}

func (c *Client) wrap(op zk.Op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{op, path, err}
}

// request is do with decoding and a wrapped error; path is below the chroot.
func (c *Client) request(ctx context.Context, op zk.Op, path string, record []byte, decode func(*jute.Decoder), answered func(zk.Code)) error {
	body, err := c.do(ctx, &call{op: op, record: record, answered: answered})
	if err == nil && decode != nil {
		d := jute.NewDecoder(body)
		decode(&d)
		if d.Err() != nil {
			err = fmt.Errorf("reply of %d bytes: %w", len(body), d.Err())
		}
	}
	return c.wrap(op, path, err)
}

// full returns the path as the server knows it.
func (c *Client) full(path string) string {
	if c.cfg.Chroot == "" {
		return path
	}
	if path == "/" {
		return c.cfg.Chroot
	}
	return c.cfg.Chroot + path
}

// below returns a full path as the caller knows it; one that is not below the chroot stays as it is.
func (c *Client) below(full string) string {
	rest, ok := strings.CutPrefix(full, c.cfg.Chroot)
	switch {
	case !ok || rest != "" && rest[0] != '/':
		return full
	case rest == "":
		return "/"
	}
	return rest
}

// LastZxid returns the highest zxid that an answer has shown.
func (c *Client) LastZxid() zk.Zxid {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastZxid
}
