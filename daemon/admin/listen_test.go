package admin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zkd/quorum/stats"
)

// closable is a listener to which nobody ever connects.
type closable struct {
	closed chan struct{}
}

func (l closable) Accept() (net.Conn, error) { <-l.closed; return nil, net.ErrClosed }
func (l closable) Close() error              { close(l.closed); return nil }
func (l closable) Addr() net.Addr            { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8080} }

func TestATakenPortIsTriedAgainEveryTenSecondsAndSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.InfoLevel)
		var gauge stats.Gauge
		s := New(Options{Source: serving(), Addrs: []string{"127.0.0.1:8080"}, Listening: &gauge, Logger: zap.New(core)})
		var tries atomic.Int64
		var free atomic.Bool
		s.listen = func(context.Context, string) (net.Listener, error) {
			tries.Add(1)
			if !free.Load() {
				return nil, syscall.EADDRINUSE
			}
			return closable{make(chan struct{})}, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		wait := func(d time.Duration) { <-time.NewTimer(d).C; synctest.Wait() }

		wait(35 * time.Second)
		if tries.Load() != 4 || gauge.Load() != 0 || logs.Len() != 1 || logs.All()[0].Level != zap.WarnLevel {
			t.Errorf("while taken: %d tries, gauge %d, log %v; want 4, 0 and one warning", tries.Load(), gauge.Load(), logs.All())
		}
		free.Store(true)
		wait(10 * time.Second)
		if tries.Load() != 5 || gauge.Load() != 1 || len(s.Addrs()) != 1 || logs.Len() != 2 {
			t.Errorf("once free: %d tries, gauge %d, addresses %v, log %v; want 5, 1, one and two lines", tries.Load(), gauge.Load(), s.Addrs(), logs.All())
		}
		cancel()
		<-done
		if gauge.Load() != 0 {
			t.Errorf("after the end the gauge is %d", gauge.Load())
		}
	})
}

func TestAHostWithoutIPv6IsNoWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.WarnLevel)
		s := New(Options{Source: serving(), Addrs: []string{"[::1]:8080"}, Logger: zap.New(core)})
		s.listen = func(context.Context, string) (net.Listener, error) { return nil, syscall.EADDRNOTAVAIL }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s.Run(ctx)
		if logs.Len() != 0 {
			t.Errorf("warned: %v", logs.All())
		}
	})
}

func TestRunAnswersOnRealSocketsUntilItsContextEnds(t *testing.T) {
	s := newServer(serving())
	s.o.Addrs = []string{"127.0.0.1:0"}
	open := make(chan string, 1)
	s.listen = func(ctx context.Context, addr string) (net.Listener, error) {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err == nil {
			open <- l.Addr().String()
		}
		return l, err
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	addr := <-open
	resp, err := http.Get("http://" + addr + "/status?format=text")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !strings.Contains(string(body), "Mode: standalone") {
		t.Errorf("answer %q, %v", body, err)
	}
	// A name that points at loopback but is not loopback's, over a real connection.
	req, err := http.NewRequest("GET", "http://"+addr+"/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "rebound.example"
	resp, err = http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("status %d, want 421", resp.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	cancel()
	<-done
	if _, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after the end: %v, want refused", err)
	}
}

func TestConnectionsOverTheLimitWait(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limitConns(inner, 1)
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("a second connection was accepted beside the first")
	default:
	}
	first.Close()
	first.Close() // closing twice must not free two places
	second := <-accepted
	l.Close()
	if c, ok := <-accepted; ok {
		t.Errorf("accepted %v after Close", c.RemoteAddr())
	}
	second.Close()
}

func TestOpenSaysWhatItCouldNotTakeAndCloseGivesTheRestBack(t *testing.T) {
	s := newServer(serving())
	s.o.Addrs = []string{"first", "second"}
	first := closable{make(chan struct{})}
	s.listen = func(_ context.Context, addr string) (net.Listener, error) {
		if addr == "first" {
			return first, nil
		}
		return nil, syscall.EADDRINUSE
	}
	if err := s.Open(t.Context()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Open: %v, want in use", err)
	}
	if len(s.opened) != 1 {
		t.Errorf("%d addresses are open, want that which is free", len(s.opened))
	}
	s.Close()
	<-first.closed // it was given back
}
