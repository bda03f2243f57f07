package daemon

import (
	"fmt"
	"syscall"
	"testing"

	"zkd/daemon/config"
	"zkd/quorum"
	"zkd/quorum/zk"
)

// Lines of several members come together in one place, and must not need their hosts' names to be told apart.
func TestEveryLineOfAMemberHasItsNumber(t *testing.T) {
	for name, test := range map[string]struct {
		servers []zk.ServerID
		want    any // nil: the field is not there
	}{
		"a member":              {[]zk.ServerID{1, 2, 3}, int64(2)},
		"a server for itself":   {nil, nil},
		"the only server named": {[]zk.ServerID{2}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			h.cfg.ID = 2
			for _, id := range test.servers {
				h.cfg.Servers = append(h.cfg.Servers, config.Server{ID: id, Addresses: []config.PeerAddress{{Host: fmt.Sprintf("127.0.0.%d", id), PeerPort: 2888, ElectionPort: 3888}}})
			}
			h.deps.Start = func(c quorum.Config, _ func(string)) (Member, error) {
				c.Logger.Named("replica").Info("elected")
				return h.member, nil
			}
			h.run()
			h.await("READY=1")
			h.signals <- syscall.SIGTERM
			if err := h.wait(); err != nil {
				t.Fatal(err)
			}
			if !h.logged("elected") || !h.logged("zkd starts") || !h.logged("zkd has stopped") {
				t.Errorf("log: %v", h.logs.All())
			}
			for _, line := range h.logs.All() {
				if got := line.ContextMap()["server_id"]; got != test.want {
					t.Errorf("%q has server_id %v, want %v", line.Message, got, test.want)
				}
			}
		})
	}
}
