package admin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Open takes the addresses, so that who hears that the server is ready can ask it. Those that cannot
// be had are in the error; Run, which must follow unless Close does, goes on with the others and
// tries those again.
func (s *Server) Open(ctx context.Context) error {
	var errs []error
	for _, addr := range s.o.Addrs {
		l, err := s.listen(ctx, addr)
		if err != nil {
			errs = append(errs, fmt.Errorf("admin: listen: %w", err))
			continue
		}
		s.opened[addr] = l
	}
	return errors.Join(errs...)
}

// Close gives up what Open took, in the place of Run.
func (s *Server) Close() {
	for _, l := range s.opened {
		l.Close()
	}
}

// Run listens on each address, trying again every ten seconds where one is taken, and answers until
// ctx is done. It returns when nothing of it is left running.
func (s *Server) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.course.follow(ctx) })
	for _, addr := range s.o.Addrs {
		opened := s.opened[addr]
		wg.Go(func() { s.keepServing(ctx, addr, opened) })
	}
	wg.Wait()
}

// Addrs returns the addresses that are listened on at the moment, in the order of the
// configuration.
func (s *Server) Addrs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	addrs := []string{}
	for _, addr := range s.o.Addrs {
		if a, ok := s.bound[addr]; ok {
			addrs = append(addrs, a.String())
		}
	}
	return addrs
}

// keepServing answers on l, or if that is nil on a new listener, and opens another when it fails.
func (s *Server) keepServing(ctx context.Context, addr string, l net.Listener) {
	refused := false
	for {
		var err error
		if l == nil {
			l, err = s.listen(ctx, addr)
		}
		if err == nil {
			refused = false
			s.o.Logger.Info("admin port open", zap.String("address", l.Addr().String()))
			s.serve(ctx, addr, l)
			l = nil
		} else if ctx.Err() == nil && !refused {
			refused = true
			if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
				s.o.Logger.Info("this host lacks an address of the admin port", zap.String("address", addr))
			} else {
				s.o.Logger.Warn("admin port not open, will keep trying", zap.String("address", addr), zap.Error(err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.retryEvery):
		}
	}
}

// serve answers on l until ctx is done or l fails.
func (s *Server) serve(ctx context.Context, addr string, l net.Listener) {
	s.setBound(addr, l.Addr())
	defer s.setBound(addr, nil)
	srv := &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      answerTimeout + readTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          zap.NewStdLog(s.o.Logger.WithOptions(zap.IncreaseLevel(zap.ErrorLevel))),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(limitConns(l, maxConns)) }()
	select {
	case err := <-failed:
		s.o.Logger.Warn("admin port failed, will open it again", zap.String("address", addr), zap.Error(err))
		srv.Close()
	case <-ctx.Done():
		// The answers under way get a moment; a client that does not read them gets no more.
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if srv.Shutdown(stopping) != nil {
			srv.Close()
		}
		<-failed
	}
}

func (s *Server) setBound(addr string, to net.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to == nil {
		delete(s.bound, addr)
	} else {
		s.bound[addr] = to
	}
	s.o.Listening.Set(int64(len(s.bound)))
}

// limitConns bounds how many connections are open at a time: over it, new ones wait in the kernel.
func limitConns(l net.Listener, n int) net.Listener {
	return &limitedListener{Listener: l, slots: make(chan struct{}, n), closed: make(chan struct{})}
}

type limitedListener struct {
	net.Listener
	slots  chan struct{}
	once   sync.Once
	closed chan struct{}
}

func (l *limitedListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: c, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *limitedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
