package replica

import (
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/auth"
	"zkd/quorum/election"
	"zkd/quorum/epoch"
	"zkd/quorum/prep"
	"zkd/quorum/session"
	"zkd/quorum/snap"
	"zkd/quorum/stats"
	"zkd/quorum/tree"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
	"zkd/quorum/watch"
	"zkd/quorum/zk"
)

// Config of a Replica. All fields are required unless they say otherwise.
type Config struct {
	ID zk.ServerID

	// Peers reach the other members; nil for a server that stands alone, and then the rest of this
	// group is not needed.
	Peers                Peers
	Members              election.Members
	Observer             bool
	ConfigVersion        int64
	ConfigText           string
	InitLimit, SyncLimit int // ticks

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
	// Now is the clock; nil is time.Now. Seed seeds what is random; 0 is a seed of its own.
	Now  func() time.Time
	Seed uint64
	// manual leaves it to a [Manual] when what is done: nothing runs by itself.
	manual bool
}

// Replica is the replicated state of one server and the loop that changes it.
type Replica struct {
	cfg   Config
	log   *zap.Logger
	stats *stats.Server
	began time.Time

	lock    io.Closer
	epochs  *epoch.Files
	txlog   *txlog.Log
	elector *elector // nil alone

	// mu guards tree, serving and, with watchMu for concurrent holders of its read side, watches. What
	// it guards is changed by who has the turn only.
	mu      sync.RWMutex
	tree    *tree.Tree
	serving Term // the role whose clients are served, 0 for none
	watchMu sync.Mutex
	watches *watch.Manager[Watcher]

	intake  intake
	calls   chan func()   // run by the loop
	syncNow chan struct{} // holds a token when the syncer has work
	over    chan struct{} // holds a token when a role has ended
	stop    chan struct{} // closed by Stop
	failed  chan struct{} // closed by fail
	ending  chan struct{} // closed by end: what runs beside the loop ends
	quit    atomic.Bool   // the loop is to end: what runs beside it is given up
	done    chan struct{} // closed when the loop has ended
	err     error         // why the loop ended by itself; set before done is closed
	running sync.WaitGroup
	besides sync.WaitGroup // work of a role that goes on beside the loop
	saving  sync.Mutex     // held by who writes or removes snapshots beside the loop
	// saveNumber changes when what is being saved is not wanted any more.
	saveNumber atomic.Int64

	// turn is held by whoever acts as the loop. It guards all of this group. Taken before mu.
	turn sync.Mutex
	roleState
	history history
	measures
	ended                      bool // files are closed, or about to be
	syncing                    bool // somebody syncs the log without the turn
	prep                       *prep.Prep
	tracker                    *session.Tracker
	owners                     map[zk.SessionID]*holder
	batchBytes, uncheckedBytes int64 // encoded since the last sync, and since the last look at the disk
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
	nextChores                 time.Time
	nextReap                   time.Time
	random                     *rand.Rand
	snapAt                     snapTrigger
	snapping                   bool                 // a snapshot or a purge is under way
	rolledBytes                int64                // of log files that were ended since the last snapshot
	whole                      map[string]snap.Info // snapshots this process has read to their end; of the goroutine that saves
	nextPurge                  time.Time
	snapDone                   chan snapResult
	waitingSnap                []chan<- snapResult // who asked for a snapshot
	flushers                   flushPool
	diskLow                    bool
	noRoomUntil                time.Time         // a snapshot of a leader found no room on the disk: no role before
	noRoomSaid                 time.Time         // when it was last said that there is no room for a snapshot
	jobs                       []job             // of a Manual: work that a Replica does beside the loop
	keepTree                   bool              // of a Manual, see there
	saveJob                    func() snapResult // of a Manual: work on snapshots, while snapping

	// Read by others.
	stalledMillis atomic.Int64 // how long the loop stood still in all: not counted against sessions
	lastProgress  atomic.Int64 // unix nanoseconds
	freshness     freshness
	serves        announcement // that clients are served
	fsyncSince    atomic.Int64 // unix nanoseconds, 0 when none runs
	diskLowFlag   atomic.Bool
	diskOut       atomic.Bool // too little room to follow anybody
	snapZxid      atomic.Int64
	snapTime      atomic.Int64 // unix nanoseconds
	snapBusy      atomic.Bool
	digests       digestLog
	recovery      recovery
	picture       atomic.Pointer[Ensemble]
}

// ErrStopped says that the replica has been stopped.
var ErrStopped = errors.New("replica: stopped")

// Start recovers the state from disk and starts the loop. Alone, the replica serves when Start returns;
// as a member of an ensemble it begins to look for a leader. Errors say which file is at fault and what
// to do; nothing is lost by trying again.
func Start(cfg Config) (*Replica, error) {
	r, err := open(cfg)
	if err != nil {
		return nil, err
	}
	r.flushers.start()
	r.running.Go(r.syncLoop)
	if cfg.Peers != nil {
		r.running.Go(r.takeRoles)
	} else {
		r.running.Go(r.leadOn)
	}
	go r.run()
	return r, nil
}

// open recovers the state; alone, it also begins to lead.
func open(cfg Config) (*Replica, error) {
	r := &Replica{
		cfg: cfg, log: cfg.Logger, stats: cfg.Stats,
		watches:  watch.NewManager[Watcher](),
		calls:    make(chan func()),
		syncNow:  make(chan struct{}, 1),
		over:     make(chan struct{}, 1),
		stop:     make(chan struct{}),
		failed:   make(chan struct{}),
		ending:   make(chan struct{}),
		done:     make(chan struct{}),
		owners:   make(map[zk.SessionID]*holder),
		snapDone: make(chan snapResult, 1),
		whole:    make(map[string]snap.Info),
	}
	if r.cfg.Now == nil {
		r.cfg.Now = time.Now
	}
	seed := cfg.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	r.random = rand.New(rand.NewPCG(seed, uint64(cfg.ID)))
	r.began = r.cfg.Now()
	r.saveNumber.Store(1)
	r.view, r.tellWatcher, r.history.r = View{r}, r.notify, r
	r.intake.wake = make(chan struct{}, 1)
	if r.log == nil {
		r.log = zap.NewNop()
	}
	if err := r.recover(); err != nil {
		return nil, errors.Join(err, r.closeFiles())
	}
	now := r.cfg.Now()
	r.lastTick, r.nextChores = now, now
	r.nextReap = now.Add(r.cfg.ReapInterval)
	r.nextPurge = now // what another program has left is looked at soon
	r.lastProgress.Store(now.UnixNano())
	r.nextID = session.FirstID(r.cfg.ID, now.UnixMilli())
	r.snapAt = r.newSnapTrigger()
	r.checkDisk()
	var err error
	if cfg.Peers != nil {
		if r.elector, err = newElector(r); err == nil {
			cfg.Peers.Attach(r)
		}
	} else {
		r.turn.Lock()
		r.lead(election.Elected{})
		err = r.err
		r.turn.Unlock()
	}
	if err != nil {
		return nil, errors.Join(err, r.closeFiles())
	}
	return r, nil
}

// NowMillis is the clock of sessions: milliseconds, at least 1, without the time in which the loop
// stood still, since no session grows older while the server itself was stalled. What was heard while it
// stood still seems later than it was, by as much as that at most.
func (r *Replica) NowMillis() int64 {
	return r.cfg.Now().Sub(r.began).Milliseconds() + 1 - r.stalledMillis.Load()
}

// Submit hands in requests, in order: callers bound what they have outstanding. requests is copied;
// what it points to must stay unchanged until the outcome. If nobody has the turn the caller takes it
// and carries the batch to its end, so that a lone client costs no hand-over to another thread; else
// Submit does not block.
func (r *Replica) Submit(requests []Request) {
	r.intake.add(requests)
	if r.cfg.manual {
		return
	}
	if !r.turn.TryLock() {
		// Whoever has the turn may have looked before these came.
		r.intake.signal()
		return
	}
	r.work()
	r.lastProgress.Store(time.Now().UnixNano())
	r.release(true)
	if r.intake.len() > 0 {
		r.intake.signal()
	}
}

// Done is closed when the loop has ended; Err then says why.
func (r *Replica) Done() <-chan struct{} { return r.done }

// Err returns nil after Stop, else what ended the loop. Valid once Done is closed.
func (r *Replica) Err() error { return r.err }

// Stop ends the role, makes the log durable and closes all files. Requests that are still queued get no
// answer: to their clients that is a lost connection.
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
	ticker := time.NewTicker(r.cfg.Tick / 2)
	defer ticker.Stop()
	for ended := false; !ended; {
		var work func()
		saved := false
		select {
		case <-r.intake.wake:
			work = r.work
		case <-ticker.C:
			work = r.tick
		case work = <-r.calls:
		case res := <-r.snapDone:
			work, saved = func() { r.snapshotDone(res) }, true
		case <-r.failed:
			work = func() {}
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
		ended = r.ended
		r.release(false)
	}
	r.end()
}

// end ends the role and what runs beside the loop, which gives up soon, and closes the files.
func (r *Replica) end() {
	r.quit.Store(true)
	r.turn.Lock()
	r.endRole("the server stops", "")
	switch {
	case r.snapping && r.cfg.manual:
		r.snapshotDone(snapResult{err: ErrStopped})
	case r.snapping:
		r.snapshotDone(<-r.snapDone)
	}
	r.turn.Unlock()
	close(r.ending)
	r.running.Wait()
	r.leaveRole()
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

// fail ends the role, then the loop: a log that cannot be written takes the server out of service (R22).
func (r *Replica) fail(err error) {
	if r.err == nil {
		r.err = err
		r.quit.Store(true)
		r.stats.UnrecoverableErrors.Add(1)
		r.log.Error("replica ends", zap.Error(err))
		r.endRole("the disk failed", err.Error())
		close(r.failed)
	}
}
