package peer

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/proto"
)

var (
	// ErrOverflow says that a link was ended because the other side takes less than is sent to it.
	ErrOverflow = errors.New("peer: too much waits to be sent")
	// ErrNotRead says that the receiver of a snapshot did not read it to its end.
	ErrNotRead = errors.New("peer: snapshot was not read to its end")

	errDropped = errors.New("peer: link was dropped by this side")
)

const (
	// DefaultMaxPacketBytes bounds a packet where the configuration does not: jute.maxbuffer twice over,
	// as Java does, and room for a PING with the sessions of 100,000 clients.
	DefaultMaxPacketBytes = 4 << 20
	// DefaultMaxQueueBytes bounds what waits to be sent over a link where the configuration does not.
	DefaultMaxQueueBytes = 64 << 20
)

// LinkLimits bound what a Link holds and how long it waits. 0 is the default, for a time-out: none.
type LinkLimits struct {
	MaxPacketBytes int // of a packet read
	MaxQueueBytes  int // of what waits to be sent; more end the link with [ErrOverflow]

	// WriteTimeout ends a link that takes nothing for so long of what is being sent.
	WriteTimeout time.Duration
}

// LinkReceiver takes what a link reports, on the link's goroutines. It may wait, and Close waits for
// it; it must not Close the link, but may Drop it.
type LinkReceiver interface {
	// Received takes the packets that one read gave, in order. They belong to the receiver.
	Received(l *Link, packets []proto.QuorumPacket)
	// Down says that the link has ended by itself: nothing is received any more. A link that this side
	// dropped or closed ends without it.
	Down(l *Link, err error)
}

// Link is a connection between a leader and a learner. Packets go out in the order of Send and Stream;
// nothing leaves before Flush, and then in as few writes as can be. Methods may be called by any
// goroutine.
type Link struct {
	id       uint64
	nc       net.Conn
	log      *zap.Logger
	complain *complaints
	receiver LinkReceiver
	streamed func(l *Link)                    // of a leader's link
	snapshot func(l *Link, r io.Reader) error // of a learner's link
	learner  proto.LearnerInfo
	observer bool

	in        packetBuffer // of the reading goroutine
	got, sent atomic.Int64 // bytes

	writeTimeout time.Duration
	finished     chan struct{} // closed when its goroutines have ended
	outbox
}

func newLink(nc net.Conn, id uint64, limits LinkLimits, complain *complaints, receiver LinkReceiver) *Link {
	if limits.MaxPacketBytes <= 0 {
		limits.MaxPacketBytes = DefaultMaxPacketBytes
	}
	if limits.MaxQueueBytes <= 0 {
		limits.MaxQueueBytes = DefaultMaxQueueBytes
	}
	l := &Link{
		id: id, nc: nc, log: complain.log, complain: complain, receiver: receiver,
		in: packetBuffer{max: limits.MaxPacketBytes}, writeTimeout: limits.WriteTimeout, finished: make(chan struct{}),
	}
	l.outbox.init(nc, limits.MaxQueueBytes)
	return l
}

// ID numbers the links of a port from 1, and is never used again there; a learner's link is 1.
func (l *Link) ID() uint64 { return l.id }

// RemoteAddr is the address of the other side.
func (l *Link) RemoteAddr() net.Addr { return l.nc.RemoteAddr() }

// Learner says who has connected, on a leader's link; the zero LearnerInfo on a learner's.
func (l *Link) Learner() (info proto.LearnerInfo, observer bool) { return l.learner, l.observer }

// Moved returns how many bytes came and went so far: a transfer that is slow but not stuck shows here.
func (l *Link) Moved() (got, sent int64) { return l.got.Load(), l.sent.Load() }

// Drop ends the link and does not wait for its goroutines. What waits to be sent is lost.
func (l *Link) Drop() { l.end(errDropped) }

// Close ends the link and waits for its goroutines. Nothing is delivered afterwards.
func (l *Link) Close() {
	l.end(errDropped)
	<-l.finished
}

// end ends the link; the first reason counts.
func (l *Link) end(err error) {
	l.mu.Lock()
	if l.ended != nil {
		l.mu.Unlock()
		return
	}
	l.ended = err
	l.discard()
	l.mu.Unlock()
	l.nc.Close() // with TLS this may take a while: nobody who sends shall wait for it
}

// run reads and writes until the link has ended. It is the link's goroutine; the writer is its other.
func (l *Link) run() {
	defer close(l.finished)
	var writer sync.WaitGroup
	writer.Go(func() {
		if err := l.writeLoop(); err != nil {
			l.end(err)
		}
	})
	l.end(l.readLoop())
	writer.Wait()
	if err := l.reason(); err != errDropped {
		l.receiver.Down(l, err)
	}
}

// readLoop delivers packets, and snapshots to a learner, until the link ends.
func (l *Link) readLoop() error {
	for {
		packets, err := l.in.take(l.snapshot != nil)
		if len(packets) > 0 {
			l.receiver.Received(l, packets)
		}
		if err != nil {
			l.complain.add(BadLength, zap.Stringer("peer_address", l.nc.RemoteAddr()), zap.Error(err))
			return err
		}
		switch n := len(packets); {
		case n > 0 && l.snapshot != nil && packets[n-1].Type == proto.PacketSnap:
			if err := l.readSnapshot(); err != nil {
				return err
			}
		case n == 0:
			if err := l.fill(); err != nil {
				return err
			}
		}
	}
}

// fill reads some bytes behind those buffered.
func (l *Link) fill() error {
	n, err := l.nc.Read(l.in.room())
	l.in.end += n
	l.got.Add(int64(n))
	if n > 0 {
		return nil
	}
	if err == io.EOF {
		return errClosed
	}
	return err
}

// readSnapshot hands the stream behind a SNAP packet to the receiver.
func (l *Link) readSnapshot() error {
	r := snapshotReader{fill: l.fill, in: &l.in}
	if err := l.snapshot(l, &r); err != nil {
		return fmt.Errorf("peer: snapshot: %w", err)
	}
	if !r.scan.done() {
		return ErrNotRead
	}
	return nil
}

// reason returns why the link has ended, nil while it has not.
func (l *Link) reason() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended
}
