package replica

import (
	"zkd/quorum/election"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// Manual is a replica that does nothing by itself: a simulation decides what happens, and when. Its
// methods, and those by which [Peers] report, are called by one goroutine, and nothing that they begin is
// still going on when they return. So the same calls make the same run.
type Manual struct {
	*Replica
	idle bool // no role, and not looking for one: there is no room for the log
}

// StartManual recovers the state from disk. As a member of an ensemble the replica then looks for a leader.
func StartManual(cfg Config) (*Manual, error) {
	cfg.manual = true
	r, err := open(cfg)
	if err != nil {
		return nil, err
	}
	m := &Manual{Replica: r}
	if r.elector == nil {
		return m, nil
	}
	if m.idle = r.diskOut.Load(); !m.idle {
		r.look()
	}
	return m, nil
}

// Roles takes the role that was elected, and leaves one that has ended to look for a leader again. It
// reports whether there was anything to do.
func (m *Manual) Roles() bool {
	if m.elector == nil || m.err != nil {
		return false
	}
	select {
	case <-m.over:
		m.leaveRole()
		m.runJobs()
		if e, again := m.again(); again {
			m.idle = !m.takeRole(e)
			return true
		}
		m.idle = true
	default:
	}
	if m.idle {
		if m.err == nil && m.hasRoom() {
			m.idle = false
			m.look()
		}
		return true
	}
	select {
	case e := <-m.elector.elected:
		m.idle = !m.takeRole(e)
		return true
	default:
		return false
	}
}

// RolesDue reports whether Roles has something to do.
func (m *Manual) RolesDue() bool {
	return m.elector != nil && m.err == nil && (len(m.over) > 0 || len(m.elector.elected) > 0 || m.idle && m.hasRoom())
}

// HasWork reports whether something was submitted that was not taken in yet.
func (m *Manual) HasWork() bool { return m.intake.len() > 0 }

// ElectionTick lets election.TickMillis pass in the election.
func (m *Manual) ElectionTick() {
	if m.elector != nil {
		m.elector.step(election.Tick{})
	}
}

// HalfTick lets half a Config.Tick pass.
func (m *Manual) HalfTick() {
	m.turn.Lock()
	if m.err == nil {
		m.tick()
	}
	m.release(false)
}

// Work takes in what was submitted.
func (m *Manual) Work() {
	m.turn.Lock()
	m.work()
	m.release(false)
}

// NeedsSync reports whether the log holds what is not durable and not being made so.
func (m *Manual) NeedsSync() bool {
	m.turn.Lock()
	defer m.turn.Unlock()
	return m.needsSync()
}

// SyncLog makes the log durable, if it needs that.
func (m *Manual) SyncLog() {
	m.turn.Lock()
	if m.needsSync() {
		m.syncLog()
	}
	m.release(false)
}

// HasJob reports whether there is work that a Replica would do beside the loop.
func (m *Manual) HasJob() bool { return len(m.jobs) > 0 || m.snapping }

// Job does the oldest piece of that work.
func (m *Manual) Job() {
	m.turn.Lock()
	switch {
	case len(m.jobs) > 0:
		m.runJob()
	case m.snapping:
		m.snapshotDone(m.saveJob())
	}
	m.release(false)
}

// SkipJob is Job, but for the work itself, which it says is done (ZOOKEEPER-3642: a leader's snapshot that is in
// memory only). This, LogBesides and KeepTree are there so that a simulation can see that it notices.
func (m *Manual) SkipJob() {
	if len(m.jobs) > 0 {
		m.jobs[0].work = func() error { return nil }
	}
	m.Job()
}

// LogBesides logs a txn that no role has asked for (ZOOKEEPER-4712), unless it does not fit.
func (m *Manual) LogBesides(zxid zk.Zxid, data []byte) {
	m.turn.Lock()
	defer m.turn.Unlock()
	if m.err == nil && m.txlog.Append(zxid, data) == nil {
		m.history.append(zxid)
	}
}

// KeepTree leaves the tree as it is when the log is cut (ZOOKEEPER-2845).
func (m *Manual) KeepTree() { m.keepTree = true }

func (m *Manual) runJob() {
	job := m.jobs[0]
	m.jobs = m.jobs[1:]
	job.then(job.work())
}

func (m *Manual) runJobs() {
	m.turn.Lock()
	defer m.turn.Unlock()
	for len(m.jobs) > 0 {
		m.runJob()
	}
}

// SaveSnapshot begins a snapshot of the state, if the replica serves and none is under way. A Job is then to
// be done.
func (m *Manual) SaveSnapshot() {
	m.turn.Lock()
	if m.active && !m.snapping && m.err == nil {
		m.beginSnapshot()
	}
	m.release(false)
}

// HandOver ends the role of a leader that may hand over. It looks for a leader again at once.
func (m *Manual) HandOver() {
	m.turn.Lock()
	if m.err == nil && m.mayHandOver() == nil {
		m.endRole(zab.ReasonHandOver, "")
	}
	m.release(false)
}

// Failure returns why the replica has ended by itself, nil if it has not.
func (m *Manual) Failure() error { return m.err }

// Close ends the role and closes the files, as Stop does.
func (m *Manual) Close() error {
	m.ended = true
	m.end()
	return m.err
}

// Facts are what the checks of a simulation look at.
type Facts struct {
	Leading, Serving  bool
	Term              Term
	LeaderEpoch       zk.Epoch // of a leader that is established, else 0
	Accepted, Current zk.Epoch
	Logged, Durable   zk.Zxid
	Applied           zk.Zxid
	Digest            uint64
}

// Facts returns what is true of the replica now.
func (m *Manual) Facts() Facts {
	m.turn.Lock()
	defer m.turn.Unlock()
	f := Facts{
		Leading: m.role == leading, Serving: m.active, Term: m.term, Accepted: m.epochs.Accepted(), Current: m.epochs.Current(),
		Logged: m.txlog.Last(), Durable: m.txlog.Durable(), Applied: m.tree.LastZxid(), Digest: m.tree.Digest(),
	}
	if m.role == leading && m.active {
		f.LeaderEpoch = m.leader.Epoch()
	}
	return f
}
