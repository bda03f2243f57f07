package replica

import (
	"time"

	"go.uber.org/zap"

	"zkd/quorum/txlog"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// step tells the core of the role something and does what it says, and what follows from that. The
// turn is held. An action may call step: its event waits until the actions before it are done.
func (r *Replica) step(ev zab.Event) {
	r.todo = append(r.todo, ev)
	if !r.stepping {
		r.drive(nil)
	}
}

// drive does actions, then all that waits to be told.
func (r *Replica) drive(actions []zab.Action) {
	r.stepping = true
	for i := 0; r.role != none; i++ {
		for _, a := range actions {
			if r.act(a); r.role == none {
				break
			}
		}
		if i == len(r.todo) || r.role == none {
			break
		}
		if r.role == leading {
			actions = r.leader.Step(r.todo[i])
		} else {
			actions = r.learner.Step(r.todo[i])
		}
	}
	clear(r.todo)
	r.todo, r.stepping = r.todo[:0], false
}

// act does one action.
func (r *Replica) act(a zab.Action) {
	switch a := a.(type) {
	case zab.Send:
		r.send(a)
	case zab.Persist:
		r.persist(a.Txns)
	case zab.SaveAccepted:
		if err := r.epochs.SetAccepted(a.Epoch); err != nil {
			r.fail(err)
			return
		}
		r.step(zab.AcceptedDurable(a))
	case zab.SaveCurrent:
		if err := r.epochs.SetCurrent(a.Epoch); err != nil {
			r.fail(err)
			return
		}
		r.step(zab.CurrentDurable(a))
	case zab.Activate:
		r.activate(a.Epoch)
	case zab.End:
		r.rejoin = a.ForceSnap
		r.endRole(a.Reason, a.Detail)
	default:
		if r.role == leading {
			r.actLeader(a)
		} else {
			r.actLearner(a)
		}
	}
}

// persist appends txns to the log; they are durable, and reported, after the next sync.
func (r *Replica) persist(txns []zab.Txn) {
	for _, t := range txns {
		if err := r.txlog.Append(t.Zxid, t.Data); err != nil {
			r.fail(err)
			return
		}
		r.history.append(t.Zxid)
		r.batchBytes += int64(len(t.Data))
	}
	if r.oldestPending == 0 && len(txns) > 0 {
		r.oldestPending = madeAt(txns[0].Data)
	}
}

// settle finishes what a turn has begun: it proposes what came in, and sends what is queued.
func (r *Replica) settle() {
	for len(r.incoming) > 0 && r.role == leading && r.active && r.err == nil {
		r.propose()
	}
	for _, l := range r.unflushed {
		l.unflushed = false
		l.Flush()
	}
	clear(r.unflushed)
	r.unflushed = r.unflushed[:0]
	r.flush()
	if r.role != none && r.active && r.err == nil {
		r.maybeSnapshot()
	}
}

// release gives the turn back, after settling. Where the log is to be synced this is done without the
// turn, so that the protocol goes on meanwhile: once by the caller if inline, else by the syncer.
func (r *Replica) release(inline bool) {
	r.settle()
	for !r.cfg.manual && r.needsSync() {
		if !inline {
			signal(r.syncNow)
			break
		}
		inline = false
		r.syncLog()
		r.settle()
	}
	r.turn.Unlock()
}

// needsSync reports whether the log is to be synced. While a history is taken over, staging does that itself.
func (r *Replica) needsSync() bool {
	return r.err == nil && r.staging.mode == 0 && !r.syncing && r.role != none && r.txlog.Last() != r.txlog.Durable()
}

// syncLog makes what was appended durable, without the turn, and tells the role. After a failed fsync
// nothing may be assumed of the log: nothing of it is acknowledged, and the replica ends.
func (r *Replica) syncLog() {
	r.syncing = true
	term, before := r.term, r.txlog.Durable()
	bytes, oldest := r.batchBytes, r.oldestPending
	r.batchBytes, r.oldestPending = 0, 0
	begin := time.Now()
	r.fsyncSince.Store(begin.UnixNano())
	r.turn.Unlock()
	err := r.txlog.Sync()
	took := time.Since(begin)
	r.turn.Lock()
	r.fsyncSince.Store(0)
	r.syncing = false
	switch {
	case err == txlog.ErrClosed && r.ended:
		return
	case err != nil:
		r.fail(err)
		return
	}
	durable := r.txlog.Durable()
	r.noteSync(took, before, durable, bytes)
	if r.cfg.Peers != nil {
		r.age(r.stats.ProposalAckMillis.Observe, oldest)
	}
	if r.role != none && r.term == term && durable > before {
		r.step(zab.Synced{Upto: durable})
	}
}

func (r *Replica) noteSync(took time.Duration, before, durable zk.Zxid, bytes int64) {
	txns := int64(durable - max(before, zk.MakeZxid(durable.Epoch(), 0)))
	r.stats.FsyncMicros.Observe(took.Microseconds())
	r.stats.BatchSize.Observe(txns)
	r.stats.LogBytes.Add(bytes)
	if r.uncheckedBytes += bytes; r.uncheckedBytes >= checkDiskBytes {
		r.uncheckedBytes = 0
		r.checkDisk()
	}
	if took > r.cfg.FsyncWarning {
		r.stats.FsyncSlow.Add(1)
		r.log.Warn("slow log sync: clients wait for this disk", zap.Duration("took", took), zap.Int64("txns", txns))
	}
}

// syncLoop syncs the log for those who have something better to do.
func (r *Replica) syncLoop() {
	for {
		select {
		case <-r.syncNow:
			r.turn.Lock()
			r.release(true)
		case <-r.ending:
			return
		}
	}
}

// tick lets half a tickTime pass: for the protocol, and every second time for what a server does by itself.
func (r *Replica) tick() {
	now := r.cfg.Now()
	gap := now.Sub(r.lastTick)
	suspended := now.Round(0).Sub(r.lastTick.Round(0)) - gap // the monotonic clock stands still in a suspend
	r.lastTick = now
	switch {
	case gap > r.cfg.Tick:
		r.stoodStill(gap)
	case suspended > r.cfg.Tick:
		r.doubt()
	default:
		r.trust()
	}
	if r.role != none {
		r.noteProgress()
		r.step(zab.Tick{})
	}
	r.freshen(now)
	if !now.Before(r.nextChores) {
		r.nextChores = now.Add(r.cfg.Tick * 3 / 4) // the tick after the next one
		r.chores(now)
	}
	r.takePicture()
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
