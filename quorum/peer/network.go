package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/proto"
)

// Network is how this room reaches others and is reached. Tests and embedders may put a network of
// their own in place of the host's, with delays, partitions or TLS.
type Network struct {
	// Dial connects to host:port. It resolves the name anew each time, since servers move.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Listen accepts on host:port.
	Listen func(ctx context.Context, address string) (net.Listener, error)

	tcp *net.Dialer // of Dial; nil for a network of somebody else
}

// TCP returns the host's network: without delay for small packets and, if keepAlive is over 0, with a
// probe of each connection that was idle for so long (zookeeper.tcpKeepAlive).
func TCP(keepAlive time.Duration) Network {
	if keepAlive <= 0 {
		keepAlive = -1 // 0 is the default of package net
	}
	dialer := &net.Dialer{KeepAlive: keepAlive}
	listen := net.ListenConfig{KeepAlive: keepAlive}
	return Network{
		// package net turns TCP_NODELAY on for what is dialed and what is accepted.
		Dial: dialTCP(dialer),
		tcp:  dialer,
		Listen: func(ctx context.Context, address string) (net.Listener, error) {
			return listen.Listen(ctx, "tcp", address)
		},
	}
}

func dialTCP(dialer *net.Dialer) func(ctx context.Context, address string) (net.Conn, error) {
	return func(ctx context.Context, address string) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", address)
	}
}

// ListenRetryPause is how long [Network.ListenRetrying] waits between tries.
const ListenRetryPause = time.Second

// ListenRetrying listens on address and, where that fails, tries again up to retries times (0: until
// ctx ends), since the process before this one may still have the port.
// Source: zookeeper.electionPortBindRetry.
func (n Network) ListenRetrying(ctx context.Context, address string, retries int, log *zap.Logger) (net.Listener, error) {
	for try := 1; ; try++ {
		l, err := n.Listen(ctx, address)
		if err == nil {
			return l, nil
		}
		if retries > 0 && try > retries {
			return nil, fmt.Errorf("peer: listen on %s: %w", address, err)
		}
		log.Warn("cannot listen yet", zap.String("listen", address), zap.Error(err))
		if !pause(ctx, ListenRetryPause) {
			return nil, fmt.Errorf("peer: listen on %s: %w", address, errors.Join(ctx.Err(), err))
		}
	}
}

// errNoAddress says that it is not known where a server listens.
var errNoAddress = errors.New("peer: no address is known")

// dialAny connects to all addresses at once and returns the first connection; the others are closed.
// It fails with the error of the first address.
func (n Network) dialAny(ctx context.Context, addrs []proto.HostPort) (net.Conn, error) {
	if len(addrs) == 0 {
		return nil, errNoAddress
	}
	if len(addrs) == 1 {
		return n.Dial(ctx, addrs[0].String())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	conns, errs := make([]net.Conn, len(addrs)), make([]error, len(addrs))
	var dials sync.WaitGroup
	for i, addr := range addrs {
		dials.Go(func() {
			if conns[i], errs[i] = n.Dial(ctx, addr.String()); errs[i] == nil {
				cancel()
			}
		})
	}
	dials.Wait()
	var first net.Conn
	for _, conn := range conns {
		switch {
		case conn == nil:
		case first == nil:
			first = conn
		default:
			conn.Close()
		}
	}
	if first != nil {
		return first, nil
	}
	return nil, errs[0]
}

// pause waits for d and reports whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
