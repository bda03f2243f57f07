package serve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/auth"
	"zkd/quorum/replica"
	"zkd/quorum/stats"
	"zkd/quorum/zk"
)

// Config of a Server. All fields are required.
type Config struct {
	Replica *replica.Replica
	Auth    *auth.Auth
	Stats   *stats.Server
	Logger  *zap.Logger

	MinSessionTimeout, MaxSessionTimeout time.Duration
	MaxConnsPerIP, MaxConns              int // 0: no bound
	MaxFrameBytes                        int
	MaxOutstanding                       int // 0: no bound
	HandshakeTimeout                     time.Duration
	// HoldClients is how long a client that connects while there is no leader is kept waiting for one.
	HoldClients time.Duration

	Words Words
}

// Server accepts clients on its listeners.
type Server struct {
	cfg       Config
	log       *zap.Logger
	stats     *stats.Server
	listeners []net.Listener
	closing   chan struct{}
	close     func()         // closes closing, once
	running   sync.WaitGroup // accept loops and connections
	complain  limiter
	unsent    atomic.Int64 // bytes of output that wait for clients to read, of all connections, up to unsentStep each

	// mu is taken inside the replica's lock too: whoever holds it must not wait for that one. A
	// connection's mu may be taken inside it.
	mu        sync.Mutex
	conns     map[*conn]struct{}
	perIP     map[netip.Addr]int
	bySession map[zk.SessionID]*conn
}

// New returns a Server that accepts on no listener yet.
func New(cfg Config) *Server {
	closing := make(chan struct{})
	return &Server{
		cfg: cfg, log: cfg.Logger, stats: cfg.Stats, closing: closing, close: sync.OnceFunc(func() { close(closing) }),
		conns: make(map[*conn]struct{}), perIP: make(map[netip.Addr]int), bySession: make(map[zk.SessionID]*conn),
	}
}

// Serve accepts clients on l until Stop, which closes l.
func (s *Server) Serve(l net.Listener) {
	s.mu.Lock()
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	s.running.Go(func() { s.acceptLoop(l) })
}

// Stop closes all listeners and connections and waits for their goroutines, or for ctx. It may be
// called again.
func (s *Server) Stop(ctx context.Context) error {
	s.close()
	s.mu.Lock()
	for _, l := range s.listeners {
		l.Close()
	}
	conns := slices.Collect(maps.Keys(s.conns)) // no more are admitted
	s.mu.Unlock()
	for _, c := range conns {
		c.cut() // which also wakes it where it waits for outcomes that may never come
	}
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("serve: connections still open: %w", ctx.Err())
	}
}

func (s *Server) acceptLoop(l net.Listener) {
	const retryAfter = 50 * time.Millisecond // of a passing error: out of descriptors, mostly
	for {
		nc, err := l.Accept()
		if err == nil {
			s.admit(nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if say, suppressed := s.complain.allow("accept"); say {
			s.log.Error("cannot accept clients", zap.Stringer("listen", l.Addr()), zap.Error(err),
				zap.Bool("out_of_descriptors", errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)),
				zap.Int("suppressed", suppressed))
		}
		select {
		case <-time.After(retryAfter):
		case <-s.closing:
			return
		}
	}
}

// admit starts serving nc unless a limit forbids it.
func (s *Server) admit(nc net.Conn) {
	s.stats.ConnectionsAccepted.Add(1)
	c := newConn(s, nc)
	s.mu.Lock()
	if s.stopping() {
		s.mu.Unlock()
		nc.Close()
		return
	}
	refusal := s.refusal(c.remote.Addr())
	if refusal == "" {
		s.conns[c] = struct{}{}
		s.perIP[c.remote.Addr()]++
	}
	s.mu.Unlock()
	if refusal != "" {
		s.stats.ConnectionsRejected.Add(1)
		if say, suppressed := s.complain.allow("limit"); say {
			s.log.Warn("connection refused: too many", zap.String("client", c.remote.String()),
				zap.String("limit", refusal), zap.Int("suppressed", suppressed))
		}
		nc.Close()
		return
	}
	s.stats.ConnectionsAlive.Add(1)
	s.running.Go(c.serve)
}

func (s *Server) stopping() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}

// refusal says which limit one more connection from addr would break, and who holds the connections;
// "" if none. s.mu is held.
func (s *Server) refusal(addr netip.Addr) string {
	if most := s.cfg.MaxConnsPerIP; most > 0 && s.perIP[addr] >= most {
		return fmt.Sprintf("%s holds %d of %d connections allowed per address (maxClientCnxns)", addr, s.perIP[addr], most)
	}
	if most := s.cfg.MaxConns; most > 0 && len(s.conns) >= most {
		return fmt.Sprintf("%d of %d connections in use (maxCnxns); most of them by %s", len(s.conns), most, s.topHolders(3))
	}
	return ""
}

// forget removes a connection that has ended.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	if addr := c.remote.Addr(); s.perIP[addr] > 1 {
		s.perIP[addr]--
	} else {
		delete(s.perIP, addr)
	}
	if id := c.sessionID(); s.bySession[id] == c {
		delete(s.bySession, id)
	}
	s.mu.Unlock()
	s.stats.ConnectionsAlive.Add(-1)
}

// bind makes c the connection of session id and returns the one it takes the place of, if any.
func (s *Server) bind(id zk.SessionID, c *conn) (old *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old = s.bySession[id]
	s.bySession[id] = c
	return old
}

// unbind forgets that c is the connection of session id.
func (s *Server) unbind(id zk.SessionID, c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bySession[id] == c {
		delete(s.bySession, id)
	}
}

// holder returns the connection of session id, nil if it has none.
func (s *Server) holder(id zk.SessionID) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bySession[id]
}

// overloaded reports whether connections that already wait should not be read.
func (s *Server) overloaded() bool {
	return s.cfg.MaxOutstanding > 0 && s.stats.Outstanding.Load() > int64(s.cfg.MaxOutstanding)
}
