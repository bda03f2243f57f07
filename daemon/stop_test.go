package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestASecondSignalDoesNotWaitForTheStop(t *testing.T) {
	h := newHost(t)
	stopping := make(chan struct{})
	h.member.stop = func(ctx context.Context) error {
		close(stopping)
		<-ctx.Done()
		return ctx.Err()
	}
	h.run()
	h.await("READY=1")
	h.signals <- syscall.SIGTERM
	<-stopping
	h.signals <- syscall.SIGTERM
	if err := h.wait(); err == nil || ExitCode(err) != ExitFailure {
		t.Errorf("Run: %v; want an error", err)
	}
}

func TestAnOpenRequestOfTheAdminPortDoesNotDelayTheStop(t *testing.T) {
	h := newHost(t)
	asked, stopping := make(chan struct{}), make(chan struct{})
	h.member.word = func(string) string {
		close(asked)
		<-stopping
		return "tickTime=2000\n"
	}
	h.member.stop = func(context.Context) error {
		close(stopping)
		return nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	h.cfg.Admin.Listen = []string{l.Addr().String()}
	h.run()
	h.await("READY=1")
	answered := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + l.Addr().String() + "/commands/conf")
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		answered <- err
	}()
	<-asked
	h.signals <- syscall.SIGTERM
	if err := <-answered; err != nil {
		t.Errorf("the server began to stop only after the request was given up: %v", err)
	}
	if err := h.wait(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestTheWorstStopFitsIntoTheUnitsTime(t *testing.T) {
	unit, err := os.ReadFile("../systemd/zkd.service")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(unit), "\nTimeoutStopSec=")
	text, _, _ := strings.Cut(rest, "\n")
	bound, err := time.ParseDuration(text)
	if worst := max(stopTimeout, roomsTimeout) + guardTimeout; err != nil || bound < worst*5/4 {
		t.Errorf("the worst stop takes %v and the unit gives it %q, %v: a quarter more is wanted", worst, text, err)
	}
}
