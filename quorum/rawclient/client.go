// Package rawclient is a ZooKeeper client for tests and tools that want to see the wire: it sends
// exactly the frames it is told to send, in the form it is told, and shows every frame that comes
// back.
//
//	frame       int length, body
//	request     int xid, int op, record
//	reply       int xid, long zxid, int err, record
//	handshake   ConnectRequest and ConnectResponse as bare bodies, without a header
//
// It hides nothing: no retry, no reconnect, no ping of its own, no goroutine. What it does keep
// apart are notifications (xid -1), which it collects in the order of their arrival while it waits
// for replies. A [Client] is for one goroutine.
//
// An error of a method is either a [zk.Code], which is the server's answer, or something about the
// connection; io.EOF says that the server closed it.
package rawclient

import (
	"bufio"
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

// DefaultTimeout bounds each read and write unless Client.Timeout says otherwise.
const DefaultTimeout = 10 * time.Second

// maxFrameBytes bounds what ReadFrame allocates: more than any server answers with default limits.
const maxFrameBytes = 64 << 20

// Client is one connection to a server.
type Client struct {
	// Timeout bounds every single read and write of a frame.
	Timeout time.Duration

	// Session and Password are what the last handshake gave; [Client.Resume] asks for them again.
	Session       zk.SessionID
	Password      []byte
	TimeoutMillis int32

	// LastZxid is the highest zxid in any reply header so far.
	LastZxid zk.Zxid

	conn   net.Conn
	in     *bufio.Reader
	xid    int32
	events []Event
}

// Event is one notification.
type Event struct {
	Zxid zk.Zxid // of the header: -1 up to ZooKeeper 3.8, that of the causing txn since 3.9.0
	proto.WatcherEvent
}

// Reply is one reply to a request. Body is what stands behind the header.
type Reply struct {
	proto.ReplyHeader
	Body []byte
}

// Code returns the reply's error, or nil for OK.
func (r Reply) Code() error {
	if r.Err == zk.OK {
		return nil
	}
	return r.Err
}

// Dial connects to addr, host:port, and sends nothing.
func Dial(addr string) (*Client, error) {
	conn, err := net.DialTimeout("tcp", addr, DefaultTimeout)
	if err != nil {
		return nil, err
	}
	return New(conn), nil
}

// New returns a Client over an open connection, which it owns from now on.
func New(conn net.Conn) *Client {
	return &Client{Timeout: DefaultTimeout, conn: conn, in: bufio.NewReader(conn)}
}

// Open connects to addr and opens a new session with the given timeout.
func Open(addr string, timeoutMillis int32) (*Client, error) {
	return openWith(addr, proto.ConnectRequest{
		TimeoutMillis: timeoutMillis, Password: make([]byte, proto.PasswordBytes), HasReadOnly: true,
	})
}

// Resume connects to addr and takes over the session of c, whose own connection may still be open.
func (c *Client) Resume(addr string) (*Client, error) {
	return openWith(addr, proto.ConnectRequest{
		LastZxidSeen: c.LastZxid, TimeoutMillis: c.TimeoutMillis,
		SessionID: c.Session, Password: c.Password, HasReadOnly: true,
	})
}

func openWith(addr string, request proto.ConnectRequest) (*Client, error) {
	c, err := Dial(addr)
	if err != nil {
		return nil, err
	}
	response, err := c.Connect(request)
	if err == nil && response.SessionID == 0 {
		err = zk.ErrSessionExpired
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Connect sends request and returns the server's answer, also one that refuses the session.
func (c *Client) Connect(request proto.ConnectRequest) (proto.ConnectResponse, error) {
	if err := c.WriteFrame(request.Append(nil)); err != nil {
		return proto.ConnectResponse{}, err
	}
	return c.ReadConnectResponse()
}

// ReadConnectResponse reads the server's side of the handshake.
func (c *Client) ReadConnectResponse() (proto.ConnectResponse, error) {
	var response proto.ConnectResponse
	body, err := c.ReadFrame()
	if err != nil {
		return response, err
	}
	d := jute.NewDecoder(body)
	response.Decode(&d)
	if err := end(&d); err != nil {
		return response, fmt.Errorf("connect response %x: %w", body, err)
	}
	c.Session, c.Password, c.TimeoutMillis = response.SessionID, response.Password, response.TimeoutMillis
	return response, nil
}

// Close closes the connection without a word to the server; the session lives on until it expires.
func (c *Client) Close() error { return c.conn.Close() }

// Reset closes the connection with an RST, as a crashed host does.
func (c *Client) Reset() error {
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	return c.conn.Close()
}

// CloseWrite sends a FIN and leaves the reading side open.
func (c *Client) CloseWrite() error {
	tcp, ok := c.conn.(*net.TCPConn)
	if !ok {
		return errors.New("rawclient: only a TCP connection can be half closed")
	}
	return tcp.CloseWrite()
}

// LocalAddr returns the client's end of the connection.
func (c *Client) LocalAddr() net.Addr { return c.conn.LocalAddr() }

// WriteRaw sends b as it is, in one write.
func (c *Client) WriteRaw(b []byte) error {
	c.conn.SetWriteDeadline(time.Now().Add(c.Timeout))
	_, err := c.conn.Write(b)
	return err
}

// WriteSplit sends b in pieces of size bytes, each in a TCP segment of its own as far as the
// kernel allows (Go sets TCP_NODELAY).
func (c *Client) WriteSplit(b []byte, size int) error {
	for len(b) > 0 {
		n := min(size, len(b))
		if err := c.WriteRaw(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// AppendFrame appends body with its length in front.
func AppendFrame(b, body []byte) []byte {
	return append(jute.AppendInt(b, int32(len(body))), body...)
}

// AppendRequest appends a whole frame with the request.
func AppendRequest(b []byte, xid int32, op zk.Op, record []byte) []byte {
	body := proto.RequestHeader{Xid: xid, Op: op}.Append(nil)
	return AppendFrame(b, append(body, record...))
}

// WriteFrame sends body with its length in front.
func (c *Client) WriteFrame(body []byte) error { return c.WriteRaw(AppendFrame(nil, body)) }

// NextXid returns the xid that Send would use and counts it as used.
func (c *Client) NextXid() int32 {
	c.xid++
	return c.xid
}

// Send sends one request with the next xid, which it returns, and does not wait for the reply.
func (c *Client) Send(op zk.Op, record []byte) (xid int32, err error) {
	xid = c.NextXid()
	return xid, c.SendXid(xid, op, record)
}

// SendXid sends one request with an xid of the caller's choice.
func (c *Client) SendXid(xid int32, op zk.Op, record []byte) error {
	return c.WriteRaw(AppendRequest(nil, xid, op, record))
}

// ReadFrame returns the body of the next frame, whatever it is. io.EOF means that the server
// closed the connection between two frames.
func (c *Client) ReadFrame() ([]byte, error) {
	c.conn.SetReadDeadline(time.Now().Add(c.Timeout))
	var head [4]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(head[:]))
	if n < 0 || n > maxFrameBytes {
		return nil, fmt.Errorf("rawclient: server sent a frame of length %d", n)
	}
	body := make([]byte, n)
	_, err := io.ReadFull(c.in, body)
	return body, err
}

// ReadAll returns whatever the server sends until it closes the connection.
func (c *Client) ReadAll() ([]byte, error) {
	c.conn.SetReadDeadline(time.Now().Add(c.Timeout))
	return io.ReadAll(c.in)
}

// Reply returns the next frame that is not a notification; notifications before it are collected.
func (c *Client) Reply() (Reply, error) {
	for {
		body, err := c.ReadFrame()
		if err != nil {
			return Reply{}, err
		}
		reply, event, err := parse(body)
		if err != nil {
			return Reply{}, err
		}
		if event == nil {
			c.LastZxid = max(c.LastZxid, reply.Zxid)
			return reply, nil
		}
		c.events = append(c.events, *event)
	}
}

// parse takes a frame apart: event is non-nil for a notification.
func parse(body []byte) (reply Reply, event *Event, err error) {
	d := jute.NewDecoder(body)
	reply.Decode(&d)
	if d.Err() != nil {
		return reply, nil, fmt.Errorf("reply %x: %w", body, d.Err())
	}
	reply.Body = d.Rest()
	if reply.Xid != zk.XidNotification {
		return reply, nil, nil
	}
	event = &Event{Zxid: reply.Zxid}
	event.Decode(&d)
	if err := end(&d); err != nil {
		return reply, nil, fmt.Errorf("notification %x: %w", body, err)
	}
	return reply, event, nil
}

// Events returns the notifications that were collected since the last call.
func (c *Client) Events() []Event {
	events := c.events
	c.events = nil
	return events
}

// WaitEvent returns the oldest collected notification, or waits for the next frame, which must be
// one.
func (c *Client) WaitEvent() (Event, error) {
	if len(c.events) > 0 {
		event := c.events[0]
		c.events = c.events[1:]
		return event, nil
	}
	body, err := c.ReadFrame()
	if err != nil {
		return Event{}, err
	}
	reply, event, err := parse(body)
	switch {
	case err != nil:
		return Event{}, err
	case event == nil:
		return Event{}, fmt.Errorf("rawclient: reply to xid %d where a notification was awaited", reply.Xid)
	}
	return *event, nil
}

// Call sends one request and returns its reply. The error is about the connection only: the
// server's refusal is in the reply.
func (c *Client) Call(op zk.Op, record []byte) (Reply, error) {
	return c.CallXid(c.NextXid(), op, record)
}

// CallXid is Call with an xid of the caller's choice.
func (c *Client) CallXid(xid int32, op zk.Op, record []byte) (Reply, error) {
	if err := c.SendXid(xid, op, record); err != nil {
		return Reply{}, err
	}
	reply, err := c.Reply()
	if err == nil && reply.Xid != xid {
		err = fmt.Errorf("rawclient: reply to xid %d where %d was awaited", reply.Xid, xid)
	}
	return reply, err
}

// end fails unless the record was decoded to its last byte.
func end(d *jute.Decoder) error {
	if d.Err() == nil && d.Len() > 0 {
		return fmt.Errorf("%d trailing bytes", d.Len())
	}
	return d.Err()
}
