// Package wire is a client connection made for load: it gathers requests in one buffer and sends
// them with one write, takes all replies of one read, and allocates nothing per request.
//
//	frame    int length, body
//	request  int xid, int op, record
//	reply    int xid, long zxid, int err, record
//
// It trusts no server: a reply must bear the xid behind that of the reply before it, and its zxid
// must not be lower. What a reply says is judged by the Check functions. There is no goroutine, no
// reconnect and no ping of its own here.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// maxFrameBytes is more than any answer of a benchmark's requests: a longer one is garbage.
const maxFrameBytes = 1 << 20

// ErrRefused says that the server would not open a session.
var ErrRefused = errors.New("the server refused the session")

// Conn is one connection and its session.
//
// One goroutine may make requests and flush while another takes replies. A Conn is good for 2^31-1
// requests.
type Conn struct {
	// Session is the id that [Conn.Handshake] got.
	Session zk.SessionID

	net net.Conn

	out []byte // requests that wait for Flush
	xid int32  // of the last request

	in       []byte // what was read; in[r:w] is not yet taken
	r, w     int
	answered int32   // xid of the last reply
	zxid     zk.Zxid // of the last reply
}

// Reply is one answer. Body is a view that is valid until the next Fill.
type Reply struct {
	proto.ReplyHeader
	Body []byte
}

// Notification reports whether the reply is a watch event, which no request asked for.
func (r *Reply) Notification() bool { return r.Xid == zk.XidNotification }

// New returns a Conn over an open connection, which it owns from now on. bufferBytes is what it
// reads at once; a longer frame makes the buffer grow.
func New(conn net.Conn, bufferBytes int) *Conn {
	return &Conn{net: conn, in: make([]byte, max(bufferBytes, 64))}
}

// Dial connects to addr, host:port, within timeout and sends nothing.
func Dial(addr string, timeout time.Duration, bufferBytes int) (*Conn, error) {
	dialer := net.Dialer{Timeout: timeout, KeepAlive: -1} // probes would cost four system calls more
	conn, err := dialer.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return New(conn, bufferBytes), nil
}

// Open connects to addr and opens a session that asks for sessionTimeout, all within timeout.
func Open(addr string, timeout, sessionTimeout time.Duration, bufferBytes int) (*Conn, error) {
	c, err := Dial(addr, timeout, bufferBytes)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(timeout))
	if err := c.Handshake(sessionTimeout); err != nil {
		c.Abort()
		return nil, err
	}
	c.SetDeadline(time.Time{})
	return c, nil
}

// Handshake opens a new session. Errors: [ErrRefused], those of the connection.
func (c *Conn) Handshake(sessionTimeout time.Duration) error {
	request := proto.ConnectRequest{
		TimeoutMillis: int32(sessionTimeout.Milliseconds()),
		Password:      make([]byte, proto.PasswordBytes),
		HasReadOnly:   true,
	}
	at := c.begin()
	c.out = request.Append(c.out)
	c.end(at)
	if err := c.Flush(); err != nil {
		return err
	}
	frame, err := c.frame()
	for ; frame == nil && err == nil; frame, err = c.frame() {
		if err := c.Fill(); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	var response proto.ConnectResponse
	d := jute.NewDecoder(frame)
	response.Decode(&d)
	switch {
	case d.Err() != nil:
		return fmt.Errorf("connect response: %w", d.Err())
	case response.SessionID == 0 || response.TimeoutMillis <= 0:
		return ErrRefused
	case len(response.Password) != proto.PasswordBytes:
		return fmt.Errorf("connect response: password of %d bytes", len(response.Password))
	}
	c.Session = response.SessionID
	return nil
}

// SetDeadline bounds all reads and writes; the zero time lifts the bound.
func (c *Conn) SetDeadline(t time.Time) {
	_ = c.net.SetDeadline(t) // fails only on a closed connection, as the next read will
}

// Abort closes the connection and leaves the session to expire.
func (c *Conn) Abort() { c.net.Close() }

// Pending returns how many bytes wait for Flush.
func (c *Conn) Pending() int { return len(c.out) }

// Flush sends all requests made so far with one write.
func (c *Conn) Flush() error {
	if len(c.out) == 0 {
		return nil
	}
	_, err := c.net.Write(c.out)
	c.out = c.out[:0]
	return err
}

// Fill waits for bytes from the server and takes as many as there are and fit. Call it when Next
// finds no reply: views of earlier replies become invalid.
func (c *Conn) Fill() error {
	if c.r > 0 {
		c.w = copy(c.in, c.in[c.r:c.w])
		c.r = 0
	}
	if c.w == len(c.in) {
		c.in = append(c.in, make([]byte, len(c.in))...)
	}
	n, err := c.net.Read(c.in[c.w:])
	c.w += n
	if n > 0 {
		return nil // an error will come again
	}
	if err == io.EOF && c.w > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// frame takes the next frame that has arrived whole, nil if there is none.
func (c *Conn) frame() ([]byte, error) {
	if c.w-c.r < 4 {
		return nil, nil
	}
	n := int32(binary.BigEndian.Uint32(c.in[c.r:]))
	if n < 0 || n > maxFrameBytes {
		return nil, fmt.Errorf("frame of %d bytes", n)
	}
	begin, end := c.r+4, c.r+4+int(n)
	if c.w < end {
		return nil, nil
	}
	c.r = end
	return c.in[begin:end:end], nil
}

// Next takes the next reply that has arrived whole; ok is false if there is none. An error code in
// the reply is not an error of Next: see [Reply.Code].
func (c *Conn) Next(r *Reply) (ok bool, err error) {
	frame, err := c.frame()
	if frame == nil || err != nil {
		return false, err
	}
	d := jute.NewDecoder(frame)
	r.Decode(&d)
	if d.Err() != nil {
		return false, fmt.Errorf("reply header: %w", d.Err())
	}
	r.Body = d.Rest()
	return true, c.judge(&r.ReplyHeader)
}

// judge verifies the order of replies. The zxid of a notification says nothing about it (-1 up to
// ZooKeeper 3.8, that of the causing txn since), nor does the 0 of a server without any txn.
func (c *Conn) judge(h *proto.ReplyHeader) error {
	if h.Xid == zk.XidNotification {
		return nil
	}
	if h.Xid != zk.XidPing {
		if h.Xid != c.answered+1 {
			return fmt.Errorf("reply %d where %d was due", h.Xid, c.answered+1)
		}
		c.answered++
	}
	if h.Zxid > 0 {
		if h.Zxid < c.zxid {
			return fmt.Errorf("reply %d: zxid went back from %v to %v", h.Xid, c.zxid, h.Zxid)
		}
		c.zxid = h.Zxid
	}
	return nil
}

// Await flushes and waits for one reply, which must not be an error.
func (c *Conn) Await(r *Reply) error {
	if err := c.Flush(); err != nil {
		return err
	}
	return c.Take(r)
}

// Take waits for one reply, which must not be an error.
func (c *Conn) Take(r *Reply) error {
	for {
		ok, err := c.Next(r)
		if err != nil {
			return err
		}
		if ok {
			return r.Code()
		}
		if err := c.Fill(); err != nil {
			return err
		}
	}
}

// Close ends the session, waits for the server's word within timeout and closes the connection. No
// request may be outstanding.
func (c *Conn) Close(timeout time.Duration) error {
	defer c.Abort()
	c.SetDeadline(time.Now().Add(timeout))
	c.CloseSession()
	var r Reply
	return c.Await(&r)
}
