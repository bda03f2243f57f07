package zab

import (
	"fmt"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// History is what a leader's log can prove of the history it holds.
//
// The log is evidence only from its floor on: the end of the snapshot behind which it begins, or the
// newest place where a snapshot took the place of txns that the log does not hold (R13,
// ZOOKEEPER-2099). Above the floor it has no gap.
type History interface {
	// Last returns the end of the durable history: the newest record of the log, or, if a snapshot
	// reaches further, its zxid; 0 for none.
	Last() zk.Zxid

	// Locate finds where a history that ends at z parts from this one: at is the newest record of the
	// log at or below z, or the floor, and then record is false. Everything above at can be read from
	// the log. ok is false if z lies below the floor, or reading all that would cost more than a
	// snapshot.
	Locate(z zk.Zxid) (at zk.Zxid, record, ok bool)
}

const (
	// A learner that is at most catchUpTxns behind after a stream gets the rest as the last one: what
	// is broadcast meanwhile is held back for it in memory.
	catchUpTxns = 1000
	// maxStreams bounds the streams before the last one, however far it is still behind.
	maxStreams = 16
)

// plan is how a learner's history is made the leader's: cut or replaced so that it ends at at, then
// continued from there.
type plan struct {
	mode SyncMode
	at   zk.Zxid
}

// planSync decides how a learner that reported last is synced. First match:
//
//	learner's last zxid                            sent
//	0, or negative                                 SNAP: it asked for it, or has nothing to build on (R12)
//	of this epoch, up to what is committed         DIFF from there
//	of this epoch, proposed but not committed      TRUNC to what is committed; if nothing is yet: SNAP
//	of this epoch, never proposed                  SNAP
//	above all that there is here, of a voter       TRUNC to the end of it
//	without which no leader is established
//	older, in this history                         DIFF from there
//	older, e<<32, in or between or above records   DIFF from the record before: it names the history that
//	                                               leader e was established with, and no other txn
//	older, not in this history, but one of the     TRUNC to the newest such
//	same epoch before it is
//	else: foreign, later, below what can be proved SNAP
//
// TRUNC stays within one epoch, but for that one case, and goes to a record only, not to the floor: a
// server that has the floor from a snapshot has no record to cut at, and its like may not either (R11). An
// observer holds nothing that was not committed, so one that would need TRUNC holds something foreign.
//
// A Java learner keeps its log beside a snapshot, and when it starts it replays what lies above that. So
// no SNAP may end below what the learner has: one of an established leader ends at epoch<<32 at least, and a learner
// that has more than there is here waits for it (startSyncs). Only where no leader would be established without that
// learner, TRUNC it is, as a Java leader does it: epoch<<32 would name what may never be. A learner that cannot cut
// there asks for a snapshot.
func (l *Leader) planSync(last zk.Zxid, observer bool) plan {
	snap := plan{Snap, l.delivered}
	if l.phase == active {
		snap.at = max(snap.at, l.newLeaderZxid())
	}
	if last <= 0 {
		return snap
	}
	if last.Epoch() == l.epoch && last.Counter() > 0 {
		committed := l.tally.committed
		switch {
		case last > l.proposed:
			return snap
		case last > committed && (committed.Counter() == 0 || observer):
			return snap
		case last > committed:
			return plan{Trunc, committed}
		case last >= l.delivered:
			return plan{Diff, last} // the rest is in memory
		}
	}
	if last.Epoch() > l.epoch {
		return snap
	}
	at, record, ok := l.cfg.History.Locate(min(last, l.delivered))
	if l.exceeds(last) && l.phase != active && ok && record && at.Counter() > 0 && !observer {
		return plan{Trunc, at}
	}
	switch {
	case !ok:
		return snap
	case at == last || last.Counter() == 0:
		return plan{Diff, at}
	case record && !observer && at.Epoch() == last.Epoch() && at.Counter() > 0:
		return plan{Trunc, at}
	default:
		return snap
	}
}

// exceeds reports whether a history has more than is committed here, as far as this leader knows.
func (l *Leader) exceeds(last zk.Zxid) bool { return last > l.delivered && last.Counter() > 0 }

// startSyncs begins the syncs of learners that have said where their histories end. One that has more than there is here
// waits until the leader is established, unless there would be no quorum without it: see planSync.
func (l *Leader) startSyncs() {
	if l.phase != gatherSynced && l.phase != active {
		return
	}
	for _, k := range l.links {
		if k.state == LinkAccepted && !k.gone && (l.phase == active || !l.exceeds(k.last) || l.needs(k)) {
			l.startSync(k)
		}
	}
}

// needs reports whether no leader is established without this learner.
func (l *Leader) needs(k *link) bool {
	return k.votes && !l.quorum(func(other *link) bool { return other.state >= LinkAccepted && !l.exceeds(other.last) })
}

// startSync begins the sync of a learner whose promise has come.
func (l *Leader) startSync(k *link) {
	p := l.planSync(k.last, k.observer)
	k.state, k.mode, k.cut, k.heard = LinkSyncing, p.mode, p.at, l.now
	if k.votes {
		l.forget(k, p)
	}
	switch p.mode {
	case Diff:
		l.send(k, packet(proto.PacketDiff, max(l.delivered, p.at)))
	case Trunc:
		l.send(k, packet(proto.PacketTrunc, p.at))
	case Snap:
		l.send(k, packet(proto.PacketSnap, p.at))
		l.do(StreamSnapshot{Link: k.id, At: p.at})
		k.streaming = true
		return
	}
	l.continueSync(k)
}

// forget takes back the acknowledgements that a voter's sync makes void. Some of the txns may be
// committed, and only here not yet durable, since this disk is slow: until they are, the voter keeps
// what it has, because it does not put the new state in the place of the old before NEWLEADER.
func (l *Leader) forget(k *link, p plan) {
	if acked := l.tally.acked[k.server]; acked > p.at {
		k.must = min(acked, l.tally.committed)
		l.tally.forgetAbove(k.server, p.at)
	}
}

// continueSync sends what was delivered meanwhile, or, once there is nothing (much) more, NEWLEADER.
func (l *Leader) continueSync(k *link) {
	behind := k.cut < l.delivered
	switch {
	case k.final || !behind && k.cut >= k.must:
		k.final = true
		k.state, k.heard = LinkLeading, l.now
		l.send(k, proto.QuorumPacket{Type: proto.PacketNewLeader, Zxid: l.newLeaderZxid(), Data: l.cfg.ConfigText})
	case behind:
		after := k.cut
		k.final = l.delivered >= k.must && (k.rounds >= maxStreams || l.near(after))
		k.cut, k.streaming = l.delivered, true
		k.rounds++
		l.do(StreamTxns{Link: k.id, After: after, Upto: k.cut})
	}
}

// near reports whether what was delivered above z is little enough for a last stream.
func (l *Leader) near(z zk.Zxid) bool {
	return z.Epoch() == l.delivered.Epoch() && l.delivered-z <= catchUpTxns
}

func (l *Leader) streamed(id LinkID) {
	k := l.link(id)
	if k == nil {
		return
	}
	if !k.streaming {
		panic(fmt.Sprintf("zab: end of a stream to server %d that was not begun", k.server))
	}
	k.streaming = false
	l.progressed(k)
	l.continueSync(k)
}

// progressed: as long as learners make progress, the phase does.
func (l *Leader) progressed(k *link) {
	k.heard = l.now
	if l.phase == gatherSynced {
		l.enter(gatherSynced)
	}
}

// holdBack checks the backlogs of syncing learners, and goes on with those that waited for this
// server's own disk.
func (l *Leader) holdBack() {
	for _, k := range l.links {
		switch {
		case k.gone || k.state < LinkSyncing || k.state == LinkLive:
		case k.final && l.window.bytesAfter(k.cut) > l.cfg.BacklogBytes:
			l.closeLink(k, ReasonBacklog, "%d bytes above %v", l.window.bytesAfter(k.cut), k.cut)
		case k.state == LinkSyncing && !k.streaming:
			l.continueSync(k)
		}
	}
}

// ackNewLeader: the learner's history is this one, durably, and its currentEpoch is this one's.
func (l *Leader) ackNewLeader(k *link) {
	k.state, k.heard = LinkSynced, l.now
	if l.phase == active {
		l.goLive(k)
		return
	}
	l.tryActivate()
}

// tryActivate establishes the leader once a quorum has its history.
func (l *Leader) tryActivate() {
	if l.phase != gatherSynced || !l.quorum(func(k *link) bool { return k.state == LinkSynced }) {
		return
	}
	l.phase, l.lostSince = active, l.now
	for i := range l.marks {
		l.marks[i] = l.proposed
	}
	l.do(Activate{l.epoch})
	for _, k := range l.links {
		if k.state == LinkSynced && !k.gone {
			l.goLive(k)
		}
	}
}

// goLive lets a learner serve, and sends it all that was held back, in order (R3).
func (l *Leader) goLive(k *link) {
	k.state, k.heard, k.liveSince = LinkLive, l.now, l.now
	l.sendAll([]LinkID{k.id}, func() {
		l.packets = append(l.packets, packet(proto.PacketUpToDate, -1))
		for _, t := range l.window.between(k.cut, l.proposed) {
			switch {
			case !k.observer:
				l.packets = append(l.packets, carrying(proto.PacketProposal, t))
				if t.Zxid <= l.announced {
					l.packets = append(l.packets, packet(proto.PacketCommit, t.Zxid))
				}
			case t.Zxid <= l.announced:
				l.packets = append(l.packets, carrying(proto.PacketInform, t))
			}
		}
	})
	k.sent, k.acked = l.proposed, k.cut
	l.indexLive()
	l.do(UpToDate{Link: k.id, Server: k.server, Observer: k.observer})
}

func carrying(t proto.PacketType, txn Txn) proto.QuorumPacket {
	return proto.QuorumPacket{Type: t, Zxid: txn.Zxid, Data: txn.Data}
}

// indexLive makes the lists of live links afresh: actions may still refer to the old ones.
func (l *Leader) indexLive() {
	l.followers, l.observers = nil, nil
	for _, k := range l.links {
		switch {
		case k.gone || k.state != LinkLive:
		case k.observer:
			l.observers = append(l.observers, k.id)
		default:
			l.followers = append(l.followers, k.id)
		}
	}
}
