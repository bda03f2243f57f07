package serve

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
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

// outBuffer is pooled output.
type outBuffer struct{ b []byte }

var outBuffers = sync.Pool{New: func() any { return &outBuffer{make([]byte, 0, 4<<10)} }}

// recycle gives a sent buffer back.
func (o *outBuffer) recycle() {
	if cap(o.b) <= keepBytes {
		o.b = o.b[:0]
		outBuffers.Put(o)
	}
}

// outbox sends what others queue. At most one goroutine sends at a time; it takes all that is queued
// with one write. The fields are guarded by the connection's mu, but for the socket.
type outbox struct {
	nc  net.Conn
	raw syscall.RawConn

	queued  *outBuffer // nil while there is nothing to send
	sending bool       // a goroutine is inside send, and will look again

	attempt func(fd uintptr) bool
	pending []byte // of the sender: what attempt writes
	n       int
	err     error
}

func (o *outbox) init(nc net.Conn) {
	o.nc = nc
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			o.raw = raw
			o.attempt = o.tryWrite
		}
	}
}

// buffer returns the slice to append output to; the caller stores the result with put.
func (o *outbox) buffer() []byte {
	if o.queued == nil {
		o.queued = outBuffers.Get().(*outBuffer)
	}
	return o.queued.b
}

// put stores what the caller made of buffer.
func (o *outbox) put(b []byte) { o.queued.b = b }

// size returns how many bytes wait to be taken by the sender.
func (o *outbox) size() int {
	if o.queued == nil {
		return 0
	}
	return len(o.queued.b)
}

// write sends b without blocking and returns how much of it the socket took.
func (o *outbox) write(b []byte) (int, error) {
	if o.raw == nil {
		return 0, nil // all of it goes the blocking way
	}
	o.pending, o.n, o.err = b, 0, nil
	err := o.raw.Write(o.attempt)
	o.pending = nil
	if err == nil {
		err = o.err
	}
	return o.n, err
}

func (o *outbox) tryWrite(fd uintptr) (done bool) {
	for {
		n, err := unix.Write(int(fd), o.pending)
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return true
		}
		o.n, o.err = max(n, 0), err
		return true
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
