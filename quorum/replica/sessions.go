package replica

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/prep"
	"zkd/quorum/session"
	"zkd/quorum/zk"
)

// newSessionID takes the next id that no session has.
func (r *Replica) newSessionID() zk.SessionID {
	for {
		id := r.nextID
		r.nextID = session.NextID(r.nextID)
		if _, taken := r.tree.SessionTimeout(id); !taken && !r.tracker.Has(id) {
			return id
		}
	}
}

// enqueue adds a request of the server's own for the loop's next turn.
func (r *Replica) enqueue(req Request) {
	r.intake.add([]Request{req})
	r.intake.signal()
}

func (r *Replica) own(id zk.SessionID, owner Owner) {
	if owner != nil {
		r.owners[id] = owner
	}
}

// moved reports whether the session of a client's request is held by another connection by now. What
// the old one had on its way must not be done: the client has given it up, and may have done the same,
// or the opposite, through the new one.
func (r *Replica) moved(req *Request) bool {
	owner := r.owners[req.Session]
	return req.Origin != nil && owner != nil && any(owner) != any(req.Origin)
}

// attach gives an existing session to a new connection.
func (r *Replica) attach(req *Request) zk.Code {
	if !r.tracker.Has(req.Session) || r.tracker.IsClosing(req.Session) {
		return zk.ErrSessionExpired
	}
	r.stats.Revalidations.Add(1)
	r.tracker.Add(req.Session, req.TimeoutMillis, r.NowMillis())
	r.own(req.Session, req.Owner)
	return zk.OK
}

// tick does what is due by time: expiry, reaping, a look at the disk.
func (r *Replica) tick() {
	now := time.Now()
	if gap := now.Sub(r.lastTick); gap > 2*r.cfg.Tick {
		r.stalledMillis.Add(gap.Milliseconds())
		r.log.Warn("the server stood still: sessions get that much more time", zap.Duration("stalled", gap))
	}
	r.lastTick = now
	r.expireSessions()
	if r.cfg.ReapInterval > 0 && !now.Before(r.nextReap) {
		r.nextReap = now.Add(r.cfg.ReapInterval)
		r.reap(now)
	}
	r.maybePurge(now)
	r.checkDisk()
}

func (r *Replica) expireSessions() {
	r.expired = r.tracker.Expire(r.NowMillis(), func(id zk.SessionID) int64 {
		if owner := r.owners[id]; owner != nil {
			return owner.LastHeardMillis()
		}
		return 0
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

// CloseSession proposes the end of a session, as its client or an operator asks.
func (r *Replica) CloseSession(id zk.SessionID) error {
	r.mu.RLock()
	_, ok := r.tree.SessionTimeout(id)
	r.mu.RUnlock()
	if !ok {
		return fmt.Errorf("no session %v", id)
	}
	r.enqueue(Request{Request: prep.Request{Session: id, Op: zk.OpCloseSession}})
	return nil
}
