package peer

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/election"
	"zkd/quorum/proto"
)

// electionLink is one connection with a remote, past its hello.
type electionLink struct {
	nc   net.Conn
	wake chan struct{} // holds a token while a message may wait
	done chan struct{} // closed when nothing is read any more
	born time.Time
	// crossed says that this server's own hello may still have been on its way when the other side made
	// the connection. If that ends it, this is no loss: the other side makes a new one.
	crossed bool
	failed  error // why write ended, if it did; guarded by the Election's mu
}

// crossWindow is how long the own hello may be on its way, and how long it may then take to end a
// connection.
const crossWindow = time.Second

// install makes nc the connection with r in the place of any other, and reports it. It is called by a
// goroutine of t.
func (t *Election) install(r *remote, nc net.Conn) {
	r.order.Lock()
	defer r.order.Unlock()
	t.mu.Lock()
	if t.closed || r.gone {
		t.mu.Unlock()
		nc.Close()
		return
	}
	old := r.link
	giveUpUnacknowledged(nc, t.cfg.ConnectTimeout)
	l := &electionLink{
		nc: nc, wake: make(chan struct{}, 1), done: make(chan struct{}), born: time.Now(),
	}
	l.crossed = l.born.Sub(r.greeted) < crossWindow
	r.link, r.heard = l, l.born
	if r.queued == nil {
		r.queued = r.last // it may have been lost with the connection before
	}
	if r.queued != nil {
		signal(l.wake)
	}
	if r.cancel != nil {
		r.cancel()
	}
	t.reached(r)
	t.mu.Unlock()
	if old != nil {
		old.nc.Close()
	}
	t.cfg.Receiver.Deliver(election.LinkUp{Peer: r.id})
	t.running.Go(func() { t.write(r, l) })
	t.running.Go(func() {
		err := t.read(r, l)
		close(l.done)
		nc.Close()
		t.broken(r, l, err)
	})
}

// read delivers messages until the connection ends.
func (t *Election) read(r *remote, l *electionLink) error {
	var header [4]byte
	var body []byte
	for {
		if _, err := io.ReadFull(l.nc, header[:]); err != nil {
			return err
		}
		length := int(int32(binary.BigEndian.Uint32(header[:])))
		if length <= 0 || length > proto.MaxNotificationBytes {
			t.complain.add(BadLength, zap.Int64("peer", int64(r.id)), zap.Int("bytes", length))
			return fmt.Errorf("peer: message of %d bytes, not 1..%d", length, proto.MaxNotificationBytes)
		}
		if cap(body) < length {
			body = make([]byte, length)
		}
		if _, err := io.ReadFull(l.nc, body[:length]); err != nil {
			return err
		}
		ev := election.Parse(r.id, body[:length])
		if g, garbled := ev.(election.Garbled); garbled {
			t.complain.add(GarbledMessage, zap.Int64("peer", int64(r.id)), zap.Error(g.Err))
		}
		t.mu.Lock()
		r.heard = time.Now()
		t.mu.Unlock()
		t.cfg.Receiver.Deliver(ev)
	}
}

// write sends the message that waits, each time there is one.
func (t *Election) write(r *remote, l *electionLink) {
	for {
		select {
		case <-l.wake:
		case <-l.done:
			return
		}
		t.mu.Lock()
		frame := r.queued
		if r.link != l {
			frame = nil // it is for the connection that took the place of this one
		}
		if frame != nil {
			r.queued, r.last = nil, frame
		}
		t.mu.Unlock()
		if frame == nil {
			continue
		}
		err := l.nc.SetWriteDeadline(time.Now().Add(t.cfg.ConnectTimeout))
		if err == nil {
			_, err = l.nc.Write(frame)
		}
		if err != nil {
			t.mu.Lock()
			l.failed = err
			t.mu.Unlock()
			l.nc.Close() // read ends, and says so
			return
		}
	}
}

// broken takes note of the end of a connection and, unless another has its place, reports it and
// dials.
func (t *Election) broken(r *remote, l *electionLink, err error) {
	r.order.Lock()
	defer r.order.Unlock()
	t.mu.Lock()
	if r.link != l {
		t.mu.Unlock()
		return
	}
	r.link = nil
	if t.closed || r.gone {
		t.mu.Unlock()
		return
	}
	age := time.Since(l.born)
	if age >= maxBackoff {
		r.backoff = 0
	} else {
		r.backoff = longer(r.backoff)
	}
	if t.cfg.Self < r.id {
		r.backoff = max(r.backoff, returnGrace)
	}
	switch {
	case l.failed != nil:
		err = l.failed
	case err == io.EOF:
		err = errClosed
	}
	ruled := l.crossed && age < crossWindow
	if !ruled {
		t.unreached(r, err)
	}
	if r.member {
		t.ensureDial(r)
	} else {
		t.forget(r)
	}
	t.mu.Unlock()
	if !ruled {
		t.cfg.Receiver.Deliver(election.LinkDown{Peer: r.id})
	}
}
