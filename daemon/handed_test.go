package daemon

import (
	"net"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// A socket that nobody accepts on makes those who connect wait for ever.
func TestASocketOfAnUnknownNameIsClosedAndSaid(t *testing.T) {
	handed := make(map[string][]net.Listener)
	for _, name := range []string{"client", "admin", "LISTEN_FD_5"} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		handed[name] = []net.Listener{l}
	}
	core, logs := observer.New(zap.WarnLevel)
	(&process{log: zap.New(core)}).closeUnknown(handed)
	for name, open := range map[string]bool{"client": true, "admin": false, "LISTEN_FD_5": false} {
		c, err := net.Dial("tcp", handed[name][0].Addr().String())
		if (err == nil) != open {
			t.Errorf("%s: %v, want open=%t", name, err, open)
		}
		if err == nil {
			c.Close()
		}
	}
	if all := logs.All(); len(all) != 2 || all[1].ContextMap()["name"] != "admin" {
		t.Errorf("log: %v", all)
	}
}
