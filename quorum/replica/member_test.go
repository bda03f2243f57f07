package replica

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"zkd/quorum/election"
	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/vfs"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// A member of an ensemble whose others are this test: server 1 of three.

// scriptedPeers are others that say what the test has them say.
type scriptedPeers struct{ last uint64 }

func (p *scriptedPeers) Attach(*Replica)      {}
func (p *scriptedPeers) Do(election.Action)   {}
func (p *scriptedPeers) Close()               {}
func (p *scriptedPeers) newLink() *scriptLink { p.last++; return &scriptLink{id: p.last} }

func (p *scriptedPeers) Lead(Term) (Port, error) { return p, nil }

func (p *scriptedPeers) Follow(Term, zk.ServerID, <-chan struct{}) (Link, error) {
	return p.newLink(), nil
}

// scriptLink remembers what was sent over it.
type scriptLink struct {
	id      uint64
	sent    []proto.QuorumPacket
	dropped bool
	streams []func(io.Writer) error
}

func (l *scriptLink) ID() uint64 { return l.id }
func (l *scriptLink) Send(packets ...proto.QuorumPacket) bool {
	l.sent = append(l.sent, packets...)
	return true
}
func (l *scriptLink) Stream(write func(io.Writer) error) bool {
	l.streams = append(l.streams, write)
	return true
}
func (l *scriptLink) Flush()                   {}
func (l *scriptLink) Drop()                    { l.dropped = true }
func (l *scriptLink) Close()                   { l.dropped = true }
func (l *scriptLink) Moved() (got, sent int64) { return 0, 0 }
func (l *scriptLink) RemoteAddr() net.Addr     { return &net.TCPAddr{} }

// ensembleOf makes cfg that of server 1 of three.
func ensembleOf(t *testing.T, cfg Config) (Config, *scriptedPeers) {
	t.Helper()
	var c proto.QuorumConfig
	for id := zk.ServerID(1); id <= 3; id++ {
		c.Servers = append(c.Servers, proto.QuorumServer{ID: id, Addrs: []proto.PeerAddr{{Host: "127.0.0.1", QuorumPort: 1, ElectionPort: 2}}})
	}
	members, err := election.NewMembers(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	peers := new(scriptedPeers)
	cfg.Peers, cfg.Members, cfg.ConfigText, cfg.InitLimit, cfg.SyncLimit, cfg.PurgeInterval = peers, members, c.String(), 10, 5, 0
	return cfg, peers
}

// member starts server 1 of three, which has been elected, or has elected server 2.
func member(t *testing.T, cfg Config, role proto.PeerState) (*Manual, *scriptedPeers) {
	t.Helper()
	cfg, peers := ensembleOf(t, cfg)
	m, err := StartManual(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !m.ended {
			_ = m.Close()
		}
	})
	leader := zk.ServerID(1)
	if role != proto.Leading {
		leader = 2
	}
	m.elector.elected <- election.Elected{Role: role, Vote: election.Vote{Leader: leader}}
	if !m.Roles() || m.role == none {
		t.Fatal("no role")
	}
	return m, peers
}

func packetOf(kind proto.PacketType, z zk.Zxid, data []byte) proto.QuorumPacket {
	return proto.QuorumPacket{Type: kind, Zxid: z, Data: data}
}

// say reports packets from the other end of a link, and lets what follows be done.
func say(m *Manual, l *scriptLink, packets ...proto.QuorumPacket) {
	m.Received(m.term, l, packets)
	for m.HasJob() || m.NeedsSync() {
		if m.HasJob() {
			m.Job()
		}
		m.SyncLog()
	}
}

const first = zk.Zxid(1<<32 | 1)

// txnOf encodes a txn that creates, or one that holds body.
func txnOf(z zk.Zxid, body proto.TxnBody) []byte {
	txn := proto.Txn{Header: proto.TxnHeader{ClientID: 7, Zxid: z, TimeMillis: 1, Type: body.Type}, Body: body}
	return txn.Append(nil)
}

func creating(z zk.Zxid, path string) []byte {
	return txnOf(z, proto.TxnBody{Type: zk.OpCreate, Path: path, ACL: proto.OpenACL, ParentCversion: 1})
}

// follow lets a learner take over an empty history up to NEWLEADER, and returns its link.
func follow(m *Manual) *scriptLink {
	l := m.up.Link.(*scriptLink)
	say(m, l, packetOf(proto.PacketLeaderInfo, zk.MakeZxid(1, 0), jute.AppendInt(nil, proto.QuorumProtocolVersion)))
	say(m, l, packetOf(proto.PacketDiff, 0, nil))
	return l
}

// What a server cannot apply it does not log either: with that in its log it could not start again.
func TestALearnerLogsNothingThatItCannotApply(t *testing.T) {
	poison := func(sub proto.TxnBody) []byte {
		return txnOf(first+1, proto.TxnBody{Type: zk.OpMulti, Sub: []proto.TxnBody{sub}})
	}
	for name, bad := range map[string][]byte{
		"setACL in a multi":       poison(proto.TxnBody{Type: zk.OpSetACL, Path: "/", ACL: proto.OpenACL}),
		"closeSession in a multi": poison(proto.TxnBody{Type: zk.OpCloseSession}),
		"an unknown type":         append((&proto.TxnHeader{Zxid: first + 1, Type: 77}).Append(nil), 0, 0, 0, 0),
		"a body cut short":        creating(first+1, "/b")[:40],
	} {
		for _, synced := range []bool{true, false} {
			disk := vfs.NewMem()
			core, logs := observer.New(zap.WarnLevel)
			cfg := config(t, disk)
			cfg.Logger = zap.New(core)
			m, _ := member(t, cfg, proto.Following)
			l := follow(m)
			if synced {
				say(m, l, packetOf(proto.PacketNewLeader, zk.MakeZxid(1, 0), nil))
				say(m, l, packetOf(proto.PacketUpToDate, -1, nil))
			}
			say(m, l, packetOf(proto.PacketProposal, first, creating(first, "/a")), packetOf(proto.PacketCommit, first, nil))
			if m.role != learning {
				t.Fatalf("%s: the role has ended: %v", name, m.last)
			}
			say(m, l, packetOf(proto.PacketProposal, first+1, bad), packetOf(proto.PacketCommit, first+1, nil))
			if m.role != none || m.last.reason != zab.ReasonMalformed || !l.dropped {
				t.Errorf("%s: role %d, ended with %q", name, m.role, m.last.reason)
			}
			if got := logs.FilterField(zap.String("reason", string(zab.ReasonMalformed))).All(); len(got) != 1 || !strings.Contains(got[0].ContextMap()["detail"].(string), "0x100000002") {
				t.Errorf("%s: logged %v", name, logs.All())
			}
			if m.Failure() != nil || m.txlog.Last() > first {
				t.Errorf("%s: failed with %v, logged up to %v", name, m.Failure(), m.txlog.Last())
			}
			if err := m.Close(); err != nil {
				t.Error(err)
			}
			r, err := Start(config(t, disk))
			if err != nil {
				t.Errorf("%s: does not start again: %v", name, err)
				continue
			}
			if err := r.Stop(); err != nil && !errors.Is(err, ErrStopped) {
				t.Error(err)
			}
		}
	}
}

// R24: a leader that gives way to the epoch of a voter goes above it when it is elected again, without that voter.
func TestR24ALeaderThatGaveWayIsElectedAgain(t *testing.T) {
	m, peers := member(t, config(t, vfs.NewMem()), proto.Leading)
	report := func(l *scriptLink, packets ...proto.QuorumPacket) { say(m, l, packets...) }
	ledBy(t, m.Replica, peers, report)
	ahead := peers.newLink()
	info := proto.LearnerInfo{ServerID: 3, ProtocolVersion: proto.QuorumProtocolVersion}
	m.Joined(m.term, ahead, info, false)
	report(ahead, packetOf(proto.PacketFollowerInfo, zk.MakeZxid(9, 0), info.Append(nil)))
	if m.role != none || m.last.reason != zab.ReasonAcceptedAhead || m.epochs.Accepted() != 9 || m.epochs.Current() != 1 {
		t.Fatalf("role %d, %v; epochs %d, %d", m.role, m.last, m.epochs.Accepted(), m.epochs.Current())
	}
	for m.Roles(); m.idle; {
		m.Roles()
	}
	m.elector.elected <- election.Elected{Role: proto.Leading, Vote: election.Vote{Leader: 1}}
	m.Roles()
	again := peers.newLink()
	info.ServerID = 2
	m.Joined(m.term, again, info, false)
	report(again, packetOf(proto.PacketFollowerInfo, zk.MakeZxid(1, 0), info.Append(nil)))
	if m.epochs.Accepted() != 10 || len(again.sent) == 0 || again.sent[0].Zxid != zk.MakeZxid(10, 0) {
		t.Errorf("accepted %d, sent %v", m.epochs.Accepted(), again.sent)
	}
}
