// Package zab is the agreement protocol: which txns are committed, and in which order.
//
// It is pure: events come in as calls, decisions go out as results; it knows no clock, socket, file
// or goroutine. quorum/replica performs what it decides. A standalone server is an ensemble of one:
// its own acknowledgement is a quorum.
package zab

import (
	"fmt"
	"slices"

	"zkd/quorum/zk"
)

// NextEpoch returns the epoch that a new leader must propose: one above every epoch that a quorum
// has accepted or that its own history holds. ok is false when epochs are spent (2^31-1).
//
// Source: Zab 1.0, discovery; ZOOKEEPER-1653 for the epoch of the last zxid.
func NextEpoch(last zk.Zxid, accepted ...zk.Epoch) (next zk.Epoch, ok bool) {
	const maxEpoch = 1<<31 - 1
	next = last.Epoch()
	for _, e := range accepted {
		next = max(next, e)
	}
	return next + 1, next < maxEpoch
}

// Leader is the broadcast phase of one epoch as its leader sees it: it numbers proposals and knows
// which of them a quorum has made durable.
//
// A member's acknowledgement of zxid z says that its log is durable up to z, since a member logs
// proposals in order without gaps; so one number per member is all there is to keep.
type Leader struct {
	view      zk.View
	last      zk.Zxid // newest proposed
	committed zk.Zxid
	acked     map[zk.ServerID]zk.Zxid
	sorted    []zk.Zxid // scratch of quorumZxid
}

// NewLeader begins the broadcast phase of epoch. Everything in the leader's history before it is
// committed by the quorum that accepted the epoch; the first proposal is the epoch's zxid 1.
func NewLeader(view zk.View, epoch zk.Epoch) *Leader {
	start := zk.MakeZxid(epoch, 0)
	return &Leader{view: view, last: start, committed: start, acked: make(map[zk.ServerID]zk.Zxid, len(view.Voters()))}
}

// Last returns the zxid of the newest proposal, or the epoch's zxid 0 before the first.
func (l *Leader) Last() zk.Zxid { return l.last }

// Committed returns the zxid up to which everything is committed.
func (l *Leader) Committed() zk.Zxid { return l.committed }

// Propose takes the zxid of the next proposal. ok is false when the epoch's zxids are spent: the
// leader must step down so that a new epoch begins.
func (l *Leader) Propose() (zxid zk.Zxid, ok bool) {
	next, ok := l.last.Next()
	if !ok {
		return 0, false
	}
	l.last = next
	return next, true
}

// Ack folds in that member's log is durable up to zxid and returns the zxid up to which everything
// is now committed. Acks of members that do not vote, of another epoch, and older ones change
// nothing. An ack of what was never proposed is a broken invariant and panics.
func (l *Leader) Ack(member zk.ServerID, zxid zk.Zxid) (committed zk.Zxid) {
	if zxid > l.last {
		panic(fmt.Sprintf("zab: server %d acknowledged %v, but %v is the newest proposal", member, zxid, l.last))
	}
	if !l.view.Contains(member) || zxid <= l.acked[member] || zxid.Epoch() != l.last.Epoch() {
		return l.committed
	}
	l.acked[member] = zxid
	l.committed = max(l.committed, l.quorumZxid())
	return l.committed
}

// quorumZxid returns the largest zxid that a quorum has acknowledged, 0 if there is none.
func (l *Leader) quorumZxid() zk.Zxid {
	l.sorted = l.sorted[:0]
	for _, id := range l.view.Voters() {
		l.sorted = append(l.sorted, l.acked[id])
	}
	slices.Sort(l.sorted)
	return l.sorted[len(l.sorted)-l.view.QuorumSize()]
}
