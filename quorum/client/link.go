package client

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// maxFrameBytes bounds a frame from the server: more than any sends with ordinary limits, and a list of
// children may be longer than the limit of a request.
const maxFrameBytes = 256 << 20

// maxPending bounds the requests that wait for an answer on a connection.
const maxPending = 256

// link is one connection behind its handshake.
type link struct {
	conn    net.Conn
	in      *bufio.Reader
	timeout time.Duration // of the session

	frames chan []byte   // from the reader
	out    chan []byte   // to the writer, with room for all that may wait for an answer
	broken chan error    // with room for what reader and writer have to say
	quit   chan struct{} // closed when the connection is given up
}

func newLink(conn net.Conn) *link {
	return &link{
		conn: conn, in: bufio.NewReaderSize(conn, 64<<10), frames: make(chan []byte),
		// Each pending request, a ping, and the identities and watches, which wait for nobody.
		out: make(chan []byte, maxPending+2), broken: make(chan error, 2), quit: make(chan struct{}),
	}
}

func appendFrame(b, body []byte) []byte { return append(jute.AppendInt(b, int32(len(body))), body...) }

// appendRequest appends a whole frame with a request.
func appendRequest(b []byte, xid int32, op zk.Op, record []byte) []byte {
	b = jute.AppendInt(b, int32(proto.RequestHeaderBytes+len(record)))
	return append(proto.RequestHeader{Xid: xid, Op: op}.Append(b), record...)
}

// readFrame returns the body of the next frame, which is the caller's.
func (l *link) readFrame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(l.in, head[:]); err != nil {
		return nil, err
	}
	n := int32(binary.BigEndian.Uint32(head[:]))
	if n < 0 || n > maxFrameBytes {
		return nil, fmt.Errorf("sent a frame of length %d", n)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(l.in, body); err != nil {
		return nil, fmt.Errorf("closed the connection in a frame: %w", err)
	}
	return body, nil
}

// read passes frames on until the connection breaks.
func (l *link) read() {
	for {
		body, err := l.readFrame()
		if err != nil {
			l.broken <- err
			return
		}
		select {
		case l.frames <- body:
		case <-l.quit:
			l.broken <- nil
			return
		}
	}
}

// write sends frames, with one write for those that are ready together, until the connection breaks.
func (l *link) write() {
	w := bufio.NewWriterSize(l.conn, 64<<10)
	for {
		select {
		case frame := <-l.out:
			_, err := w.Write(frame)
			if err == nil && len(l.out) == 0 {
				err = w.Flush()
			}
			if err != nil {
				l.broken <- err
				return
			}
		case <-l.quit:
			l.broken <- nil
			return
		}
	}
}
