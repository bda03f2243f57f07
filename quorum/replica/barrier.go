package replica

import (
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// barrierState is what a leader has of syncs.
//
// A sync is answered once a quorum has confirmed that this is still the leader. Until then later requests of
// its session are held back, so that they are answered behind it, here and on a Java learner. Where there is
// a sync among them, later syncs of the same learner, of any session, are held back as well: the answer does
// not say whose it is, and a learner takes it for that of its oldest.
type barrierState struct {
	barriers    map[uint64]Request
	lastBarrier uint64
	held        map[zk.SessionID]heldBack
	heldSyncs   map[zab.LinkID][]zk.SessionID // in the order of asking
}

// heldBack is what is held back of a session.
type heldBack struct {
	requests []Request
	asked    bool // behind a sync of the session; else behind one of another, on the same link
}

// hold keeps a request back if it must wait for a sync, and reports whether it does.
func (r *Replica) hold(req *Request) bool {
	if len(r.held) == 0 && len(r.heldSyncs) == 0 || req.Origin == nil && req.link == 0 {
		return false
	}
	h, waits := r.held[req.Session]
	if !waits && !r.behindSyncs(req) {
		return false
	}
	if req.Kind == Barrier && req.link != 0 && !req.held {
		req.held = true
		r.heldSyncs[req.link] = append(r.heldSyncs[req.link], req.Session)
	}
	h.requests = append(h.requests, *req)
	r.held[req.Session] = h
	return true
}

// behindSyncs reports whether req is a sync for which it is not the turn yet.
func (r *Replica) behindSyncs(req *Request) bool {
	if req.Kind != Barrier || req.link == 0 {
		return false
	}
	syncs := r.heldSyncs[req.link]
	return len(syncs) > 0 && (!req.held || syncs[0] != req.Session)
}

// letGo takes in again what was held back of a session.
func (r *Replica) letGo(session zk.SessionID) {
	h := r.held[session]
	delete(r.held, session)
	r.incoming = append(h.requests, r.incoming...)
}

// askBarrier takes in a sync.
func (r *Replica) askBarrier(req *Request) {
	r.lastBarrier++
	r.barriers[r.lastBarrier] = *req
	if req.Session != 0 {
		r.held[req.Session] = heldBack{asked: true}
	}
	r.step(zab.Barrier{Link: req.link, ID: r.lastBarrier})
	if !req.held || r.role != leading {
		return
	}
	syncs := r.heldSyncs[req.link][1:]
	if len(syncs) == 0 {
		delete(r.heldSyncs, req.link)
		return
	}
	r.heldSyncs[req.link] = syncs
	if next, ok := r.held[syncs[0]]; ok && !next.asked {
		r.letGo(syncs[0])
	}
}

// barrierDone answers a sync, and lets go what was held behind it.
func (r *Replica) barrierDone(id uint64) {
	req, ok := r.barriers[id]
	if !ok {
		return
	}
	delete(r.barriers, id)
	if req.ask != nil {
		req.ask()
		return
	}
	if req.Origin != nil {
		r.mu.Lock()
		out := Outcome{Kind: Barrier, Op: req.Op, Session: req.Session, Cxid: req.Cxid, Zxid: r.tree.LastZxid()}
		r.tell(req.Origin, &out)
		r.mu.Unlock()
	}
	r.letGo(req.Session)
}
