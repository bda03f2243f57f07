package zab

import (
	"slices"

	"zkd/quorum/zk"
)

// noteCommitted notes what a leader takes for committed, before it has done anything about it.
func (w *world) noteCommitted(n *node) {
	if !n.leader.Active() {
		return
	}
	epoch := n.leader.Epoch()
	if other, ok := w.established[epoch]; ok && other != n.id {
		w.fail("servers %d and %d both lead in epoch %d", other, n.id, epoch)
	} else if !ok {
		w.established[epoch] = n.id
		w.adopted[epoch] = n.applied
	}
	upto := n.leader.tally.committed
	k := len(n.proposed)
	for k > 0 && n.proposed[k-1].zxid > upto {
		k--
	}
	w.commit(n, n.proposed[:k])
}

// commit notes that history is committed: it must continue what was.
func (w *world) commit(n *node, history []entry) {
	switch {
	case hasPrefix(w.truth, history):
	case hasPrefix(history, w.truth):
		w.truth = slices.Clip(history)
	default:
		at := 0
		for at < len(history) && at < len(w.truth) && history[at] == w.truth[at] {
			at++
		}
		w.fail("server %d commits a history that parts from the committed one behind %d txns", n.id, at)
	}
}

// check compares, after an event, what a server says and serves with what is true.
func (w *world) check(n *node) {
	if !n.up {
		return
	}
	switch {
	case n.role == leading && n.leader.Active():
		if !hasPrefix(w.truth, n.applied) {
			w.fail("leader %d has applied what is not committed", n.id)
		}
	case n.role == learning && n.learner.Active():
		if !hasPrefix(w.truth, n.applied) {
			w.fail("server %d has applied what is not committed", n.id)
		}
	}
	serving := n.role == leading && n.leader.Active() || n.role == learning && n.learner.Active()
	// A liar is to be found out by what comes of it.
	if w.lies == (lies{}) && serving && !hasPrefix(n.disk.history(), n.applied) {
		w.fail("server %d has applied what its disk does not hold", n.id)
	}
	w.checkDisk(n)
}

// checkDisk looks at what a crash of this instant would leave.
func (w *world) checkDisk(n *node) {
	d := &n.disk
	h := d.history()
	if d.current > d.accepted {
		w.fail("server %d: currentEpoch %d is above acceptedEpoch %d", n.id, d.current, d.accepted)
	}
	last := zk.Zxid(0)
	for i, e := range h {
		if i > 0 && !e.zxid.Follows(last) {
			w.fail("server %d: %v stands behind %v in its history", n.id, e.zxid, last)
		}
		last = e.zxid
	}
	for epoch, adopted := range w.adopted {
		if epoch <= d.current && !hasPrefix(h, adopted) {
			w.fail("server %d claims epoch %d without the history of epoch %d", n.id, d.current, epoch)
		}
	}
	w.checkKept()
}

// checkKept: the servers that do not hold all that is committed must never be a quorum, or they could
// go on without it.
func (w *world) checkKept() {
	lacks := func(id zk.ServerID) bool {
		d := &w.nodes[id-1].disk
		return !hasPrefix(d.history(), w.truth)
	}
	if w.view.HasQuorum(lacks) {
		w.fail("a quorum does not hold all %d committed txns", len(w.truth))
	}
}

// readBehindSync: a client reads at n, behind a sync that was asked for when the truth was that long.
func (w *world) readBehindSync(n *node, truth int) {
	if len(n.applied) < truth {
		w.fail("server %d answers a sync with %d txns applied, %d were committed when it was asked", n.id, len(n.applied), truth)
	}
}
