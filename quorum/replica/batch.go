package replica

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/proto"
	"zkd/quorum/tree"
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
)

// proposal is a request that has its place in the history, or (refused, barriers) behind a part of
// it, and waits to be delivered.
type proposal struct {
	req    Request
	zxid   zk.Zxid // delivered once this is committed
	hasTxn bool
	code   zk.Code // of a request refused without a txn
	txn    proto.Txn
}

// batch takes what has gathered through the whole pipeline.
func (r *Replica) batch() {
	first := len(r.inflight)
	begin := time.Now()
	r.gather(begin)
	if len(r.inflight) == first {
		return
	}
	prepared := time.Now()
	r.stats.PrepMicros.Observe(prepared.Sub(begin).Microseconds())
	if !r.sync(prepared) {
		return
	}
	if durable := r.txlog.Durable(); durable.Epoch() == r.leader.Last().Epoch() {
		r.leader.Ack(r.cfg.ID, durable)
	}
	r.deliver()
	r.flush()
	if r.err == nil {
		r.maybeSnapshot()
	}
}

// gather turns queued requests into proposals and appends their txns to the log.
func (r *Replica) gather(now time.Time) {
	r.requests = r.intake.take(r.requests[:0], maxBatchRequests, maxBatchBytes)
	r.stats.QueueDepth.Set(int64(len(r.requests)))
	wallMillis := now.UnixMilli()
	for i := range r.requests {
		r.propose(&r.requests[i], wallMillis)
		if r.err != nil {
			break
		}
	}
	clear(r.requests)
}

func (r *Replica) propose(req *Request, wallMillis int64) {
	if len(r.inflight) < cap(r.inflight) {
		r.inflight = r.inflight[:len(r.inflight)+1] // reuse the element's txn
	} else {
		r.inflight = append(r.inflight, proposal{})
	}
	p := &r.inflight[len(r.inflight)-1]
	p.req, p.hasTxn, p.code, p.zxid = *req, false, zk.OK, r.leader.Last()
	if req.Kind != Write {
		return
	}
	if p.code = r.admit(&p.req); p.code != zk.OK {
		return
	}
	zxid, ok := r.leader.Propose()
	if !ok {
		r.fail(fmt.Errorf("replica: the zxids of epoch %d are spent: restart to begin the next epoch", r.leader.Last().Epoch()))
		return
	}
	p.zxid, p.hasTxn = zxid, true
	r.prep.Prepare(&p.req.Request, zxid, wallMillis, &p.txn)
	r.encoded = p.txn.Append(r.encoded[:0])
	r.stats.ProposalBytes.Observe(int64(len(r.encoded)))
	r.batchBytes += int64(len(r.encoded))
	if err := r.txlog.Append(zxid, r.encoded); err != nil {
		r.fail(err)
	}
}

// admit decides whether a write may become a txn at all. What it refuses leaves no trace in the
// history.
func (r *Replica) admit(req *Request) zk.Code {
	switch req.Op {
	case zk.OpCreateSession:
		req.Session = r.newSessionID()
		return zk.OK
	case zk.OpCloseSession:
		if r.moved(req) {
			return zk.ErrSessionMoved
		}
		r.tracker.Closing(req.Session)
		return zk.OK
	case zk.OpDelete, zk.OpDeleteContainer:
	default:
		if r.diskLow {
			r.stats.DiskFullRefused.Add(1)
			return zk.ErrSystem
		}
	}
	if req.Origin != nil && (!r.tracker.Has(req.Session) || r.tracker.IsClosing(req.Session)) {
		return zk.ErrSessionExpired
	}
	if r.moved(req) {
		return zk.ErrSessionMoved
	}
	return zk.OK
}

// sync makes the batch durable; false if that failed, which ends the loop: after a failed fsync
// nothing may be assumed of the log, so nothing of it is acknowledged.
func (r *Replica) sync(begin time.Time) bool {
	if r.err == nil && r.txlog.Last() == r.txlog.Durable() {
		return true // only barriers
	}
	txns := int64(r.txlog.Last() - max(r.txlog.Durable(), zk.MakeZxid(r.leader.Last().Epoch(), 0)))
	if r.err == nil {
		r.fsyncSince.Store(begin.UnixNano())
		if err := r.txlog.Sync(); err != nil {
			r.fail(err)
		}
		r.fsyncSince.Store(0)
	}
	if r.err != nil {
		return false
	}
	took := time.Since(begin)
	r.stats.FsyncMicros.Observe(took.Microseconds())
	r.stats.BatchSize.Observe(txns)
	r.stats.Proposals.Add(txns)
	r.stats.LogBytes.Add(r.batchBytes)
	if r.uncheckedBytes += r.batchBytes; r.uncheckedBytes >= checkDiskBytes {
		r.uncheckedBytes = 0
		r.checkDisk()
	}
	r.batchBytes = 0
	if took > r.cfg.FsyncWarning {
		r.stats.FsyncSlow.Add(1)
		r.log.Warn("slow log sync: clients wait for this disk", zap.Duration("took", took), zap.Int64("txns", txns))
	}
	return true
}

// deliver applies everything committed and tells the outcomes.
func (r *Replica) deliver() {
	begin := time.Now()
	committed := r.leader.Committed()
	applied := zk.Zxid(0)
	for r.head < len(r.inflight) && r.inflight[r.head].zxid <= committed {
		r.mu.Lock()
		for n := 0; n < deliverChunk && r.head < len(r.inflight) && r.inflight[r.head].zxid <= committed; n++ {
			p := &r.inflight[r.head]
			r.head++
			if p.hasTxn {
				r.apply(p)
				applied = p.zxid
			} else {
				r.answer(p)
			}
		}
		r.mu.Unlock()
	}
	if applied != 0 {
		r.prep.Applied(applied)
	}
	if r.head == len(r.inflight) {
		clear(r.inflight)
		r.inflight, r.head = r.inflight[:0], 0
	}
	r.stats.ApplyMicros.Observe(time.Since(begin).Microseconds())
}

// apply puts a committed txn into the tree, fires its watches, then tells its origin: in this order,
// so that no reply shows a change before the event that announces it.
func (r *Replica) apply(p *proposal) {
	var result tree.Result
	reaped := zk.Persistent // what kind of znode the reaper's txn removes
	if p.txn.Header.Type == zk.OpDeleteContainer {
		if id, ok := r.tree.Find(p.txn.Body.Path); ok {
			reaped = zk.KindOf(r.tree.Persisted(id).EphemeralOwner, r.cfg.ExtendedTypes)
		}
	}
	result, r.events = r.tree.Apply(&p.txn, r.events[:0])
	r.stats.Commits.Add(1)
	r.checkDigest(&p.txn)
	for i := range r.events {
		r.fire(&r.events[i], p.zxid)
	}
	session := p.txn.Header.ClientID
	switch p.req.Op {
	case zk.OpCreateSession:
		r.stats.CreateSessions.Add(1)
		r.tracker.Add(session, p.req.TimeoutMillis, r.NowMillis())
		r.own(session, p.req.Owner)
	}
	switch reaped {
	case zk.Container:
		r.stats.ContainersDeleted.Add(1)
	case zk.TTL:
		r.stats.TTLNodesDeleted.Add(1)
	}
	r.watchQuota(p, &result)
	if p.req.Origin != nil {
		out := Outcome{Kind: Write, Op: p.req.Op, Session: session, Cxid: p.req.Cxid, Zxid: p.zxid, Err: result.Err, Result: &result}
		r.tell(p.req.Origin, &out)
	}
	if p.req.Op == zk.OpCloseSession {
		r.stats.CloseSessions.Add(1)
		r.tracker.Remove(session)
		if owner := r.owners[session]; owner != nil {
			delete(r.owners, session)
			owner.SessionClosed()
		}
	}
}

// answer tells the outcome of a request that has no txn.
func (r *Replica) answer(p *proposal) {
	if p.req.Origin == nil {
		return
	}
	out := Outcome{Kind: p.req.Kind, Op: p.req.Op, Session: p.req.Session, Cxid: p.req.Cxid, Zxid: r.tree.LastZxid(), Err: p.code}
	if p.req.Kind == Attach {
		out.Err = r.attach(&p.req)
	}
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
		r.stats.DigestMismatches.Add(1)
		r.log.Error("tree digest differs from the proposal's: this server's data is not what was agreed",
			zap.Stringer("zxid", z), zap.Uint64("want", txn.Digest.Tree), zap.Uint64("have", r.tree.Digest()),
			zap.Stringer("type", txn.Header.Type))
	}
	if z.Counter()%digestEvery == 0 {
		r.digests.add(z, r.tree.Digest())
	}
}

// flush sends what the batch has queued. A few connections are served on the spot, which saves a
// lone client a thread hand-off; more are spread over the pool, so that the next batch can begin.
func (r *Replica) flush() {
	const onTheSpot = 2
	if len(r.dirty) <= onTheSpot {
		for _, f := range r.dirty {
			f.Flush()
		}
	} else {
		r.flushers.flush(r.dirty)
	}
	clear(r.dirty)
	r.dirty = r.dirty[:0]
}
