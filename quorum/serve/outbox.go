package serve

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	"zkd/quorum/sock"
)

const (
	// outHigh is how much unsent output stops a connection from being read.
	outHigh = 1 << 20
	// outCut is how much unsent output cuts a connection off: events and replies of pipelined writes
	// can pile up behind a client that does not read.
	outCut = 64 << 20
	// unsentMost is how much output of all connections together may wait: beyond it each that has more than outHigh is
	// cut off when its output grows, since thousands of clients that do not read must not take the server's memory.
	unsentMost = 256 << 20
	// unsentStep is how much a connection's unsent output changes before the sum of all is told: what is read and answered
	// at once never is.
	unsentStep = 64 << 10
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
	rest    int          // bytes that wait in sendRest
	told    int          // bytes that the sum of all connections has of this one
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

// tell brings the sum of all connections up to date, in steps, or to the end.
func (o *outbox) tell(sum *atomic.Int64, end bool) {
	unsent := o.size() + o.rest
	if end {
		unsent = 0
	}
	if change := unsent - o.told; change >= unsentStep || change <= -unsentStep || unsent == 0 && change != 0 {
		sum.Add(int64(change))
		o.told = unsent
	}
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
