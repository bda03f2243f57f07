package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/election"
	"zkd/quorum/proto"
)

// longer returns the back-off after b.
func longer(b time.Duration) time.Duration { return min(max(2*b, minBackoff), maxBackoff) }

// ensureDial sees to it that r is being dialed. mu is held, and t is not closed.
func (t *Election) ensureDial(r *remote) {
	if !r.dialing {
		r.dialing = true
		t.running.Go(func() { t.dial(r) })
	}
}

// dial tries to get a connection with r until there is one, by whichever side. It is the only dial of
// r: one at a time.
func (t *Election) dial(r *remote) {
	for {
		t.mu.Lock()
		backoff := r.backoff
		t.mu.Unlock()
		if backoff > 0 {
			timer := time.NewTimer(backoff + rand.N(backoff/2))
			select {
			case <-timer.C:
			case <-r.kick:
			case <-t.ctx.Done():
			}
			timer.Stop()
		}
		if t.dialed(r, t.connect(r)) {
			return
		}
	}
}

// dialed takes note of the outcome of connect, and reports whether dial is done.
func (t *Election) dialed(r *remote, err error) (done bool) {
	r.order.Lock()
	defer r.order.Unlock()
	t.mu.Lock()
	r.cancel = nil
	if t.closed || r.gone || r.link != nil {
		r.dialing = false
		t.mu.Unlock()
		return true
	}
	if err == nil {
		t.mu.Unlock()
		return false // there was a connection, which has ended
	}
	r.backoff = longer(r.backoff)
	t.unreached(r, err)
	if !r.member {
		r.dialing = false
		t.forget(r)
	}
	done = !r.dialing
	t.mu.Unlock()
	t.cfg.Receiver.Deliver(election.LinkDown{Peer: r.id})
	return done
}

// connect makes one try at a connection with r. Without an error there is, or was, a connection, not
// always by this try.
func (t *Election) connect(r *remote) error {
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	t.mu.Lock()
	if r.link != nil || r.gone {
		t.mu.Unlock()
		return nil
	}
	r.cancel = cancel
	addrs, said := r.addrs, r.said
	t.mu.Unlock()

	nc, err := t.reachAny(ctx, addrs)
	if err != nil && len(said) > 0 && ctx.Err() == nil {
		// The configuration goes first; but a server that has moved says itself where it is now.
		if other, otherErr := t.reachAny(ctx, said); otherErr == nil {
			nc, err = other, nil
		} else if len(addrs) == 0 {
			err = otherErr
		}
	}
	if err != nil {
		return err
	}
	hangUp := context.AfterFunc(ctx, func() { nc.Close() })
	if r.id > t.cfg.Self {
		t.mu.Lock()
		r.greeted = time.Now()
		t.mu.Unlock()
	}
	if err = nc.SetDeadline(time.Now().Add(t.cfg.HandshakeTimeout)); err == nil {
		_, err = nc.Write(t.hello)
	}
	switch {
	case err != nil:
		hangUp()
		nc.Close()
		return fmt.Errorf("peer: hello: %w", err)
	case r.id > t.cfg.Self:
		err = t.awaitReturn(ctx, nc)
		hangUp()
		nc.Close()
		return err
	case !hangUp():
		return nil // another connection was there first
	}
	if err := nc.SetDeadline(time.Time{}); err != nil {
		nc.Close()
		return err
	}
	t.install(r, nc)
	return nil
}

func (t *Election) reachAny(ctx context.Context, addrs []proto.HostPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.ConnectTimeout)
	defer cancel()
	return t.cfg.Network.dialAny(ctx, addrs)
}

// awaitReturn waits until r, whose id is larger, has closed nc by the rule and has connected itself,
// which ends ctx.
func (t *Election) awaitReturn(ctx context.Context, nc net.Conn) error {
	var one [1]byte
	_, err := nc.Read(one[:])
	switch {
	case ctx.Err() != nil:
		return nil
	case err == nil:
		return errors.New("peer: there is an answer to the hello, where none can be")
	case err != io.EOF && Classify(err) != Broken:
		return err
	}
	if pause(ctx, t.cfg.ConnectTimeout) {
		return errNoAnswer
	}
	return nil
}

// logAddrs shows where a server says that it is.
func logAddrs(addrs []proto.HostPort) zap.Field { return zap.Stringers("says_it_listens_on", addrs) }
