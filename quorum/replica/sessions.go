package replica

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/prep"
	"zkd/quorum/session"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// newSessionID takes the next id that no session has.
func (r *Replica) newSessionID() zk.SessionID {
	for {
		id := r.nextID
		r.nextID = session.NextID(r.nextID)
		if _, taken := r.tree.SessionTimeout(id); !taken && (r.role != leading || !r.tracker.Has(id)) {
			return id
		}
	}
}

// enqueue adds a request of the server's own for the loop's next turn.
func (r *Replica) enqueue(req Request) {
	r.intake.add([]Request{req})
	r.intake.signal()
}

// holder is who keeps a session alive: a connection of this server, or a learner over its link.
type holder struct {
	conn  Owner      // nil if it is not held here
	link  zab.LinkID // 0 if no learner holds it
	heard int64      // when the learner last heard of it, in the milliseconds of NowMillis
}

// holder returns the holder of a session, a new one if there was none.
func (r *Replica) holder(id zk.SessionID) *holder {
	h := r.owners[id]
	if h == nil {
		h = new(holder)
		r.owners[id] = h
	}
	return h
}

// own gives a session to who asked for it.
func (r *Replica) own(id zk.SessionID, req *Request) {
	switch {
	case req.Owner != nil:
		*r.holder(id) = holder{conn: req.Owner}
	case req.link != 0:
		*r.holder(id) = holder{link: req.link, heard: r.NowMillis()}
	}
}

// moved reports whether the session of a client's request is held by somebody else by now. What the old
// holder had on its way must not be done: the client has given it up, and may have done the same, or the
// opposite, through the new one. Who first uses a session that nobody holds, holds it.
func (r *Replica) moved(req *Request) bool {
	if req.Origin == nil && req.link == 0 {
		return false
	}
	switch h := r.owners[req.Session]; {
	case h == nil || h.conn == nil && h.link == 0:
		if req.link != 0 {
			r.holder(req.Session).link = req.link
		}
		return false
	case req.link != 0:
		return h.link != req.link
	default:
		return any(h.conn) != any(req.Origin)
	}
}

// attach gives an existing session to who asks for it.
func (r *Replica) attach(req *Request) zk.Code {
	if !r.tracker.Has(req.Session) || r.tracker.IsClosing(req.Session) {
		return zk.ErrSessionExpired
	}
	r.stats.Revalidations.Add(1)
	r.tracker.Add(req.Session, req.TimeoutMillis, r.NowMillis())
	r.own(req.Session, req)
	return zk.OK
}

// stoodStill takes note that the loop did not run: no session grows older meanwhile, and what was true
// before may not be any more.
func (r *Replica) stoodStill(gap time.Duration) {
	if gap > 2*r.cfg.Tick {
		r.stalledMillis.Add(gap.Milliseconds())
		r.pinged = min(r.pinged, r.NowMillis()) // it may have answered a PING by the clock that was
		r.log.Warn("the server stood still: sessions get that much more time", zap.Duration("stalled", gap))
	}
	r.doubt()
}

// chores does what is due by time, once a tick: expiry, reaping, a look at the disk.
func (r *Replica) chores(now time.Time) {
	if r.role == leading && r.active {
		r.expireSessions()
		if r.cfg.ReapInterval > 0 && !now.Before(r.nextReap) {
			r.nextReap = now.Add(r.cfg.ReapInterval)
			r.reap(now)
		}
	}
	r.maybePurge(now)
	r.checkDisk()
	if r.diskOut.Load() && (r.role == learning || r.mayHandOver() == nil) {
		r.endRole("disk nearly full", r.cfg.LogDir)
	}
}

func (r *Replica) expireSessions() {
	r.expired = r.tracker.Expire(r.NowMillis(), func(id zk.SessionID) int64 {
		switch h := r.owners[id]; {
		case h == nil:
			return 0
		case h.conn != nil:
			return h.conn.LastHeardMillis()
		default:
			return h.heard
		}
	}, r.expired[:0])
	for _, id := range r.expired {
		r.stats.SessionsExpired.Add(1)
		r.log.Info("session expired", zap.Stringer("session", id))
		r.enqueue(Request{Request: prep.Request{Session: id, Op: zk.OpCloseSession}})
	}
}

// reap proposes to delete the containers and TTL znodes that are due; prep looks again when the
// request's turn comes.
func (r *Replica) reap(now time.Time) {
	most := int(float64(r.cfg.ReapPerMinute) * max(r.cfg.ReapInterval, time.Second).Minutes())
	for _, path := range r.tree.ReapCandidates(now.UnixMilli(), r.cfg.ContainerNeverUsed.Milliseconds(), max(most, 1)) {
		body := appendPath(path)
		r.enqueue(Request{Request: prep.Request{Op: zk.OpDeleteContainer, Body: body}})
	}
}

// checkDisk refuses writes while the disk is nearly full, in time for those already logged.
func (r *Replica) checkDisk() {
	free, err := r.cfg.FS.FreeBytes(r.cfg.LogDir)
	if err != nil {
		return // a file system that cannot tell is not full
	}
	r.stats.DiskFreeBytes.Set(free)
	low := free < r.cfg.MinFreeBytes
	// A follower cannot refuse what its leader sends. It leaves with half of that left, and comes back when
	// all of it is there again.
	r.diskOut.Store(free < r.cfg.MinFreeBytes/2 || low && r.diskOut.Load())
	if low == r.diskLow {
		return
	}
	r.diskLow = low
	r.diskLowFlag.Store(low)
	if low {
		r.log.Error("disk nearly full: writes are refused until there is room, reads go on",
			zap.String("dir", r.cfg.LogDir), zap.Int64("free_bytes", free), zap.Int64("needed_bytes", r.cfg.MinFreeBytes))
	} else {
		r.log.Info("disk has room again: writes are served", zap.Int64("free_bytes", free))
	}
}

// removeOrphans closes, by a txn, each session that owns ephemerals but is not in the session table:
// what bugs of other servers may have left behind is never removed in silence (design: no local repair).
func (r *Replica) removeOrphans() {
	for owner := range r.tree.EphemeralOwners() {
		if _, ok := r.tree.SessionTimeout(owner); !ok {
			r.log.Warn("ephemeral znodes of an unknown session: closing it", zap.Stringer("session", owner))
			r.enqueue(Request{Request: prep.Request{Session: owner, Op: zk.OpCloseSession}})
		}
	}
}

// CloseSession proposes the end of a session, as its client or an operator asks.
func (r *Replica) CloseSession(id zk.SessionID) error {
	r.mu.RLock()
	_, ok := r.tree.SessionTimeout(id)
	r.mu.RUnlock()
	if !ok {
		return fmt.Errorf("no session %v", id)
	}
	if e := r.Ensemble(); !e.Leading && r.cfg.Peers != nil {
		return fmt.Errorf("%w: sessions are ended by the leader, server %d", ErrNotLeading, e.Leader)
	}
	r.enqueue(Request{Request: prep.Request{Session: id, Op: zk.OpCloseSession}})
	return nil
}
