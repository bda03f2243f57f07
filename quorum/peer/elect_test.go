package peer

import (
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/election"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// voter is a server that does nothing but elect: quorum/election over this room's transport.
type voter struct {
	id        zk.ServerID
	transport *Election
	core      *election.Election
	events    chan election.Event
	elected   chan election.Elected
	stop      chan struct{}
	running   sync.WaitGroup
}

func (v *voter) Deliver(ev election.Event) {
	select {
	case v.events <- ev:
	case <-v.transport.Closing():
	}
}

func (v *voter) Failed(error) {}

// newVoter starts a server whose log ends at zxid. config names its election port, on which it listens.
func newVoter(t *testing.T, id zk.ServerID, zxid zk.Zxid, config proto.QuorumConfig, l net.Listener) *voter {
	t.Helper()
	members, err := election.NewMembers(config, nil)
	if err != nil {
		t.Fatal(err)
	}
	v := &voter{id: id, events: make(chan election.Event), elected: make(chan election.Elected, 16), stop: make(chan struct{})}
	if v.core, err = election.New(election.Config{Self: id, Members: members}); err != nil {
		t.Fatal(err)
	}
	var all []Member
	var own []proto.HostPort
	for _, s := range config.Servers {
		m := Member{ID: s.ID}
		for _, a := range s.Addrs {
			m.Addrs = append(m.Addrs, proto.HostPort{Host: a.Host, Port: a.ElectionPort})
		}
		if s.ID == id {
			own = m.Addrs
		}
		all = append(all, m)
	}
	v.transport = NewElection(ElectionConfig{Self: id, Addrs: own, Network: TCP(0), Receiver: v, Logger: zap.NewNop()})
	v.running.Go(func() { v.loop(zxid) })
	v.transport.Serve(l)
	v.transport.SetMembers(all)
	t.Cleanup(v.close)
	return v
}

func (v *voter) loop(zxid zk.Zxid) {
	tick := time.NewTicker(election.TickMillis * time.Millisecond)
	defer tick.Stop()
	for ev := election.Event(election.Start{Zxid: zxid, Epoch: zxid.Epoch()}); ; {
		for _, a := range v.core.Step(ev) {
			if e, done := a.(election.Elected); done {
				v.elected <- e
			} else {
				v.transport.Do(a)
			}
		}
		select {
		case ev = <-v.events:
		case <-tick.C:
			ev = election.Tick{}
		case <-v.stop:
			return
		}
	}
}

func (v *voter) close() {
	select {
	case <-v.stop:
		return
	default:
	}
	v.transport.Close()
	close(v.stop)
	v.running.Wait()
}

// await waits until the server has elected leader.
func (v *voter) await(t *testing.T, leader zk.ServerID) election.Elected {
	t.Helper()
	select {
	case e := <-v.elected:
		if e.Vote.Leader != leader {
			t.Fatalf("server %d elected %v, not %d", v.id, e, leader)
		}
		return e
	case <-time.After(patience):
		t.Fatalf("server %d elected nobody: %v, %+v", v.id, v.core.Status(), v.transport.Reach())
	}
	return election.Elected{}
}

// ensembleOf makes the configuration of servers with these election ports.
func ensembleOf(listeners ...net.Listener) proto.QuorumConfig {
	var c proto.QuorumConfig
	for i, l := range listeners {
		a := hostPort(l.Addr())
		c.Servers = append(c.Servers, proto.QuorumServer{
			ID: zk.ServerID(i + 1), Addrs: []proto.PeerAddr{{Host: a.Host, QuorumPort: 1, ElectionPort: a.Port}},
		})
	}
	return c
}

func TestServersElectOverTCP(t *testing.T) {
	noLeaks(t)
	listeners := []net.Listener{loopback(t), loopback(t), loopback(t)}
	config := ensembleOf(listeners...)
	var voters []*voter
	for i, zxid := range []zk.Zxid{0x1_0000_0005, 0x1_0000_0009, 0x1_0000_0007} {
		voters = append(voters, newVoter(t, zk.ServerID(i+1), zxid, config, listeners[i]))
	}
	// Whoever begins with two may be elected without the third; then the third joins.
	leader := (<-voters[0].elected).Vote.Leader
	voters[1].await(t, leader)
	voters[2].await(t, leader)

	// One who comes back finds the leader that is there.
	again := slices.IndexFunc(voters, func(v *voter) bool { return v.id != leader })
	voters[again].close()
	l, err := net.Listen("tcp", listeners[again].Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	newVoter(t, voters[again].id, 0x1_0000_0001, config, l).await(t, leader)
}
