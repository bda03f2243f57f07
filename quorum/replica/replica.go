package replica

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/auth"
	"zkd/quorum/epoch"
	"zkd/quorum/prep"
	"zkd/quorum/session"
	"zkd/quorum/snap"
	"zkd/quorum/stats"
	"zkd/quorum/tree"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
	"zkd/quorum/watch"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// Config of a Replica. All fields are required unless they say otherwise.
type Config struct {
	ID   zk.ServerID
	View zk.View

	FS              vfs.FS
	SnapDir, LogDir string // the version-2 directories

	Tick          time.Duration
	MaxTxnBytes   int
	ExtendedTypes bool
	EnforceQuota  bool

	SnapCount           int
	SnapSizeBytes       int64 // 0: no bound
	LogSizeBytes        int64 // 0: no bound
	PreallocBytes       int64
	NoForceSync         bool
	FsyncWarning        time.Duration
	SnapshotCompression string
	PurgeInterval       time.Duration // 0: never
	PurgeRetain         int
	MinFreeBytes        int64

	ReapInterval       time.Duration // 0: never
	ReapPerMinute      int
	ContainerNeverUsed time.Duration // 0: never

	Auth   *auth.Auth
	Stats  *stats.Server
	Logger *zap.Logger
	// Progress, if not nil, is called during recovery with a sentence for the operator.
	Progress func(text string)
}

// Replica is the replicated state of one server and the loop that changes it.
type Replica struct {
	cfg   Config
	log   *zap.Logger
	stats *stats.Server
	began time.Time

	lock   io.Closer
	epochs *epoch.Files
	txlog  *txlog.Log

	// mu guards tree and, with watchMu for concurrent holders of its read side, watches.
	mu      sync.RWMutex
	tree    *tree.Tree
	watchMu sync.Mutex
	watches *watch.Manager[Watcher]

	intake intake
	calls  chan func()   // run by the loop
	stop   chan struct{} // closed by Stop
	quit   atomic.Bool   // the loop is to end: what runs beside it is given up
	done   chan struct{} // closed when the loop has ended
	err    error         // why the loop ended by itself; set before done is closed

	// turn is held by whoever acts as the loop: its goroutine, or a caller of Submit. It guards all of
	// this group. Taken before mu.
	turn                       sync.Mutex
	ended                      bool // files are closed, or about to be
	leader                     *zab.Leader
	prep                       *prep.Prep
	tracker                    *session.Tracker
	owners                     map[zk.SessionID]Owner
	inflight                   []proposal
	head                       int   // first of inflight that is not delivered
	batchBytes, uncheckedBytes int64 // encoded since the last sync, and since the last look at the disk
	encoded                    []byte
	requests                   []Request
	events                     []tree.Event
	notice                     Notice
	told                       int64         // watchers that got notice
	tellWatcher                func(Watcher) // notify, bound once so that firing does not allocate
	view                       View
	dirty                      []Flusher
	quotaSaid                  map[string]time.Time // when which quota was last complained about
	nextID                     zk.SessionID
	expired                    []zk.SessionID
	lastTick                   time.Time
	nextReap                   time.Time
	random                     *rand.Rand
	snapAt                     snapTrigger
	snapping                   bool                 // a snapshot or a purge is under way
	rolledBytes                int64                // of log files that were ended since the last snapshot
	whole                      map[string]snap.Info // snapshots this process has read to their end; of the goroutine that saves
	nextPurge                  time.Time
	snapDone                   chan snapResult
	waiting                    []chan<- snapResult // who asked for a snapshot
	flushers                   flushPool
	diskLow                    bool

	// Read by others.
	stalledMillis atomic.Int64 // how long the loop stood still in all: not counted against sessions
	lastProgress  atomic.Int64 // unix nanoseconds
	fsyncSince    atomic.Int64 // unix nanoseconds, 0 when none runs
	diskLowFlag   atomic.Bool
	snapZxid      atomic.Int64
	snapTime      atomic.Int64 // unix nanoseconds
	snapBusy      atomic.Bool
	digests       digestLog
	recovery      Recovery
}

// ErrStopped says that the replica has been stopped.
var ErrStopped = errors.New("replica: stopped")

// Start recovers the state from disk, begins an epoch and starts the loop. Errors say which file is
// at fault and what to do; nothing is lost by trying again.
func Start(cfg Config) (*Replica, error) {
	r := &Replica{
		cfg: cfg, log: cfg.Logger, stats: cfg.Stats, began: time.Now(),
		watches:  watch.NewManager[Watcher](),
		calls:    make(chan func()),
		stop:     make(chan struct{}),
		done:     make(chan struct{}),
		owners:   make(map[zk.SessionID]Owner),
		snapDone: make(chan snapResult, 1),
		whole:    make(map[string]snap.Info),
		random:   rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
	r.view, r.tellWatcher = View{r}, r.notify
	r.intake.wake = make(chan struct{}, 1)
	if r.log == nil {
		r.log = zap.NewNop()
	}
	if err := r.recover(); err != nil {
		r.closeFiles()
		return nil, err
	}
	if err := r.lead(); err != nil {
		r.closeFiles()
		return nil, err
	}
	r.flushers.start()
	go r.run()
	return r, nil
}

// lead begins a new epoch over the recovered history. Alone, this server is the quorum that accepts
// the epoch and adopts the history.
func (r *Replica) lead() error {
	if r.cfg.View.QuorumSize() != 1 || !r.cfg.View.Contains(r.cfg.ID) {
		return fmt.Errorf("replica: server %d alone is no quorum of %v", r.cfg.ID, r.cfg.View.Voters())
	}
	next, ok := zab.NextEpoch(r.txlog.Last(), r.epochs.Accepted(), r.epochs.Current(), r.tree.LastZxid().Epoch())
	if !ok {
		return fmt.Errorf("replica: all epochs are spent (epoch %d)", r.epochs.Accepted())
	}
	// The history is durable: it was read from disk. Then the epoch may be.
	if err := r.epochs.SetAccepted(next); err != nil {
		return err
	}
	if err := r.epochs.SetCurrent(next); err != nil {
		return err
	}
	r.leader = zab.NewLeader(r.cfg.View, next)
	r.tree.SetLastZxid(r.leader.Last())
	r.prep = prep.New(r.tree, r.cfg.Auth, prep.Config{
		ExtendedTypes: r.cfg.ExtendedTypes, EnforceQuota: r.cfg.EnforceQuota,
		MaxTxnBytes: r.cfg.MaxTxnBytes, DigestEnabled: true, ContainerNeverUsedMillis: r.cfg.ContainerNeverUsed.Milliseconds(),
	})
	r.tracker = session.NewTracker(r.cfg.Tick.Milliseconds())
	now := r.NowMillis()
	for id, timeout := range r.tree.Sessions() {
		r.tracker.Add(id, timeout, now) // every known session gets a full timeout
	}
	r.nextID = session.FirstID(r.cfg.ID, time.Now().UnixMilli())
	r.snapAt = r.newSnapTrigger()
	r.removeOrphans()
	r.lastTick = time.Now()
	r.nextReap = r.lastTick.Add(r.cfg.ReapInterval)
	r.nextPurge = r.lastTick // what another program has left is looked at soon
	r.lastProgress.Store(r.lastTick.UnixNano())
	r.checkDisk()
	r.log.Info("leading", zap.Int64("epoch", int64(next)), zap.Stringer("zxid", r.tree.LastZxid()),
		zap.Int("znodes", r.tree.NodeCount()), zap.Int("sessions", r.tree.SessionCount()))
	return nil
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

// NowMillis is the clock of sessions: milliseconds, at least 1, without the time in which the loop
// stood still, since no session grows older while the server itself was stalled. What was heard while it
// stood still seems later than it was, by as much as that at most.
func (r *Replica) NowMillis() int64 {
	return time.Since(r.began).Milliseconds() + 1 - r.stalledMillis.Load()
}

// Submit hands in requests, in order: callers bound what they have outstanding. requests is copied;
// what it points to must stay unchanged until the outcome. If nobody has the turn the caller takes it
// and carries the batch to its end, so that a lone client costs no hand-over to another thread; else
// Submit does not block.
func (r *Replica) Submit(requests []Request) {
	r.intake.add(requests)
	if !r.turn.TryLock() {
		// Whoever has the turn may have looked before these came.
		r.intake.signal()
		return
	}
	if !r.ended && r.err == nil {
		r.batch()
		r.lastProgress.Store(time.Now().UnixNano())
	}
	failed := r.err != nil
	r.turn.Unlock()
	if failed || r.intake.len() > 0 {
		r.intake.signal()
	}
}

// Done is closed when the loop has ended; Err then says why.
func (r *Replica) Done() <-chan struct{} { return r.done }

// Err returns nil after Stop, else what ended the loop. Valid once Done is closed.
func (r *Replica) Err() error { return r.err }

// Stop ends the loop after the batch at work, makes the log durable and closes all files. Requests
// that are still queued get no answer: to their clients that is a lost connection.
func (r *Replica) Stop() error {
	r.quit.Store(true)
	select {
	case <-r.stop:
	default:
		close(r.stop)
	}
	<-r.done
	return r.err
}

// Call runs f as the loop, between batches, and waits for it. ErrStopped says that the loop has ended
// and f was not run.
func (r *Replica) Call(f func()) error {
	finished := make(chan struct{})
	select {
	case r.calls <- func() { f(); close(finished) }:
	case <-r.done:
		return ErrStopped
	}
	select {
	case <-finished:
		return nil
	case <-r.done: // the loop has failed between taking f and its turn, or has run f in its last one
	}
	select {
	case <-finished:
		return nil
	default:
		return ErrStopped
	}
}

// run is the loop: it takes a turn whenever something is due that nobody does on the spot.
func (r *Replica) run() {
	defer close(r.done)
	ticker := time.NewTicker(r.cfg.Tick)
	defer ticker.Stop()
	for ended := false; !ended; {
		var work func()
		saved := false
		select {
		case <-r.intake.wake:
			work = r.batch
		case <-ticker.C:
			work = r.tick
		case work = <-r.calls:
		case res := <-r.snapDone:
			work, saved = func() { r.snapshotDone(res) }, true
		case <-r.stop:
			work = func() { r.ended = true }
		}
		r.turn.Lock()
		if r.err == nil || saved { // end would wait for a result that is taken already
			work()
		}
		if r.lastProgress.Store(time.Now().UnixNano()); r.err != nil {
			r.ended = true
		}
		if ended = r.ended; ended {
			r.end()
		}
		r.turn.Unlock()
	}
}

// end waits for what runs beside the loop, which gives up soon, and closes the files. The loop takes no further turn.
func (r *Replica) end() {
	if r.snapping {
		r.snapshotDone(<-r.snapDone)
	}
	r.flushers.stop()
	if err := r.closeFiles(); err != nil && r.err == nil {
		r.err = err
	}
}

func (r *Replica) closeFiles() error {
	var errs []error
	if r.txlog != nil {
		errs = append(errs, r.txlog.Close())
	}
	if r.lock != nil {
		errs = append(errs, r.lock.Close())
	}
	return errors.Join(errs...)
}

// fail ends the loop: a log that cannot be written takes the server out of service (R22).
func (r *Replica) fail(err error) {
	if r.err == nil {
		r.err = err
		r.quit.Store(true)
		r.stats.UnrecoverableErrors.Add(1)
		r.log.Error("replica ends", zap.Error(err))
	}
}
