package quorum

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

func TestConnectionsLeaveDescriptorsForTheServer(t *testing.T) {
	tests := map[string]struct {
		configured int
		files      uint64
		want       int
	}{
		"no bound":                {0, 65536, 65536 - filesBeside},
		"a bound that fits":       {100, 65536, 100},
		"a bound that does not":   {65536, 1024, 1024 - filesBeside},
		"few descriptors":         {0, 200, 100},
		"no limit of descriptors": {0, 1<<64 - 1, 1<<30 - filesBeside},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := mostConns(tc.configured, tc.files); got != tc.want {
				t.Errorf("mostConns(%d, %d) = %d, want %d", tc.configured, tc.files, got, tc.want)
			}
		})
	}
}

func TestClientsAreTurnedAwayWhileTheDataIsLoaded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	deepen(l)
	stop := turnAway([]net.Listener{l})
	early, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer early.Close()
	if _, err := early.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("an early client is not turned away: %v", err)
	}
	stop()
	go func() {
		if nc, err := l.Accept(); err == nil {
			nc.Write([]byte("x"))
			nc.Close()
		}
	}()
	late, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if _, err := late.Read(make([]byte, 1)); err != nil {
		t.Errorf("a later client is not served: %v", err)
	}
}
