package replica

import (
	"time"

	"go.uber.org/zap"

	"zkd/quorum/proto"
	"zkd/quorum/tree"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

const (
	// maxBatchRequests bounds a batch, so that the first of it does not wait for the last too long.
	maxBatchRequests = 4096
	// maxBatchBytes bounds what is prepared and encoded at once.
	maxBatchBytes = 8 << 20
	// checkDiskBytes of log are written at most between two looks at the free space.
	checkDiskBytes = 16 << 20
	// deliverChunk is how many txns are applied before readers get a turn.
	deliverChunk = 512
	// slabBytes is the memory in which the txns of a few batches are encoded together.
	slabBytes = 64 << 10
)

// proposal is a request that has its place in the history, or (refused, attaching) behind a part of
// it, and waits to be delivered.
type proposal struct {
	req    Request
	zxid   zk.Zxid // delivered once this is committed
	hasTxn bool
	code   zk.Code // of a request refused without a txn
	txn    proto.Txn
}

// work takes the requests that have gathered as far as the role can: a leader proposes them, a learner
// forwards them to its leader. Without a role they are lost, as their connections are.
func (r *Replica) work() {
	begin := time.Now()
	r.requests = r.intake.take(r.requests[:0], maxBatchRequests, maxBatchBytes)
	r.stats.QueueDepth.Set(int64(len(r.requests)))
	switch {
	case len(r.requests) == 0:
		return
	case r.err != nil || !r.active:
		r.loseRequests()
		return
	case r.role == leading:
		r.incoming = append(r.incoming, r.requests...)
		clear(r.requests)
		r.propose()
	default:
		r.forward()
	}
	r.stats.PrepMicros.Observe(time.Since(begin).Microseconds())
}

// loseRequests gives up what nobody can do.
func (r *Replica) loseRequests() {
	for i := range r.requests {
		r.lose(&r.requests[i])
	}
	clear(r.requests)
	r.tellLost()
}

// propose turns what came in into proposals: one batch. The turn is held, the role leads.
func (r *Replica) propose() {
	now := r.cfg.Now().UnixMilli()
	batch := r.batch[:0]
	for n, bytes := 0, 0; len(r.incoming) > 0 && n < maxBatchRequests && bytes < maxBatchBytes; n++ {
		req := r.incoming[0]
		r.incoming[0] = Request{}
		r.incoming = r.incoming[1:]
		bytes += len(req.Body)
		switch {
		case req.Origin != nil && req.Term != r.term:
			r.lose(&req) // of a role that has ended
		case r.hold(&req):
		case req.Kind == Barrier:
			batch = r.broadcast(batch)   // what came before it ...
			r.deliver(r.tree.LastZxid()) // ... and what was refused without a txn
			r.askBarrier(&req)
		default:
			batch = r.proposeOne(&req, now, batch)
		}
		if r.role != leading {
			return
		}
	}
	if len(r.incoming) == 0 {
		r.incoming = nil
	}
	r.batch = r.broadcast(batch)
	r.deliver(r.tree.LastZxid())
	r.tellLost()
}

// broadcast hands a batch to the protocol and returns its empty memory.
func (r *Replica) broadcast(batch []zab.Txn) []zab.Txn {
	if len(batch) == 0 {
		return batch
	}
	r.stats.Proposals.Add(int64(len(batch)))
	r.step(zab.Broadcast{Txns: batch})
	clear(batch)
	return batch[:0]
}

// proposeOne gives one request its place, and adds its txn to the batch.
func (r *Replica) proposeOne(req *Request, wallMillis int64, batch []zab.Txn) []zab.Txn {
	r.inflight = append(r.inflight, proposal{req: *req, zxid: r.leader.Last()})
	p := &r.inflight[len(r.inflight)-1]
	if req.Kind != Write {
		return batch
	}
	p.code = r.admit(&p.req)
	if p.code != zk.OK && p.req.link == 0 {
		return batch // what it refuses leaves no trace in the history
	}
	zxid, ok := r.leader.Propose()
	if !ok {
		r.inflight = r.inflight[:len(r.inflight)-1]
		r.paid(req)
		r.lose(req) // the next tick ends the reign, so that a new epoch begins
		return batch
	}
	p.zxid, p.hasTxn = zxid, true
	if p.code != zk.OK { // a learner hears of it by a txn only
		r.prep.Refuse(&p.req.Request, zxid, wallMillis, p.code, &p.txn)
	} else {
		r.prep.Prepare(&p.req.Request, zxid, wallMillis, &p.txn)
	}
	data := r.encode(&p.txn, len(req.Body))
	r.stats.ProposalBytes.Observe(int64(len(data)))
	return append(batch, zab.Txn{Zxid: zxid, Data: data})
}

// encode returns the bytes of a txn, which are never changed again. bodyBytes tells about how many.
func (r *Replica) encode(txn *proto.Txn, bodyBytes int) []byte {
	const beside = 256
	if need := bodyBytes + beside; cap(r.slab)-len(r.slab) < need {
		r.slab = make([]byte, 0, max(slabBytes, need))
	}
	start := len(r.slab)
	r.slab = txn.Append(r.slab)
	return r.slab[start:len(r.slab):len(r.slab)]
}

// admit decides whether a write may become a txn at all.
func (r *Replica) admit(req *Request) zk.Code {
	switch req.Op {
	case zk.OpCreateSession:
		if req.link == 0 {
			req.Session = r.newSessionID()
		}
		// A follower with a faster disk may serve the session before it is applied here.
		r.tracker.Add(req.Session, req.TimeoutMillis, r.NowMillis())
		return zk.OK
	case zk.OpCloseSession:
		if r.moved(req) {
			return zk.ErrSessionMoved
		}
		r.tracker.Closing(req.Session)
		return zk.OK
	case zk.OpDelete:
	case zk.OpDeleteContainer:
		if req.link != 0 {
			return zk.ErrUnimplemented // the reaper's own; no client's
		}
	default:
		if r.diskLow {
			r.stats.DiskFullRefused.Add(1)
			return zk.ErrSystem
		}
	}
	if (req.Origin != nil || req.link != 0) && (!r.tracker.Has(req.Session) || r.tracker.IsClosing(req.Session)) {
		return zk.ErrSessionExpired
	}
	if r.moved(req) {
		return zk.ErrSessionMoved
	}
	return zk.OK
}

// deliver applies everything up to committed, which is durable here, and tells the outcomes.
func (r *Replica) deliver(committed zk.Zxid) {
	if r.head == len(r.inflight) {
		return
	}
	begin := time.Now()
	applied := zk.Zxid(0)
	for r.head < len(r.inflight) && r.due(&r.inflight[r.head], committed) {
		r.mu.Lock()
		for n := 0; n < deliverChunk && r.head < len(r.inflight) && r.due(&r.inflight[r.head], committed); n++ {
			p := &r.inflight[r.head]
			r.head++
			if p.hasTxn {
				r.apply(&p.txn, &p.req)
				applied = p.zxid
			} else {
				r.answer(p)
			}
			r.paid(&p.req)
			*p = proposal{} // keeps nothing alive
		}
		r.mu.Unlock()
	}
	if applied != 0 {
		r.prep.Applied(applied)
	}
	switch {
	case r.head == len(r.inflight):
		r.inflight, r.head = r.inflight[:0], 0
	case r.head > 256 && r.head*2 > len(r.inflight):
		// Under steady load there is always something in flight.
		kept := copy(r.inflight, r.inflight[r.head:])
		clear(r.inflight[kept:])
		r.inflight, r.head = r.inflight[:kept], 0
	}
	r.stats.ApplyMicros.Observe(time.Since(begin).Microseconds())
}

// due reports whether a proposal is committed, and what stands behind no txn of this reign at once.
func (r *Replica) due(p *proposal, committed zk.Zxid) bool {
	return p.zxid <= committed || !p.hasTxn && p.zxid.Counter() == 0
}

// apply puts a committed txn into the tree, fires its watches, then tells its origin: in this order,
// so that no reply shows a change before the event that announces it. req is the request here that it
// comes of, nil if there is none. mu is held.
func (r *Replica) apply(txn *proto.Txn, req *Request) {
	var result tree.Result
	reaped := zk.Persistent // what kind of znode the reaper's txn removes
	if txn.Header.Type == zk.OpDeleteContainer {
		if id, ok := r.tree.Find(txn.Body.Path); ok {
			reaped = zk.KindOf(r.tree.Persisted(id).EphemeralOwner, r.cfg.ExtendedTypes)
		}
	}
	zxid, session := txn.Header.Zxid, txn.Header.ClientID
	result, r.events = r.tree.Apply(txn, r.events[:0])
	r.stats.Commits.Add(1)
	r.checkDigest(txn)
	for i := range r.events {
		r.fire(&r.events[i], zxid)
	}
	if txn.Header.Type == zk.OpCreateSession {
		r.stats.CreateSessions.Add(1)
		if r.role == leading {
			r.tracker.Add(session, txn.Body.TimeoutMillis, r.NowMillis())
		}
		if req != nil {
			r.own(session, req)
		}
	}
	switch reaped {
	case zk.Container:
		r.stats.ContainersDeleted.Add(1)
	case zk.TTL:
		r.stats.TTLNodesDeleted.Add(1)
	}
	r.watchQuota(txn, &result)
	if req != nil && req.Origin != nil {
		out := Outcome{Kind: Write, Op: req.Op, Session: session, Cxid: req.Cxid, Zxid: zxid, Err: result.Err, Result: &result}
		r.tell(req.Origin, &out)
	}
	if txn.Header.Type == zk.OpCloseSession {
		r.stats.CloseSessions.Add(1)
		if r.role == leading {
			r.tracker.Remove(session)
		}
		if h := r.owners[session]; h != nil {
			delete(r.owners, session)
			if h.conn != nil {
				h.conn.SessionClosed()
			}
		}
	}
}

// answer tells the outcome of a request that has no txn. mu is held.
func (r *Replica) answer(p *proposal) {
	code := p.code
	if p.req.Kind == Attach {
		code = r.attach(&p.req)
		if p.req.link != 0 {
			valid := proto.Revalidated{Session: p.req.Session, Valid: code == zk.OK}
			r.send(zab.Send{To: []zab.LinkID{p.req.link}, Packets: []proto.QuorumPacket{
				{Type: proto.PacketRevalidate, Zxid: -1, Data: valid.Append(nil)},
			}})
		}
	}
	if p.req.Origin == nil {
		return
	}
	out := Outcome{Kind: p.req.Kind, Op: p.req.Op, Session: p.req.Session, Cxid: p.req.Cxid, Zxid: r.tree.LastZxid(), Err: code}
	r.tell(p.req.Origin, &out)
}

func (r *Replica) tell(origin Origin, out *Outcome) {
	if origin.Applied(&r.view, out) {
		r.dirty = append(r.dirty, origin)
	}
}

func (r *Replica) checkDigest(txn *proto.Txn) {
	z := txn.Header.Zxid
	if txn.HasDigest && txn.Digest.Version == proto.DigestVersion && txn.Digest.Tree != r.tree.Digest() {
		if r.stats.DigestMismatches.Load() == 0 {
			r.log.Error("tree digest differs from the proposal's: this server's data is not what was agreed",
				zap.Stringer("zxid", z), zap.Uint64("want", txn.Digest.Tree), zap.Uint64("have", r.tree.Digest()),
				zap.Stringer("type", txn.Header.Type))
		}
		r.stats.DigestMismatches.Add(1)
	}
	if z.Counter()%digestEvery == 0 {
		r.digests.add(z, r.tree.Digest())
	}
}

// flush sends what the batch has queued. A few connections are served on the spot, which saves a
// lone client a thread hand-off; more are spread over the pool, so that the next batch can begin.
func (r *Replica) flush() {
	const onTheSpot = 2
	if len(r.dirty) <= onTheSpot || r.cfg.manual {
		for _, f := range r.dirty {
			f.Flush()
		}
	} else {
		r.flushers.flush(r.dirty)
	}
	clear(r.dirty)
	r.dirty = r.dirty[:0]
}
