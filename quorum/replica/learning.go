package replica

import (
	"fmt"
	"slices"

	"go.uber.org/zap"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// learnerState is what only a learner has.
type learnerState struct {
	// forwarded are the writes that the leader has been asked for, in the order of asking, which is that of
	// the txns of each session: a leader may keep back one session's, behind a sync. asked counts them by session.
	forwarded []Request
	asked     map[zk.SessionID]int
	syncs     []Request                  // in the order of asking
	attaches  map[zk.SessionID][]Request // sessions that the leader has been asked about
	pinged    int64                      // NowMillis of the last answer to PING
	txn       proto.Txn                  // being applied
	staging   staging
}

// actLearner does an action of a learner.
func (r *Replica) actLearner(a zab.Action) {
	switch a := a.(type) {
	case zab.Deliver:
		r.follow(a.Txns)
	case zab.BeginSync:
		r.beginSync(a)
	case zab.Stage:
		r.stage(a.Txns)
	case zab.CommitSync:
		r.commitSync(a.Last)
	case zab.AbandonSync:
		r.abandonStaging()
	case zab.AnswerPing:
		r.answerPing(a.Packet)
	case zab.Revalidated:
		r.revalidated(a.Data)
	case zab.SyncDone:
		r.syncDone()
	case zab.ConfigSeen:
		r.compareConfig(string(a.Text))
	case zab.ConfigCommitted:
		r.log.Warn("the leader has committed a new configuration: reconfiguration is not enabled here", zap.Stringer("zxid", a.Zxid))
	default:
		panic(fmt.Sprintf("replica: unknown action %T of a learner", a))
	}
}

func (r *Replica) sendUp(packets ...proto.QuorumPacket) {
	r.up.Send(packets...)
	r.flushLater(r.up)
}

// forward asks the leader for what this server's clients want.
func (r *Replica) forward() {
	for i := range r.requests {
		req := &r.requests[i]
		switch {
		case req.Origin == nil:
			// The server's own requests are a leader's.
		case req.Term != r.term, req.Kind != Attach && r.moved(req):
			r.lose(req) // its session has another connection by now
		case req.Kind == Attach:
			if r.attaches == nil {
				r.attaches = make(map[zk.SessionID][]Request)
			}
			r.attaches[req.Session] = append(r.attaches[req.Session], *req)
			touch := proto.SessionTouch{Session: req.Session, TimeoutMillis: req.TimeoutMillis}
			r.sendUp(proto.QuorumPacket{Type: proto.PacketRevalidate, Zxid: -1, Data: touch.Append(nil)})
		default:
			r.forwardOne(req)
		}
	}
	clear(r.requests)
	r.tellLost()
}

func (r *Replica) forwardOne(req *Request) {
	if req.Kind == Barrier {
		r.syncs = append(r.syncs, *req)
	} else {
		if req.Op == zk.OpCreateSession {
			req.Session = r.newSessionID()
		}
		if r.asked == nil {
			r.asked = make(map[zk.SessionID]int)
		}
		r.forwarded = append(r.forwarded, *req)
		r.asked[req.Session]++
	}
	f := proto.ForwardedRequest{Session: req.Session, Cxid: req.Cxid, Op: req.Op, Body: req.Body}
	data := f.Append(make([]byte, 0, forwardedBytes+len(req.Body)))
	r.sendUp(proto.QuorumPacket{Type: proto.PacketRequest, Zxid: -1, Data: data, AuthInfo: req.IDs})
}

// forwardedBytes is what stands before the body in a REQUEST.
const forwardedBytes = 8 + 4 + 4

// follow applies txns that are committed and durable here, and answers those that clients here asked for.
func (r *Replica) follow(txns []zab.Txn) {
	made := madeAt(txns[0].Data)
	r.age(r.stats.CommitMillis.Observe, made)
	defer func() { r.age(r.stats.PropagationMillis.Observe, made) }()
	for len(txns) > 0 {
		n := min(len(txns), deliverChunk)
		r.mu.Lock()
		for i := range txns[:n] {
			if err := proto.DecodeTxn(txns[i].Data, &r.txn); err != nil {
				r.mu.Unlock()
				r.fail(fmt.Errorf("replica: txn %v of the leader: %w", txns[i].Zxid, err))
				return
			}
			if r.txn.Header.Type == zk.OpError && r.syncRefused(&r.txn) {
				continue
			}
			req, ok := r.takeForwarded(&r.txn.Header)
			if ok {
				r.apply(&r.txn, &req)
			} else {
				r.apply(&r.txn, nil)
			}
		}
		r.mu.Unlock()
		txns = txns[n:]
	}
	r.tellLost()
}

// takeForwarded returns the request that a txn comes of, if it was asked for here. Txns of a session come in
// the order of asking; what it asked for before has been lost on the way, and its connection is given up.
func (r *Replica) takeForwarded(h *proto.TxnHeader) (req Request, ok bool) {
	if r.asked[h.ClientID] == 0 {
		return Request{}, false
	}
	at := 0
	for at < len(r.forwarded) && (r.forwarded[at].Session != h.ClientID || r.forwarded[at].Cxid != h.Cxid) {
		at++
	}
	if at == len(r.forwarded) {
		return Request{}, false // asked for by way of another server, before the session came here
	}
	for i := 0; i < at; {
		if r.forwarded[i].Session != h.ClientID {
			i++
			continue
		}
		r.log.Warn("the leader has passed over a request: its client is disconnected", zap.Stringer("session", h.ClientID))
		lost := r.removeForwarded(i)
		r.lose(&lost)
		at--
	}
	return r.removeForwarded(at), true
}

func (r *Replica) removeForwarded(at int) Request {
	req := r.forwarded[at]
	if at == 0 {
		r.forwarded[0] = Request{}
		r.forwarded = r.forwarded[1:]
	} else {
		r.forwarded = slices.Delete(r.forwarded, at, at+1)
	}
	if len(r.forwarded) == 0 {
		r.forwarded = nil
	}
	if r.asked[req.Session]--; r.asked[req.Session] <= 0 {
		delete(r.asked, req.Session)
	}
	return req
}

// syncDone answers the oldest sync.
func (r *Replica) syncDone() {
	if len(r.syncs) == 0 {
		r.log.Warn("the leader answers a sync that nobody asked for")
		return
	}
	req := r.syncs[0]
	r.syncs = r.syncs[1:]
	r.mu.Lock()
	out := Outcome{Kind: Barrier, Op: req.Op, Session: req.Session, Cxid: req.Cxid, Zxid: r.tree.LastZxid()}
	r.tell(req.Origin, &out)
	r.mu.Unlock()
}

// syncRefused answers a sync that a ZooKeeper leader refuses: of a session that has ended, or moved. It says so by
// an error txn, and then no SYNC comes. mu is held.
func (r *Replica) syncRefused(txn *proto.Txn) bool {
	i := slices.IndexFunc(r.syncs, func(q Request) bool { return q.Session == txn.Header.ClientID && q.Cxid == txn.Header.Cxid })
	if i < 0 {
		return false
	}
	req := r.syncs[i]
	r.syncs = slices.Delete(r.syncs, i, i+1)
	r.tree.Apply(txn, nil)
	r.stats.Commits.Add(1)
	out := Outcome{Kind: Barrier, Op: req.Op, Session: req.Session, Cxid: req.Cxid, Zxid: txn.Header.Zxid, Err: txn.Body.Err}
	r.tell(req.Origin, &out)
	return true
}

// revalidated answers a client that has moved here.
func (r *Replica) revalidated(data []byte) {
	d := jute.NewDecoder(data)
	var answer proto.Revalidated
	answer.Decode(&d)
	waiting := r.attaches[answer.Session]
	if d.Err() != nil || len(waiting) == 0 {
		return
	}
	req := waiting[0]
	if r.attaches[answer.Session] = waiting[1:]; len(waiting) == 1 {
		delete(r.attaches, answer.Session)
	}
	out := Outcome{Kind: Attach, Session: req.Session, Zxid: r.tree.LastZxid(), Err: zk.ErrSessionExpired}
	if answer.Valid {
		r.stats.Revalidations.Add(1)
		r.own(req.Session, &req)
		out.Err = zk.OK
	}
	r.mu.Lock()
	r.tell(req.Origin, &out)
	r.mu.Unlock()
}

// answerPing tells the leader of which sessions something was heard since the last PING.
func (r *Replica) answerPing(p proto.QuorumPacket) {
	now := r.NowMillis()
	data := []byte{} // not null, of which a Java leader dies
	for id, h := range r.owners {
		if h.conn == nil || h.conn.LastHeardMillis() < r.pinged {
			continue
		}
		if timeout, ok := r.tree.SessionTimeout(id); ok {
			data = proto.SessionTouch{Session: id, TimeoutMillis: timeout}.Append(data)
		}
	}
	r.pinged = now
	p.Data = data
	r.sendUp(p)
}

// compareConfig compares the leader's membership with the own: where reconfiguration is not enabled both are
// what somebody wrote into files.
func (r *Replica) compareConfig(text string) {
	theirs, err := proto.ParseQuorumConfig(text)
	ours, ourErr := proto.ParseQuorumConfig(r.cfg.ConfigText)
	if err != nil || ourErr != nil {
		return
	}
	if !sameVoters(theirs, ours) {
		r.log.Error("the leader's configuration names other voters than this server's: make them equal on all servers",
			zap.String("leader_config", theirs.String()), zap.String("config", ours.String()))
	}
}

func sameVoters(a, b proto.QuorumConfig) bool {
	voters := func(c proto.QuorumConfig) map[zk.ServerID]bool {
		all := make(map[zk.ServerID]bool)
		for _, s := range c.Servers {
			all[s.ID] = !s.Observer
		}
		return all
	}
	va, vb := voters(a), voters(b)
	if len(va) != len(vb) {
		return false
	}
	for id, votes := range va {
		if other, ok := vb[id]; !ok || other != votes {
			return false
		}
	}
	return true
}

// loseForwarded gives up what the leader will not answer any more.
func (r *Replica) loseForwarded() {
	for i := range r.forwarded {
		r.lose(&r.forwarded[i])
	}
	for i := range r.syncs {
		r.lose(&r.syncs[i])
	}
	for _, waiting := range r.attaches {
		for i := range waiting {
			r.lose(&waiting[i])
		}
	}
}
