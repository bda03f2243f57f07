package peer

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/sock"
)

const (
	// writeBytes is how much of a long output must be taken within a write time-out.
	writeBytes = 256 << 10
	// keepSendBytes is the largest buffer kept for later output.
	keepSendBytes = 256 << 10
	// streamBytes gathers the small writes of a stream.
	streamBytes = 64 << 10
)

var sendBuffers = sock.Pool{Keep: keepSendBytes}

// item is what waits to be sent: bytes, of which the first at are sent, or a stream.
type item struct {
	out    *sock.Buffer
	at     int
	stream func(io.Writer) error
}

// outbox is the sending half of a Link. At most one goroutine sends at a time: whoever calls Flush, as
// far as the socket takes it without waiting, so that a small batch costs no switch of goroutines; for
// the rest, and for streams, the link's writer.
type outbox struct {
	socket   sock.Writer // of whoever sends
	maxBytes int

	mu    sync.Mutex
	work  sync.Cond // signalled when the writer has something to do, or the link has ended
	ended error     // why the link has ended, nil while it has not
	queue []item
	bytes int  // in the queue, and being sent
	due   bool // Flush was called, and the queue is not empty yet
	busy  bool // somebody is sending what was the head of the queue
}

func (o *outbox) init(nc net.Conn, maxBytes int) {
	o.maxBytes = maxBytes
	o.work.L = &o.mu
	o.socket.Init(nc)
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
		l.queue = append(l.queue, item{out: sendBuffers.Get()})
		last++
	}
	out := l.queue[last].out
	before := len(out.B)
	for i := range packets {
		out.B = packets[i].Append(out.B)
	}
	l.bytes += len(out.B) - before
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
	if !l.socket.CanTry() || l.queue[0].stream != nil {
		l.work.Signal()
		l.mu.Unlock()
		return
	}
	head := l.pop()
	l.mu.Unlock()

	n, err := l.socket.Try(head.out.B[head.at:])
	l.sent.Add(int64(n))
	l.mu.Lock()
	l.busy = false
	l.bytes -= n
	switch {
	case l.ended != nil:
		sendBuffers.Put(head.out)
	case head.at+n < len(head.out.B):
		head.at += n
		l.queue = append([]item{head}, l.queue...)
	default:
		sendBuffers.Put(head.out)
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
			sendBuffers.Put(i.out)
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
			err = l.writeAll(head.out.B[head.at:])
		}
		l.mu.Lock()
		l.busy = false
		if head.out != nil {
			l.bytes -= len(head.out.B) - head.at
			sendBuffers.Put(head.out)
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
		if l.writeTimeout > 0 {
			if err := l.nc.SetWriteDeadline(time.Now().Add(l.writeTimeout)); err != nil {
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
	return l.nc.SetWriteDeadline(time.Time{}) // for what is tried
}
