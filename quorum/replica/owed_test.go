package replica

import (
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"zkd/quorum/election"
	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/vfs"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// ledBy lets server 2 follow over a new link, up to UPTODATE. report tells what came over it.
func ledBy(t *testing.T, r *Replica, peers *scriptedPeers, report func(*scriptLink, ...proto.QuorumPacket)) *scriptLink {
	t.Helper()
	l := peers.newLink()
	r.Joined(r.term, l, proto.LearnerInfo{ServerID: 2, ProtocolVersion: proto.QuorumProtocolVersion}, false)
	info := proto.LearnerInfo{ServerID: 2, ProtocolVersion: proto.QuorumProtocolVersion}
	report(l, packetOf(proto.PacketFollowerInfo, 0, info.Append(nil)))
	report(l, packetOf(proto.PacketAckEpoch, 0, jute.AppendInt(nil, 0)))
	for _, write := range l.streams {
		if err := write(io.Discard); err != nil {
			t.Fatal(err)
		}
		r.Streamed(r.term, l)
	}
	newLeader := packetOf(proto.PacketAck, zk.MakeZxid(1, 0), nil)
	report(l, newLeader)
	report(l, newLeader) // of UPTODATE
	if !r.active {
		t.Fatalf("not established; sent %v", l.sent)
	}
	return l
}

// request is a REQUEST of server 2, of session 7 there.
func request(op zk.Op, cxid int32, body []byte) proto.QuorumPacket {
	f := proto.ForwardedRequest{Session: 7, Cxid: cxid, Op: op, Body: body}
	return packetOf(proto.PacketRequest, -1, f.Append(nil))
}

func opening() proto.QuorumPacket { return request(zk.OpCreateSession, 0, jute.AppendInt(nil, 10000)) }

func creatingAt(i int, bytes int) proto.QuorumPacket {
	return request(zk.OpCreate, int32(i), createBody(fmt.Sprintf("/n%d", i), make([]byte, bytes), zk.ModePersistent))
}

// ackAll acknowledges all proposals that were sent, and answers all PINGs.
func ackAll(l *scriptLink) (acks []proto.QuorumPacket) {
	for _, p := range l.sent {
		switch p.Type {
		case proto.PacketProposal:
			acks = append(acks, packetOf(proto.PacketAck, p.Zxid, nil))
		case proto.PacketPing:
			acks = append(acks, p)
		}
	}
	l.sent = nil
	return acks
}

// What a leader holds of a learner's requests is known until they are answered, whatever they wait for.
func TestALeaderKnowsWhatItHoldsOfALearnersRequests(t *testing.T) {
	const n, size = 20, 100_000
	for name, test := range map[string]struct {
		packets func() []proto.QuorumPacket
		atLeast int64
	}{
		"proposals": {func() (all []proto.QuorumPacket) {
			for i := range n {
				all = append(all, creatingAt(i, size))
			}
			return all
		}, n * size},
		"what waits behind a sync": {func() (all []proto.QuorumPacket) {
			all = append(all, request(zk.OpSync, 1, []byte{0, 0, 0, 1, '/'}))
			for i := range n {
				all = append(all, creatingAt(i, size))
			}
			return all
		}, n * size},
		"syncs alone": {func() (all []proto.QuorumPacket) {
			for range n {
				all = append(all, request(zk.OpSync, 1, []byte{0, 0, 0, 1, '/'}))
			}
			return all
		}, n * oweBeside},
		"what is refused": {func() []proto.QuorumPacket {
			return []proto.QuorumPacket{request(zk.OpDeleteContainer, 1, []byte{0, 0, 0, 1, '/'}), request(zk.OpCreate, 2, nil)}
		}, 2 * oweBeside},
		"sessions that move": {func() []proto.QuorumPacket {
			touch := proto.SessionTouch{Session: 7, TimeoutMillis: 10000}
			return []proto.QuorumPacket{creatingAt(1, size), packetOf(proto.PacketRevalidate, -1, touch.Append(nil))}
		}, size + 2*oweBeside},
	} {
		t.Run(name, func(t *testing.T) {
			m, peers := member(t, config(t, vfs.NewMem()), proto.Leading)
			report := func(l *scriptLink, packets ...proto.QuorumPacket) { say(m, l, packets...) }
			l := ledBy(t, m.Replica, peers, report)
			id := zab.LinkID(l.id)
			report(l, opening())
			report(l, ackAll(l)...)
			if owed := m.owed[id]; owed != 0 {
				t.Fatalf("%d bytes before", owed)
			}
			report(l, test.packets()...)
			if owed := m.owed[id]; owed < test.atLeast || owed > test.atLeast+n*2*oweBeside {
				t.Errorf("%d bytes, want %d at least", owed, test.atLeast)
			}
			for range 3 { // what is held back comes after the sync
				report(l, ackAll(l)...)
			}
			if owed := m.owed[id]; owed != 0 || len(m.held) != 0 || l.dropped {
				t.Errorf("%d bytes and %d held when all is answered", owed, len(m.held))
			}
		})
	}
}

// A learner that asks for more than can be is let go, alone, and nothing of what was held for it stays.
func TestALearnerThatFloodsIsLetGo(t *testing.T) {
	m, peers := member(t, config(t, vfs.NewMem()), proto.Leading)
	report := func(l *scriptLink, packets ...proto.QuorumPacket) { say(m, l, packets...) }
	l := ledBy(t, m.Replica, peers, report)
	report(l, opening())
	report(l, ackAll(l)...)
	body := make([]byte, 1<<20)
	report(l, request(zk.OpSync, 1, []byte{0, 0, 0, 1, '/'}))
	sent := 0
	for ; !l.dropped && sent <= maxOwedBytes; sent += len(body) {
		report(l, request(zk.OpCreate, 1, body))
	}
	if !l.dropped || sent < maxOwedBytes*9/10 || sent > maxOwedBytes {
		t.Errorf("dropped %t after %d bytes", l.dropped, sent)
	}
	if len(m.owed) != 0 || len(m.held) != 0 || len(m.incoming) != 0 || m.role != leading {
		t.Errorf("owed %v, %d held, role %d", m.owed, len(m.held), m.role)
	}
}

// A leader does not read faster than it can do what it reads, but it goes on: what it waits for may be behind.
func TestALeaderReadsSlowlyFromALearnerWhoseRequestsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg, peers := ensembleOf(t, config(t, vfs.NewMem()))
		cfg.Tick = time.Hour
		r, err := Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Stop()
		synctest.Wait()
		r.elector.elected <- election.Elected{Role: proto.Leading, Vote: election.Vote{Leader: 1}}
		synctest.Wait()
		var took time.Duration
		report := func(l *scriptLink, packets ...proto.QuorumPacket) {
			began := time.Now()
			r.Received(r.term, l, packets)
			took = time.Since(began)
			synctest.Wait()
		}
		l := ledBy(t, r, peers, report)
		report(l, opening())
		report(l, ackAll(l)...)
		const size = 1 << 19
		for i := range slowOwedBytes / (size + oweBeside) {
			if report(l, creatingAt(i, size)); took != 0 {
				t.Fatalf("waited %v with %d bytes", took, r.owed[zab.LinkID(l.id)])
			}
		}
		for i := range 3 {
			if report(l, creatingAt(1000+i, size)); i > 0 && took != slowRead {
				t.Errorf("waited %v with %d bytes", took, r.owed[zab.LinkID(l.id)])
			}
		}
		report(l, ackAll(l)...)
		if report(l, creatingAt(2000, size)); took != 0 || l.dropped {
			t.Errorf("waited %v when all was answered", took)
		}
	})
}
