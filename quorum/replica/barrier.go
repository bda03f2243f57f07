package replica

import (
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// barrierState is what a leader has of syncs.
//
// A sync is answered once a quorum has confirmed that this is still the leader. Until then the writes behind it
// wait: those of its session, or, if a learner sent it, all of that learner's. For a learner of ZooKeeper's has
// one queue of what its clients asked for, syncs too, and takes each answer for that to the head of it
// (CommitProcessor.queuedWriteRequests); the answer to a sync does not even say whose it is.
type barrierState struct {
	barriers    map[uint64]Request
	lastBarrier uint64
	held        map[asker]heldBack
}

// asker is whose requests are answered in the order of asking.
type asker struct {
	link    zab.LinkID   // of a learner, 0 for this server
	session zk.SessionID // of a client of this server, else 0
}

// heldBack is what waits behind syncs that are not answered.
type heldBack struct {
	syncs    int
	requests []Request
}

func (req *Request) asker() asker {
	if req.link != 0 {
		return asker{link: req.link}
	}
	return asker{session: req.Session}
}

// hold keeps a request back if it must wait for a sync, and reports whether it does. A sync right behind
// another one need not: they are answered in their order.
func (r *Replica) hold(req *Request) bool {
	if len(r.held) == 0 || req.Origin == nil && req.link == 0 {
		return false
	}
	h, waits := r.held[req.asker()]
	if !waits || req.Kind == Barrier && len(h.requests) == 0 {
		return false
	}
	h.requests = append(h.requests, *req)
	r.held[req.asker()] = h
	return true
}

// askBarrier takes in a sync.
func (r *Replica) askBarrier(req *Request) {
	r.lastBarrier++
	r.barriers[r.lastBarrier] = *req
	if req.ask == nil {
		h := r.held[req.asker()]
		h.syncs++
		r.held[req.asker()] = h
	}
	r.step(zab.Barrier{Link: req.link, ID: r.lastBarrier})
}

// barrierDone answers a sync, and lets go what was held behind it.
func (r *Replica) barrierDone(id uint64) {
	req, ok := r.barriers[id]
	if !ok {
		return
	}
	delete(r.barriers, id)
	r.paid(&req)
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
	h := r.held[req.asker()]
	if h.syncs--; h.syncs > 0 {
		r.held[req.asker()] = h
		return
	}
	delete(r.held, req.asker())
	r.incoming = append(h.requests, r.incoming...)
}
