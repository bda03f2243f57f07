package peer

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"zkd/quorum/proto"
)

const (
	// writeBytes is how much of a long output must be taken within a write time-out.
	writeBytes = 256 << 10
	// keepSendBytes is the largest buffer kept for later output.
	keepSendBytes = 256 << 10
	// streamBytes gathers the small writes of a stream.
	streamBytes = 64 << 10
)

// sendBuffer is pooled output.
type sendBuffer struct{ b []byte }

var sendBuffers = sync.Pool{New: func() any { return &sendBuffer{make([]byte, 0, 4<<10)} }}

func (s *sendBuffer) recycle() {
	if cap(s.b) <= keepSendBytes {
		s.b = s.b[:0]
		sendBuffers.Put(s)
	}
}

// item is what waits to be sent: bytes, of which the first at are sent, or a stream.
type item struct {
	out    *sendBuffer
	at     int
	stream func(io.Writer) error
}

// outbox is the sending half of a Link. At most one goroutine sends at a time: whoever calls Flush, as
// far as the socket takes it without waiting, so that a small batch costs no switch of goroutines; for
// the rest, and for streams, the link's writer.
type outbox struct {
	raw      syscall.RawConn // nil where the connection has no file descriptor of its own
	maxBytes int

	mu    sync.Mutex
	work  sync.Cond // signalled when the writer has something to do, or the link has ended
	ended error     // why the link has ended, nil while it has not
	queue []item
	bytes int  // in the queue, and being sent
	due   bool // Flush was called, and the queue is not empty yet
	busy  bool // somebody is sending what was the head of the queue

	attempt func(fd uintptr) bool // bound once, so that sending does not allocate
	pending []byte                // of the goroutine that sends: what attempt writes
	n       int
	err     error
}

func (o *outbox) init(nc net.Conn, maxBytes int) {
	o.maxBytes = maxBytes
	o.work.L = &o.mu
	if sc, ok := nc.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			o.raw, o.attempt = raw, o.tryWrite
		}
	}
}

// Send queues packets; their Data is copied. It never waits. It reports false if the link has ended, or
// ends because too much waits.
func (l *Link) Send(packets ...proto.QuorumPacket) bool {
	l.mu.Lock()
	if l.ended != nil {
		l.mu.Unlock()
		return false
	}
	last := len(l.queue) - 1
	if last < 0 || l.queue[last].stream != nil {
		l.queue = append(l.queue, item{out: sendBuffers.Get().(*sendBuffer)})
		last++
	}
	out := l.queue[last].out
	before := len(out.b)
	for i := range packets {
		out.b = packets[i].Append(out.b)
	}
	l.bytes += len(out.b) - before
	waiting := l.bytes
	l.mu.Unlock()
	if waiting > l.maxBytes {
		l.end(fmt.Errorf("%w: %d bytes, at most %d may", ErrOverflow, waiting, l.maxBytes))
		return false
	}
	return true
}

// Stream queues what write will write: behind all that was sent before it, in front of all that is sent
// after. write is called on the link's own goroutine once its turn has come, and holds up this link
// only. Its writes wait for the other side, and fail once the link ends; it should end then. If it
// fails, so does the link. On a leader's link Streamed tells that all of it has been sent.
func (l *Link) Stream(write func(w io.Writer) error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended != nil {
		return false
	}
	l.queue = append(l.queue, item{stream: write})
	return true
}

// Flush sends what was queued. It does not wait: what the socket does not take at once is sent by the
// link's goroutine.
func (l *Link) Flush() {
	l.mu.Lock()
	if l.ended != nil || len(l.queue) == 0 {
		l.mu.Unlock()
		return
	}
	l.due = true
	if l.busy { // whoever sends looks again
		l.mu.Unlock()
		return
	}
	if l.raw == nil || l.queue[0].stream != nil {
		l.work.Signal()
		l.mu.Unlock()
		return
	}
	head := l.pop()
	l.mu.Unlock()

	n, err := l.writeSome(head.out.b[head.at:])
	l.sent.Add(int64(n))
	l.mu.Lock()
	l.busy = false
	l.bytes -= n
	switch {
	case l.ended != nil:
		head.out.recycle()
	case head.at+n < len(head.out.b):
		head.at += n
		l.queue = append([]item{head}, l.queue...)
	default:
		head.out.recycle()
	}
	if l.due = l.due && len(l.queue) > 0; l.due {
		l.work.Signal()
	}
	l.mu.Unlock()
	if err != nil {
		l.end(err)
	}
}

// pop takes the head of the queue to send it. mu is held.
func (l *Link) pop() item {
	head := l.queue[0]
	l.queue[0] = item{}
	if l.queue = l.queue[1:]; len(l.queue) == 0 {
		l.queue = nil
	}
	l.busy = true
	return head
}

// discard gives back what will not be sent, and wakes the writer to its end. mu is held.
func (o *outbox) discard() {
	for _, i := range o.queue {
		if i.out != nil {
			i.out.recycle()
		}
	}
	o.queue = nil
	o.work.Broadcast()
}

// writeLoop sends what Flush leaves to it, until the link has ended.
func (l *Link) writeLoop() error {
	for {
		l.mu.Lock()
		for l.ended == nil && (l.busy || !l.due) {
			l.work.Wait()
		}
		if l.ended != nil {
			l.mu.Unlock()
			return nil
		}
		head := l.pop()
		l.mu.Unlock()

		var err error
		if head.stream != nil {
			err = l.writeStream(head.stream)
		} else {
			err = l.writeAll(head.out.b[head.at:])
		}
		l.mu.Lock()
		l.busy = false
		if head.out != nil {
			l.bytes -= len(head.out.b) - head.at
			head.out.recycle()
		}
		l.due = l.due && len(l.queue) > 0
		l.mu.Unlock()
		if err != nil {
			return err
		}
		if head.stream != nil && l.streamed != nil {
			l.streamed(l)
		}
	}
}

func (l *Link) writeStream(write func(io.Writer) error) error {
	w := bufio.NewWriterSize(writerFunc(func(b []byte) (int, error) {
		if err := l.writeAll(b); err != nil {
			return 0, err
		}
		return len(b), nil
	}), streamBytes)
	if err := write(w); err != nil {
		return fmt.Errorf("peer: stream: %w", err)
	}
	return w.Flush()
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// writeAll sends b, waiting as long as the other side takes some of it within each write time-out.
func (l *Link) writeAll(b []byte) error {
	for len(b) > 0 {
		l.deadlines.Lock()
		timeout := l.writeTimeout
		l.deadlines.Unlock()
		if timeout > 0 {
			if err := l.nc.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
				return err
			}
		}
		n, err := l.nc.Write(b[:min(len(b), writeBytes)])
		l.sent.Add(int64(n))
		b = b[n:]
		if err != nil {
			return err
		}
	}
	return l.nc.SetWriteDeadline(time.Time{}) // for writeSome
}

// writeSome sends what the socket takes of b at once.
func (o *outbox) writeSome(b []byte) (int, error) {
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
