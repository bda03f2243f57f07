package zab

import "zkd/quorum/zk"

// NextEpoch returns the epoch that a new leader must propose: one above every epoch that a quorum
// has accepted or that its own history holds. ok is false when epochs are spent (2^31-1).
//
// Source: Zab 1.0, discovery; ZOOKEEPER-1653 for the epoch of the last zxid.
func NextEpoch(last zk.Zxid, accepted ...zk.Epoch) (next zk.Epoch, ok bool) {
	next = last.Epoch()
	for _, e := range accepted {
		next = max(next, e)
	}
	return next + 1, next < maxEpoch
}

const maxEpoch zk.Epoch = 1<<31 - 1

// tally knows which proposals of one epoch a quorum has made durable.
//
// A member's acknowledgement of zxid z says that its log is durable up to z, since a member logs
// proposals in order without gaps; so one number per member is all there is to keep. Which link or
// packet it came by does not matter (R5).
type tally struct {
	view      zk.View
	committed zk.Zxid
	acked     map[zk.ServerID]zk.Zxid
}

func newTally(view zk.View, epoch zk.Epoch) tally {
	return tally{view, zk.MakeZxid(epoch, 0), make(map[zk.ServerID]zk.Zxid, len(view.Voters()))}
}

// ack folds in that member's log is durable up to zxid. Acks of members that do not vote, of another
// epoch, and older ones change nothing.
func (t *tally) ack(member zk.ServerID, zxid zk.Zxid) {
	if !t.view.Contains(member) || zxid <= t.acked[member] || zxid.Epoch() != t.committed.Epoch() {
		return
	}
	t.acked[member] = zxid
	best := t.committed
	for _, z := range t.acked {
		if z > best && t.view.HasQuorum(func(id zk.ServerID) bool { return t.acked[id] >= z }) {
			best = z
		}
	}
	t.committed = best
}

// forgetAbove takes back what member acknowledged above zxid: its log is about to be cut there. What
// was committed with its help stays committed; the caller sees to it that none of that is cut.
func (t *tally) forgetAbove(member zk.ServerID, zxid zk.Zxid) {
	if t.acked[member] > zxid {
		t.acked[member] = zxid
	}
}
