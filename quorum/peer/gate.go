package peer

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

const (
	// maxHandshakes is how many connections may be about to say who they are.
	maxHandshakes = 64
	// acceptPause is how long an accept loop waits after an error.
	acceptPause = 50 * time.Millisecond
	// acceptPatience is how long it may meet nothing but errors, one right behind the other.
	acceptPatience = 10 * time.Second
)

// gate accepts connections and gives each a goroutine to say who it is in, with a deadline: whoever
// is silent holds up nobody. With maxHandshakes of them the oldest must go, so that silent ones
// cannot lock others out: an honest one takes milliseconds.
type gate struct {
	timeout   time.Duration // of a handshake
	complain  *complaints
	running   *sync.WaitGroup // of the owner, who waits
	closing   <-chan struct{}
	handshake func(nc net.Conn) // owns nc

	mu        sync.Mutex
	closed    bool
	listeners []net.Listener
	entering  []net.Conn // oldest first
}

// serve accepts on l, which it owns, until close. failed is told of an error that does not pass, and
// then nobody is accepted any more.
func (g *gate) serve(l net.Listener, failed func(error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		l.Close()
		return
	}
	g.listeners = append(g.listeners, l)
	g.running.Go(func() { g.acceptLoop(l, failed) })
}

func (g *gate) acceptLoop(l net.Listener, failed func(error)) {
	var said time.Time // when an error was last logged
	worked := time.Now()
	for {
		began := time.Now()
		nc, err := l.Accept()
		now := time.Now()
		switch {
		case err == nil:
			g.admit(nc)
			worked = now
			continue
		case errors.Is(err, net.ErrClosed):
			return
		case shortage(err), now.Sub(began) >= acceptPause: // it did wait for somebody to come
			worked = now
		}
		if final(err, now.Sub(worked)) {
			failed(fmt.Errorf("peer: accept on %v: %w", l.Addr(), err))
			return
		}
		if said.IsZero() || now.Sub(said) >= complainEvery {
			said = now
			g.complain.log.Error("cannot accept for now", zap.Stringer("listen", l.Addr()), zap.Error(err))
		}
		select {
		case <-time.After(acceptPause):
		case <-g.closing:
			return
		}
	}
}

// final reports whether accepting will not work again by itself. Errors of a connection that was about to come are given
// by accept, too, with whatever the network said (accept(2): treat them like EAGAIN); so anything may pass.
func final(err error, lasted time.Duration) bool {
	notListening := errors.Is(err, syscall.EBADF) || errors.Is(err, syscall.EINVAL)
	return notListening || lasted >= acceptPatience
}

// shortage reports whether the host has too little of something, which says nothing about the port, however long it lasts.
func shortage(err error) bool {
	for _, e := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (g *gate) admit(nc net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		nc.Close()
		return
	}
	if len(g.entering) == maxHandshakes {
		oldest := g.entering[0]
		g.entering = slices.Delete(g.entering, 0, 1)
		oldest.Close()
		g.complain.add(TooMany, zap.String("kind", "handshakes"), zap.Stringer("peer_address", oldest.RemoteAddr()))
	}
	g.entering = append(g.entering, nc)
	g.running.Go(func() {
		// handshake lifts the deadline once it knows who is there.
		if err := nc.SetDeadline(time.Now().Add(g.timeout)); err != nil {
			nc.Close()
		}
		g.handshake(nc)
	})
}

// entered says that nc has said who it is, or is closed. It reports false if close, or a newer one,
// has closed it.
func (g *gate) entered(nc net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.entering, nc)
	if i < 0 {
		return false
	}
	g.entering = slices.Delete(g.entering, i, i+1)
	return !g.closed
}

// close closes the listeners and whoever has not said who it is. It does not wait.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, l := range g.listeners {
		l.Close()
	}
	for _, nc := range g.entering {
		nc.Close()
	}
}
