package replica

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/election"
	"zkd/quorum/prep"
	"zkd/quorum/proto"
	"zkd/quorum/session"
	"zkd/quorum/watch"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// role is what a server does.
type role uint8

const (
	none     role = iota // looks for a leader, or connects to one
	leading              // also alone
	learning             // follows or observes
)

// roleState is all that belongs to one role; it is made anew for each.
type roleState struct {
	term      Term
	role      role
	active    bool // clients are served
	elected   election.Vote
	roleBegan time.Time
	leader    *zab.Leader
	learner   *zab.Learner
	port      Port
	links     map[zab.LinkID]*memberLink // of a leader
	up        *memberLink                // of a learner
	downTerm  Term                       // a learner's link ended before the role had begun
	gone      map[zk.ServerID]bool       // voters that do not follow this leader, before it is established

	cancelFollow func() // gives up connecting to the leader; nil while that is not under way

	todo      []zab.Event
	stepping  bool
	unflushed []*memberLink
	lost      []interface{ Lost() } // who is to be told that the role has ended

	leaderState
	learnerState

	// What one role leaves to the next.
	rejoin  bool      // this learner cannot join its history to its leader's: it asks the same leader for all of its state
	yielded time.Time // when this leader last gave way to an epoch that a voter had accepted
	gaveWay bool      // this leader has handed over: see HandOver
	last    ending
}

// memberLink is a link with what the loop keeps about it.
type memberLink struct {
	Link
	server    zk.ServerID
	observer  bool
	unflushed bool
	streaming bool  // a history or a snapshot is on its way over it
	moved     int64 // bytes of that, at the last tick
	stream    *snapshotStream
}

// Times of taking roles.
const (
	// portRetry is how long a server that cannot listen waits before it stands for election again.
	portRetry = time.Second
	// observerDelay bounds the random wait of an observer before it looks for a leader, so that many do
	// not come at once. Source: observer.election.DelayMs.
	observerDelay = 200 * time.Millisecond
	// diskRetry is how long a server without room for its log waits before it looks again.
	diskRetry = time.Second
	// noRoomPause is how long a server waits that had no room for its leader's snapshot.
	noRoomPause = 30 * time.Second
)

// takeRoles looks for a leader, takes a role, and begins again when that has ended. It is a goroutine of
// the replica.
func (r *Replica) takeRoles() {
	for {
		e, ok := r.nextRole()
		if !ok {
			return
		}
		if !r.takeRole(e) {
			continue
		}
		select {
		case <-r.over:
		case <-r.ending:
			return // end leaves the role
		}
		r.leaveRole()
	}
}

// nextRole returns what this server is elected to be. It reports false if the replica ends.
func (r *Replica) nextRole() (election.Elected, bool) {
	if e, again := r.again(); again {
		return e, true
	}
	if !r.awaitTurnToLook() {
		return election.Elected{}, false
	}
	r.look()
	select {
	case e := <-r.elector.elected:
		return e, true
	case <-r.ending:
		return election.Elected{}, false
	}
}

// again returns the role that has just ended, where it is to begin anew without an election: that of a learner whose
// history cannot be joined to its leader's, and which needs all of that one's state (R12). It must ask the same leader:
// the next one would not count it, and with no server to spare none would ever be established. This one has
// counted it already.
func (r *Replica) again() (election.Elected, bool) {
	r.turn.Lock()
	defer r.turn.Unlock()
	return election.Elected{Role: proto.Following, Vote: r.elected}, r.rejoin && r.err == nil && !r.ended
}

// leadOn begins a new reign where one has ended, as it does when the zxids of its epoch are spent: what
// takeRoles is for a server that stands alone.
func (r *Replica) leadOn() {
	for {
		select {
		case <-r.over:
		case <-r.ending:
			return
		}
		r.leaveRole()
		r.turn.Lock()
		if r.err == nil && !r.ended {
			r.lead(election.Elected{})
		}
		r.release(false)
	}
}

// awaitTurnToLook waits until this server should look for a leader: until the others have elected one if it has
// handed over, until there is room for its log, and, for an observer, a random while. It reports false if the replica ends.
func (r *Replica) awaitTurnToLook() bool {
	if !r.awaitSuccessor() {
		return false
	}
	for !r.hasRoom() {
		if !r.pause(diskRetry) {
			return false
		}
		r.turn.Lock()
		r.checkDisk()
		r.turn.Unlock()
	}
	if r.cfg.Observer && r.term > 0 {
		r.turn.Lock()
		delay := time.Duration(r.random.Int64N(int64(observerDelay)))
		r.turn.Unlock()
		return r.pause(delay)
	}
	return !r.quit.Load()
}

// hasRoom reports whether the disk has room for what a role would write.
func (r *Replica) hasRoom() bool {
	r.turn.Lock()
	defer r.turn.Unlock()
	return !r.diskOut.Load() && !r.cfg.Now().Before(r.noRoomUntil)
}

// pause waits, and reports false if the replica ends meanwhile.
func (r *Replica) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.ending:
		return false
	}
}

// look begins an election. What this server says of itself is what its disk holds (R8).
func (r *Replica) look() {
	r.turn.Lock()
	last, epoch := r.txlog.Last(), r.epochs.Current()
	forgot := r.recovery.get().Forgot != ""
	if r.lookingSince.IsZero() {
		r.lookingSince = r.cfg.Now()
	}
	r.turn.Unlock()
	r.stats.Lookings.Add(1)
	start := election.Start{Zxid: last, Epoch: epoch}
	if forgot {
		start.Zxid = -1 // R18: it may follow, but neither stand nor choose
	}
	r.elector.look(start)
}

// takeRole begins the role that was elected. It reports false where it could not.
func (r *Replica) takeRole(e election.Elected) bool {
	if e.Role == proto.Leading {
		r.turn.Lock()
		ok := r.lead(e)
		r.release(true)
		if !ok {
			r.elector.halt()
			r.pause(portRetry)
		}
		return ok
	}
	r.turn.Lock()
	r.term++
	term := r.term
	r.elected = e.Vote
	r.turn.Unlock()
	up, err := r.follows(term, e.Vote.Leader)
	if err != nil {
		r.log.Warn("cannot reach the leader that was elected: looking again", zap.Int64("peer", int64(e.Vote.Leader)), zap.Error(err))
		r.turn.Lock()
		r.rejoin = false
		r.turn.Unlock()
		r.elector.halt()
		return false
	}
	r.turn.Lock()
	r.learn(e, up)
	r.release(true)
	return true
}

// follows connects to a leader, unless it is found meanwhile not to lead.
func (r *Replica) follows(term Term, leader zk.ServerID) (Link, error) {
	cancel := make(chan struct{})
	give := sync.OnceFunc(func() { close(cancel) })
	r.turn.Lock()
	r.cancelFollow = give
	r.turn.Unlock()
	if !r.cfg.manual {
		done := make(chan struct{})
		defer close(done)
		go func() {
			select {
			case <-r.ending:
				give()
			case <-done:
			}
		}()
	}
	up, err := r.cfg.Peers.Follow(term, leader, cancel)
	r.turn.Lock()
	r.cancelFollow = nil
	r.turn.Unlock()
	return up, err
}

// lead begins to lead: alone at once for good, else once a quorum follows.
func (r *Replica) lead(e election.Elected) bool {
	r.term++
	view := zk.NewView(r.cfg.ID)
	if r.cfg.Peers != nil {
		view = r.cfg.Members.Views()[0]
		port, err := r.cfg.Peers.Lead(r.term)
		if err != nil {
			r.log.Error("elected, but cannot accept the others", zap.Error(err))
			return false
		}
		r.port = port
	}
	now := r.cfg.Now()
	r.startRole(leading, e.Vote, now)
	r.links = make(map[zab.LinkID]*memberLink)
	cfg := zab.LeaderConfig{
		Self: r.cfg.ID, View: view, Accepted: r.epochs.Accepted(), Current: r.epochs.Current(), History: &r.history,
		ConfigVersion: r.cfg.ConfigVersion, ConfigText: []byte(r.cfg.ConfigText),
		InitLimit: max(r.cfg.InitLimit, 1), SyncLimit: max(r.cfg.SyncLimit, 1), BacklogBytes: backlogBytes,
	}
	if !r.yielded.IsZero() {
		cfg.YieldAfterTicks = max(0, int(time.Minute-now.Sub(r.yielded))) / int(r.cfg.Tick/2)
	}
	r.leader = zab.Lead(cfg)
	r.drive(r.leader.Start())
	return true
}

// learn begins to follow, or observe, over a link.
func (r *Replica) learn(e election.Elected, up Link) {
	r.startRole(learning, e.Vote, r.cfg.Now())
	r.up = &memberLink{Link: up, server: e.Vote.Leader}
	// A server that has forgotten what it acknowledged must not help to prove what was committed (R18).
	force := r.rejoin || r.recovery.get().Forgot != ""
	r.rejoin = false
	r.learner = zab.Learn(zab.LearnerConfig{
		Self: r.cfg.ID, Observer: r.cfg.Observer, Accepted: r.epochs.Accepted(), Current: r.epochs.Current(), Last: r.txlog.Last(),
		ConfigVersion: r.cfg.ConfigVersion, InitLimit: r.cfg.InitLimit, SyncLimit: r.cfg.SyncLimit,
		PendingBytes: pendingBytes, ForceSnap: force,
	})
	r.drive(r.learner.Start())
	if r.downTerm == r.term {
		r.step(zab.LinkDown{Link: zab.LinkID(up.ID())})
	}
}

func (r *Replica) startRole(kind role, vote election.Vote, now time.Time) {
	r.role, r.active, r.elected, r.roleBegan = kind, false, vote, now
}

// activate begins to serve clients.
func (r *Replica) activate(epoch zk.Epoch) {
	r.active = true
	if r.cfg.Peers != nil {
		r.recovery.forget("") // what it had forgotten the quorum has given back
	}
	if r.role == leading {
		r.catchUp()
		if r.err != nil {
			return
		}
	}
	r.mu.Lock()
	r.tree.SetLastZxid(max(r.tree.LastZxid(), zk.MakeZxid(epoch, 0)))
	if r.cfg.Peers != nil {
		r.tree.SetConfig([]byte(r.cfg.ConfigText), r.cfg.ConfigVersion, r.cfg.Now().UnixMilli())
	}
	r.watches = watch.NewManager[Watcher]() // all watchers were clients of an earlier role
	r.serving = r.term
	r.mu.Unlock()
	r.owners = make(map[zk.SessionID]*holder)
	if r.role == leading {
		r.beginReign()
	}
	if r.elector != nil {
		r.elector.step(election.Established{Epoch: epoch})
	}
	r.freshen(r.cfg.Now())
	r.measureServing()
	r.takePicture()
	r.serves.make()
	r.log.Info(r.roleName(), zap.Int64("epoch", int64(epoch)), zap.Int64("leader", int64(r.leaderID())), zap.Stringer("zxid", r.tree.LastZxid()),
		zap.Int("znodes", r.tree.NodeCount()), zap.Int("sessions", r.tree.SessionCount()), zap.Duration("took", r.cfg.Now().Sub(r.roleBegan)))
}

// beginReign prepares what only a leader does: making txns, and deciding who is alive.
func (r *Replica) beginReign() {
	r.prep = prep.New(r.tree, r.cfg.Auth, prep.Config{
		ExtendedTypes: r.cfg.ExtendedTypes, EnforceQuota: r.cfg.EnforceQuota,
		MaxTxnBytes: r.cfg.MaxTxnBytes, DigestEnabled: true, ContainerNeverUsedMillis: r.cfg.ContainerNeverUsed.Milliseconds(),
	})
	r.tracker = session.NewTracker(r.cfg.Tick.Milliseconds())
	now := r.NowMillis()
	for id, timeout := range r.tree.Sessions() {
		r.tracker.Add(id, timeout, now) // every known session gets a full timeout
	}
	r.barriers = make(map[uint64]Request)
	r.held = make(map[asker]heldBack)
	r.nextReap = r.cfg.Now().Add(r.cfg.ReapInterval)
	r.removeOrphans()
}

func (r *Replica) roleName() string {
	switch {
	case r.role == leading:
		return "leading"
	case r.cfg.Observer:
		return "observing"
	default:
		return "following"
	}
}

func (r *Replica) leaderID() zk.ServerID {
	if r.role == leading {
		return r.cfg.ID
	}
	return r.elected.Leader
}
