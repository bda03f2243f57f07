package serve

import (
	"errors"
	"net"
	"os"
	"time"

	"zkd/quorum/sock"
)

const (
	// outHigh is how much unsent output stops a connection from being read.
	outHigh = 1 << 20
	// outCut is how much unsent output cuts a connection off: events and replies of pipelined writes
	// can pile up behind a client that does not read.
	outCut = 64 << 20
	// keepBytes is the largest output buffer that is kept for later.
	keepBytes = 64 << 10
	// stuckAfter cuts off a client that took nothing of its output for so long.
	stuckAfter = 30 * time.Second
)

var outBuffers = sock.Pool{Keep: keepBytes}

// outbox sends what others queue. At most one goroutine sends at a time; it takes all that is queued
// with one write. The fields are guarded by the connection's mu, but for the socket.
type outbox struct {
	nc     net.Conn
	socket sock.Writer // of the sender

	queued  *sock.Buffer // nil while there is nothing to send
	sending bool         // a goroutine is inside send, and will look again
}

func (o *outbox) init(nc net.Conn) {
	o.nc = nc
	o.socket.Init(nc)
}

// buffer returns the slice to append output to; the caller stores the result with put.
func (o *outbox) buffer() []byte {
	if o.queued == nil {
		o.queued = outBuffers.Get()
	}
	return o.queued.B
}

// put stores what the caller made of buffer.
func (o *outbox) put(b []byte) { o.queued.B = b }

// size returns how many bytes wait to be taken by the sender.
func (o *outbox) size() int {
	if o.queued == nil {
		return 0
	}
	return len(o.queued.B)
}

// writeAll sends b, blocking, as long as the client takes some of it every stuckAfter.
func (o *outbox) writeAll(b []byte) error {
	for len(b) > 0 {
		if err := o.nc.SetWriteDeadline(time.Now().Add(stuckAfter)); err != nil {
			return err
		}
		n, err := o.nc.Write(b[:min(len(b), outHigh)])
		b = b[n:]
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
	return o.nc.SetWriteDeadline(time.Time{})
}
