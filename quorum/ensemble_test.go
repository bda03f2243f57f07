package quorum_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/zap"

	"zkd/quorum"
	"zkd/quorum/freeport"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// ensemble is servers in this process, each with a disk in memory, that talk over loopback.
type ensemble struct {
	t       *testing.T
	net     *switchboard
	configs []quorum.Config
	servers []*quorum.Server // nil while stopped
}

// newEnsemble starts voters and, behind them, observers. change, if not nil, may change the configuration of
// each before.
func newEnsemble(t *testing.T, voters, observers int, change func(i int, cfg *quorum.Config)) *ensemble {
	t.Helper()
	var c proto.QuorumConfig
	ports := freeport.Take(t, 2*(voters+observers))
	for i := range voters + observers {
		c.Servers = append(c.Servers, proto.QuorumServer{
			ID: zk.ServerID(i + 1), Observer: i >= voters,
			Addrs: []proto.PeerAddr{{Host: "127.0.0.1", QuorumPort: uint16(ports[2*i]), ElectionPort: uint16(ports[2*i+1])}},
		})
	}
	e := &ensemble{t: t, net: newSwitchboard(), servers: make([]*quorum.Server, voters+observers)}
	for i := range c.Servers {
		cfg := config(vfs.NewMem())
		cfg.ID, cfg.Ensemble = zk.ServerID(i+1), c
		cfg.TickTime = 100 * time.Millisecond
		cfg.MinSessionTimeout, cfg.Network = 200*time.Millisecond, e.net.network(cfg.ID)
		if os.Getenv("ZKD_TEST_LOG") != "" {
			log, _ := zap.NewDevelopment()
			cfg.Logger = log.Named(fmt.Sprint(i + 1))
		}
		if change != nil {
			change(i, &cfg)
		}
		e.configs = append(e.configs, cfg)
	}
	for i := range e.servers {
		e.start(i)
	}
	return e
}

func (e *ensemble) start(i int) {
	e.t.Helper()
	s, err := quorum.Start(e.configs[i], nil)
	if err != nil {
		e.t.Fatal(err)
	}
	e.servers[i] = s
	e.t.Cleanup(func() {
		if e.servers[i] == s {
			stop(e.t, s)
		}
	})
}

func (e *ensemble) stop(i int) {
	e.t.Helper()
	stop(e.t, e.servers[i])
	e.servers[i] = nil
}

// await waits until all servers that run serve, and returns who leads.
func (e *ensemble) await() (leader int) {
	e.t.Helper()
	eventually(e.t, "all servers serve", func() bool {
		leader = -1
		for i, s := range e.servers {
			if s == nil {
				continue
			}
			st := s.Status()
			if !st.Serving {
				return false
			}
			if st.Role == quorum.Leader {
				leader = i
			}
		}
		return leader >= 0
	})
	return leader
}

func (e *ensemble) client(i int) *rawclient.Client {
	e.t.Helper()
	return open(e.t, e.servers[i].ClientAddrs()[0], time.Minute)
}

func TestThreeServersAreOneService(t *testing.T) {
	e := newEnsemble(t, 3, 1, nil)
	leader := e.await()
	for i := range e.servers {
		c := e.client(i)
		create(t, c, fmt.Sprintf("/by%d", i), []byte("x"), zk.ModePersistent)
		for j := range e.servers {
			other := e.client(j)
			if _, err := other.Sync("/"); err != nil {
				t.Fatal(err)
			}
			if _, _, err := other.GetData(fmt.Sprintf("/by%d", i), false); err != nil {
				t.Errorf("server %d does not have what was written at %d: %v", j+1, i+1, err)
			}
		}
	}
	e.stop(leader)
	next := e.await()
	if next == leader {
		t.Fatal("a server that was stopped leads")
	}
	for i, s := range e.servers {
		if s == nil {
			continue
		}
		c := e.client(i)
		if _, _, err := c.GetData("/by0", false); err != nil {
			t.Errorf("server %d: %v", i+1, err)
		}
		create(t, c, fmt.Sprintf("/after%d", i), nil, zk.ModePersistent)
	}
	e.start(leader)
	e.await()
	c := e.client(leader)
	if _, err := c.Sync("/"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.GetData(fmt.Sprintf("/after%d", next), false); err != nil {
		t.Error(err)
	}
	e.checkEqual()
}

// checkEqual waits until all servers have applied the same, and compares their trees.
func (e *ensemble) checkEqual() {
	e.t.Helper()
	var first quorum.Status
	eventually(e.t, "all servers have applied the same", func() bool {
		first = e.servers[0].Status()
		for _, s := range e.servers {
			if st := s.Status(); st.LastZxid != first.LastZxid {
				return false
			}
		}
		return true
	})
	for i, s := range e.servers {
		if st := s.Status(); st.Digest != first.Digest || st.Znodes != first.Znodes {
			e.t.Errorf("server %d has digest %d of %d znodes, server 1 %d of %d", i+1, st.Digest, st.Znodes, first.Digest, first.Znodes)
		}
		if n := s.Stats().DigestMismatches.Load(); n != 0 {
			e.t.Errorf("server %d has seen %d digest mismatches", i+1, n)
		}
	}
}
