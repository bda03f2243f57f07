package replica

import (
	"slices"
	"sync"
	"time"

	"zkd/quorum/election"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// digestEvery and digestKeep shape the list that the hash command shows, as in ZooKeeper: one entry
// per 128 txns, the newest 1024.
const (
	digestEvery = 128
	digestKeep  = 1024
)

// DigestAt is the tree's digest at a zxid.
type DigestAt struct {
	Zxid   zk.Zxid
	Digest uint64
}

// digestLog is a ring of the newest digests.
type digestLog struct {
	mu   sync.Mutex
	ring []DigestAt
	next int
}

func (l *digestLog) add(z zk.Zxid, digest uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ring) < digestKeep {
		l.ring = append(l.ring, DigestAt{z, digest})
		return
	}
	l.ring[l.next] = DigestAt{z, digest}
	l.next = (l.next + 1) % digestKeep
}

// Digests returns the digests kept, oldest first.
func (r *Replica) Digests() []DigestAt {
	l := &r.digests
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(slices.Clone(l.ring[l.next:]), l.ring[:l.next]...)
}

// Status is a picture of the replica.
type Status struct {
	Epoch         zk.Epoch
	Applied       zk.Zxid
	Logged        zk.Zxid
	Digest        uint64
	Znodes        int
	DataBytes     int64
	Ephemerals    int
	Sessions      int
	Watches       int
	WatchedPaths  int
	SnapshotZxid  zk.Zxid
	SnapshotTime  time.Time
	SnapshotBusy  bool
	DiskLow       bool
	LastProgress  time.Time
	InFsyncSince  time.Time // zero if none runs
	Recovery      Recovery
	QueuedForLoop int
}

// Status returns the picture of now. It waits for no disk.
func (r *Replica) Status() Status {
	s := Status{
		SnapshotZxid: zk.Zxid(r.snapZxid.Load()), SnapshotTime: time.Unix(0, r.snapTime.Load()),
		SnapshotBusy: r.snapBusy.Load(), DiskLow: r.diskLowFlag.Load(),
		LastProgress: time.Unix(0, r.lastProgress.Load()), Recovery: r.recovery.get(), QueuedForLoop: r.intake.len(),
	}
	if since := r.fsyncSince.Load(); since != 0 {
		s.InFsyncSince = time.Unix(0, since)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	s.Applied = r.tree.LastZxid()
	s.Epoch = s.Applied.Epoch()
	s.Logged = r.txlog.Durable()
	s.Digest = r.tree.Digest()
	s.Znodes = r.tree.NodeCount()
	s.DataBytes = r.tree.DataBytes()
	s.Ephemerals = r.tree.EphemeralCount()
	s.Sessions = r.tree.SessionCount()
	r.watchMu.Lock()
	defer r.watchMu.Unlock()
	s.Watches, s.WatchedPaths, _ = r.watches.Counts()
	return s
}

// DataWatches returns a copy of who watches what in the data table.
func (r *Replica) DataWatches() map[string][]Watcher {
	r.mu.RLock()
	defer r.mu.RUnlock()
	r.watchMu.Lock()
	defer r.watchMu.Unlock()
	table := make(map[string][]Watcher)
	for path, ws := range r.watches.ByPath() {
		table[path] = slices.Clone(ws)
	}
	return table
}

// WatchSummary returns what wchs counts: data watches only.
func (r *Replica) WatchSummary() (watchers, paths, watches int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	r.watchMu.Lock()
	defer r.watchMu.Unlock()
	watches, paths, watchers = r.watches.DataCounts()
	return watchers, paths, watches
}

// Ensemble is the part of a replica in its ensemble, as it was at the last tick or change of role.
type Ensemble struct {
	Term     Term
	Leading  bool
	Learning bool
	Serving  bool
	Leader   zk.ServerID // who was elected last
	Epoch    zk.Epoch    // of the role, 0 while not known
	Since    time.Time   // of the role, or of its end
	// Ended says why the last role ended, "" before the first has.
	Ended string

	// Of a leader: its newest proposal, and its learners.
	Proposed zk.Zxid
	Learners []zab.LearnerStatus
	// Of a learner: the newest txn it has heard of.
	Received zk.Zxid
	// Sync says how a learner takes over the history: 0 if it does not.
	Sync      zab.SyncMode
	SyncTxns  int64
	SyncBytes int64 // of a snapshot
	// DiskOut says that there is too little room to follow anybody.
	DiskOut bool
}

// Ensemble returns the picture of the last tick.
func (r *Replica) Ensemble() Ensemble {
	if p := r.picture.Load(); p != nil {
		return *p
	}
	return Ensemble{Since: r.began}
}

// Election says how the election stands.
func (r *Replica) Election() election.Status { return r.elector.status() }

func (r *Replica) takePicture() {
	r.setGauges()
	e := Ensemble{
		Term: r.term, Leading: r.role == leading, Learning: r.role == learning, Serving: r.active, Leader: r.leaderID(),
		Since: r.roleBegan, DiskOut: r.diskOut.Load(),
	}
	if r.last.reason != "" {
		e.Ended = string(r.last.reason)
		if r.last.detail != "" {
			e.Ended += ": " + r.last.detail
		}
	}
	switch r.role {
	case leading:
		e.Epoch, e.Proposed, e.Learners = r.leader.Epoch(), r.leader.Last(), r.leader.Learners()
	case learning:
		e.Epoch, e.Received = r.learner.Epoch(), r.learner.Received()
		e.Sync, e.SyncTxns = r.staging.mode, r.staging.txns
		if r.staging.mode == zab.Snap {
			e.SyncBytes = r.stats.SyncBytes.Load()
		}
	default:
		e.Since = r.last.at
		if e.Since.IsZero() {
			e.Since = r.began
		}
	}
	r.picture.Store(&e)
}

// Expiry is the sessions that end together unless they are heard of.
type Expiry struct {
	At       time.Time
	Sessions []zk.SessionID
}

// Expiries returns all sessions by the time at which they will be looked at.
func (r *Replica) Expiries() (all []Expiry, err error) {
	err = r.Call(func() {
		if r.role != leading || !r.active {
			return // a leader decides
		}
		now, clock := time.Now(), r.NowMillis()
		for at, ids := range r.tracker.Buckets() {
			all = append(all, Expiry{now.Add(time.Duration(at-clock) * time.Millisecond), slices.Clone(ids)})
		}
	})
	return all, err
}
