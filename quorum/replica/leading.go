package replica

import (
	"fmt"
	"io"
	"sync"

	"go.uber.org/zap"

	"zkd/quorum/jute"
	"zkd/quorum/prep"
	"zkd/quorum/proto"
	"zkd/quorum/snap"
	"zkd/quorum/tree"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

const (
	// backlogBytes bounds the txns that are held back for one learner while it syncs.
	backlogBytes = 32 << 20
	// pendingBytes bounds what a leader may send to this learner before the sync has ended.
	pendingBytes = 64 << 20
)

// leaderState is what only a leader has.
type leaderState struct {
	incoming []Request  // to be proposed in this turn
	inflight []proposal // in the order of proposals
	head     int        // first of inflight that is not delivered
	batch    []zab.Txn
	slab     []byte // where txns are encoded; those in flight are views of it, or of earlier ones

	barrierState
	owed map[zab.LinkID]int64 // see owe
}

// actLeader does an action of a leader.
func (r *Replica) actLeader(a zab.Action) {
	switch a := a.(type) {
	case zab.Deliver:
		made := madeAt(a.Txns[0].Data)
		r.age(r.stats.QuorumAckMillis.Observe, made)
		r.deliver(a.Txns[len(a.Txns)-1].Zxid)
		r.age(r.stats.PropagationMillis.Observe, made)
	case zab.Close:
		if l := r.links[a.Link]; l != nil {
			r.log.Warn("learner is let go", zap.Int64("peer", int64(a.Server)), zap.String("reason", string(a.Reason)), zap.String("detail", a.Detail))
			r.unlink(a.Link)
		}
	case zab.StreamTxns:
		r.streamTxns(a)
	case zab.StreamSnapshot:
		r.streamSnapshot(a)
	case zab.Forward:
		for i := range a.Packets {
			if r.links[a.Link] == nil {
				return // let go for what stood before
			}
			if err := r.takeForward(a.Link, &a.Packets[i]); err != nil {
				r.log.Warn("learner is let go: its request cannot be taken in", zap.Int64("peer", int64(a.Server)), zap.Error(err))
				r.unlink(a.Link)
				r.step(zab.LinkDown{Link: a.Link})
				return
			}
		}
	case zab.Touch:
		r.touch(a.Link, a.Data)
	case zab.BarrierDone:
		r.barrierDone(a.ID)
	case zab.UpToDate:
		r.log.Info("learner is up to date", zap.Int64("peer", int64(a.Server)), zap.Bool("observer", a.Observer))
	default:
		panic(fmt.Sprintf("replica: unknown action %T of a leader", a))
	}
}

// send queues packets on links.
func (r *Replica) send(a zab.Send) {
	if r.role == learning {
		r.sendUp(a.Packets...)
		return
	}
	for _, id := range a.To {
		if l := r.links[id]; l != nil {
			l.Send(a.Packets...) // one that cannot take them ends, and says so
			r.flushLater(l)
		}
	}
}

func (r *Replica) flushLater(l *memberLink) {
	if !l.unflushed {
		l.unflushed = true
		r.unflushed = append(r.unflushed, l)
	}
}

// streamTxns sends a part of the committed log, read from the disk on the link's own goroutine.
func (r *Replica) streamTxns(a zab.StreamTxns) {
	l := r.links[a.Link]
	if l == nil {
		return
	}
	if a.After < r.history.floor { // it was raised since the sync began: what is missing would not be missed
		r.log.Warn("learner is let go: the log that it needs has gone meanwhile", zap.Int64("peer", int64(l.server)),
			zap.Stringer("after", a.After), zap.Stringer("floor", r.history.floor))
		r.unlink(a.Link)
		r.step(zab.LinkDown{Link: a.Link})
		return
	}
	r.log.Info("sending the log to a learner", zap.Int64("peer", int64(l.server)), zap.Stringer("after", a.After), zap.Stringer("upto", a.Upto))
	r.stats.DiffsSent.Add(1)
	l.streaming = true
	runs := r.history.between(a.After, a.Upto)
	l.Stream(func(w io.Writer) error { return r.writeTxns(w, runs) })
	r.flushLater(l)
}

// unreadable says that the own log does not give a record that the history counts on. The link that wanted it
// has no part in that.
type unreadable struct {
	zxid zk.Zxid
	err  error
}

func (e *unreadable) Error() string { return fmt.Sprintf("replica: own log at %v: %v", e.zxid, e.err) }
func (e *unreadable) Unwrap() error { return e.err }

// writeTxns writes a PROPOSAL and a COMMIT for each record of runs. A purge may have removed some since they
// were looked up, and a txn behind a gap could be the first of its epoch: so each must be the one that was.
// An error of reading is an [*unreadable]; any other is of w.
func (r *Replica) writeTxns(w io.Writer, runs []run) error {
	if len(runs) == 0 {
		return nil
	}
	reader, err := r.txlog.Read(runs[0].first)
	if err != nil {
		return &unreadable{runs[0].first, err}
	}
	defer reader.Close()
	var buf []byte
	for _, u := range runs {
		for want := u.first; want <= u.last; want++ {
			z, payload, err := reader.Next()
			if err == nil && z != want {
				err = fmt.Errorf("it goes on with %v", z)
			}
			if err != nil {
				return &unreadable{want, err}
			}
			proposal := proto.QuorumPacket{Type: proto.PacketProposal, Zxid: z, Data: payload}
			commit := proto.QuorumPacket{Type: proto.PacketCommit, Zxid: z}
			buf = commit.Append(proposal.Append(buf[:0]))
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
	}
	return nil
}

// snapshotStream is a frozen tree on its way to a learner. It is released once, by whoever is last: the
// stream, or, if the link ends before that began, the link.
type snapshotStream struct {
	mu      sync.Mutex
	view    *tree.View
	writing bool
}

// abandon releases the tree unless it is being written.
func (s *snapshotStream) abandon(r *Replica) {
	s.mu.Lock()
	view := s.view
	if s.writing {
		view = nil
	} else {
		s.view = nil
	}
	s.mu.Unlock()
	if view != nil {
		r.mu.Lock()
		view.Release()
		r.mu.Unlock()
	}
}

// write writes the tree, unless it was abandoned.
func (s *snapshotStream) write(r *Replica, w io.Writer) error {
	s.mu.Lock()
	view := s.view
	s.writing = view != nil
	s.mu.Unlock()
	if view == nil {
		return ErrStopped
	}
	defer func() {
		s.mu.Lock()
		s.writing = false
		s.mu.Unlock()
		s.abandon(r)
	}()
	return snap.WriteStream(w, view, (&giveWay{r: r}).step)
}

// streamSnapshot sends the tree as it is now. Freezing it is all that holds up writes.
func (r *Replica) streamSnapshot(a zab.StreamSnapshot) {
	l := r.links[a.Link]
	if l == nil {
		return
	}
	if !r.active { // later the tree is where it should be, and the log may reach beyond what is committed
		if r.catchUp(); r.err != nil {
			return
		}
	}
	r.mu.Lock()
	// At the start of a reign the tree may say e<<32 already, or still the end of the last.
	s := &snapshotStream{view: r.tree.Freeze()}
	r.mu.Unlock()
	r.log.Info("sending a snapshot to a learner", zap.Int64("peer", int64(l.server)), zap.Stringer("zxid", a.At), zap.Int("znodes", r.tree.NodeCount()))
	r.stats.SnapsSent.Add(1)
	l.stream, l.streaming = s, true
	l.Stream(func(w io.Writer) error { return s.write(r, w) })
	r.flushLater(l)
}

// takeForward takes in a REQUEST or REVALIDATE of a live learner.
func (r *Replica) takeForward(link zab.LinkID, p *proto.QuorumPacket) error {
	d := jute.NewDecoder(p.Data)
	if p.Type == proto.PacketRevalidate {
		var t proto.SessionTouch
		if t.Decode(&d); d.Err() != nil {
			return d.Err()
		}
		r.stats.SessionsRevalidated.Add(1)
		return r.owe(Request{
			Request: prep.Request{Session: t.Session, TimeoutMillis: t.TimeoutMillis}, Kind: Attach, link: link,
		})
	}
	var f proto.ForwardedRequest
	f.Decode(&d)
	if d.Err() != nil {
		return d.Err()
	}
	req := Request{Request: prep.Request{Session: f.Session, Cxid: f.Cxid, Op: f.Op, Body: f.Body, IDs: p.AuthInfo}, link: link}
	switch f.Op {
	case zk.OpSync:
		req.Kind = Barrier
	case zk.OpCreateSession:
		timeout := jute.NewDecoder(f.Body)
		req.TimeoutMillis = timeout.Int()
		if timeout.Err() != nil {
			return timeout.Err()
		}
	}
	return r.owe(req)
}

// touch takes in of which sessions a learner has heard.
func (r *Replica) touch(link zab.LinkID, data []byte) {
	now := r.NowMillis()
	for d := jute.NewDecoder(data); d.Len() >= proto.SessionTouchBytes; {
		var t proto.SessionTouch
		t.Decode(&d)
		if r.tracker.Has(t.Session) {
			r.holder(t.Session).heard = now
		}
	}
}

// catchUp applies what the log holds beyond the tree: what a leader begins with is its history.
func (r *Replica) catchUp() {
	if r.tree.LastZxid() >= r.txlog.Last() {
		return
	}
	r.mu.Lock()
	err := r.applyLog()
	r.mu.Unlock()
	if err != nil {
		r.fail(err)
	}
}
