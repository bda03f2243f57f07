package replica

import (
	"errors"
	"fmt"
	"io"
	"path"
	"syscall"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/proto"
	"zkd/quorum/snap"
	"zkd/quorum/tree"
	"zkd/quorum/zab"
	"zkd/quorum/zk"
)

// staging is a learner's sync under way.
//
// A DIFF extends the history by txns that are committed: they are logged, made durable and applied, a few
// MiB at a time. A crash, or the loss of the leader, leaves a longer part of the one history, which does no harm:
// the epoch is not claimed before all of it is there.
//
// A TRUNC drops records that a quorum has shown not to be committed. It waits for the first txn behind it,
// or for the end of the sync, so that until then the old history is whole.
//
// A SNAP is built beside the old state: a tree in memory, then a snapshot file. A durable note says which file
// is to take the place of everything (see intent.go); only then the old log goes.
type staging struct {
	mode      zab.SyncMode
	at        zk.Zxid
	cut       bool // a TRUNC has been done
	receiving bool // a snapshot is on its way
	tree      *tree.Tree
	logged    []zab.Txn // by this sync, and not yet known to be durable
	began     time.Time
	txns      int64
}

// stageBytes is how much a sync logs between two fsyncs.
const stageBytes = 4 << 20

func (r *Replica) beginSync(a zab.BeginSync) {
	r.staging = staging{mode: a.Mode, at: a.At, began: r.cfg.Now(), receiving: a.Mode == zab.Snap}
	if a.Mode == zab.Snap {
		r.saveNumber.Add(1) // a snapshot of the old state that is being written is given up
	}
	r.log.Info("taking over the leader's history", zap.Stringer("mode", a.Mode), zap.Stringer("at", a.At), zap.Stringer("logged", r.txlog.Last()))
	if a.Mode == zab.Trunc {
		if at, record, ok := r.history.newest(a.At); !ok || !record || at != a.At {
			r.step(zab.SyncRefused{Why: fmt.Sprintf("the log holds no record %v that can be proved", a.At)})
			return
		}
		r.step(zab.SyncReady{At: a.At})
	}
}

// ReceiveSnapshot takes in the stream behind a SNAP packet, on the link's goroutine.
func (r *Replica) ReceiveSnapshot(term Term, l Link, in io.Reader) error {
	r.turn.Lock()
	at, known := r.staging.at, r.known(term, zab.LinkID(l.ID())) && r.role == learning && r.staging.receiving
	r.turn.Unlock()
	if !known {
		return ErrStopped
	}
	t, err := r.readStream(in, at)
	r.turn.Lock()
	defer r.release(false)
	if !r.known(term, zab.LinkID(l.ID())) || r.role != learning {
		return ErrStopped
	}
	r.staging.receiving = false
	if err != nil {
		r.step(zab.SyncRefused{Why: err.Error()})
		return err
	}
	r.staging.tree = t
	r.step(zab.SyncReady{At: at})
	return nil
}

// readStream builds a tree of a snapshot stream.
func (r *Replica) readStream(in io.Reader, at zk.Zxid) (*tree.Tree, error) {
	building := newLoading(tree.Options{ExtendedTypes: r.cfg.ExtendedTypes})
	defer building.abandon()
	lastSaid := time.Now()
	info, err := snap.ReadStream(in, building, func(bytes, nodes int64) error {
		if r.quit.Load() {
			return ErrStopped
		}
		r.stats.SyncBytes.Set(bytes)
		if now := time.Now(); now.Sub(lastSaid) > time.Second {
			lastSaid = now
			r.log.Info("receiving a snapshot", zap.Int64("bytes", bytes), zap.Int64("znodes", nodes))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.log.Info("snapshot received", zap.Stringer("zxid", at), zap.Int64("znodes", info.Nodes), zap.Int64("bytes", info.PlainBytes))
	return building.finish(at)
}

// stage takes in committed txns of a sync.
func (r *Replica) stage(txns []zab.Txn) {
	s := &r.staging
	s.txns += int64(len(txns))
	r.stats.SyncTxns.Set(s.txns)
	if s.mode == zab.Snap {
		if err := replayAll(s.tree, txns); err != nil {
			r.fail(err)
		}
		return
	}
	if s.mode == zab.Trunc && !s.cut {
		if r.truncate(s.at); r.err != nil {
			return
		}
	}
	if len(s.logged) == 0 {
		r.catchUp() // what the log held before
	}
	if r.persist(txns); r.err != nil {
		return
	}
	if s.logged = append(s.logged, txns...); r.batchBytes >= stageBytes {
		r.applyStaged()
	}
}

// applyStaged makes durable what a sync has logged, and then applies it.
func (r *Replica) applyStaged() {
	s := &r.staging
	if len(s.logged) == 0 || r.err != nil {
		return
	}
	if err := r.txlog.Sync(); err != nil {
		r.fail(err)
		return
	}
	r.stats.LogBytes.Add(r.batchBytes)
	r.batchBytes, r.oldestPending = 0, 0
	r.mu.Lock()
	err := r.replayLogged(s.logged)
	r.mu.Unlock()
	if err != nil {
		r.fail(err)
	}
	clear(s.logged)
	s.logged = s.logged[:0]
}

// replayLogged applies txns that are in the log. mu is held.
func (r *Replica) replayLogged(txns []zab.Txn) error {
	for i := range txns {
		if err := proto.DecodeTxn(txns[i].Data, &r.txn); err != nil {
			return fmt.Errorf("replica: txn %v of the leader: %w", txns[i].Zxid, err)
		}
		if err := r.tree.Replay(&r.txn); err != nil {
			return fmt.Errorf("replica: txn %v of the leader: %w", txns[i].Zxid, err)
		}
		r.checkDigest(&r.txn)
	}
	return nil
}

// replayAll applies txns to a tree that may hold some of them already.
func replayAll(t *tree.Tree, txns []zab.Txn) error {
	var txn proto.Txn
	for i := range txns {
		if err := proto.DecodeTxn(txns[i].Data, &txn); err != nil {
			return fmt.Errorf("replica: txn %v of the leader: %w", txns[i].Zxid, err)
		}
		if err := t.Replay(&txn); err != nil {
			return fmt.Errorf("replica: txn %v of the leader: %w", txns[i].Zxid, err)
		}
	}
	return nil
}

// truncate cuts the history behind at, which is a record of the log: first snapshots that reach further, which
// only ZooKeeper takes of what is not committed (ZOOKEEPER-1549), then the log, then the tree (R11).
func (r *Replica) truncate(at zk.Zxid) {
	r.staging.cut = true
	if err := r.setAsideSnapshots(func(z zk.Zxid) bool { return z > at }, fmt.Sprintf("the leader's history ends at %v there", at)); err != nil {
		r.fail(err)
		return
	}
	if err := r.txlog.Truncate(at); err != nil {
		r.fail(err)
		return
	}
	r.history.truncate(at)
	r.log.Warn("dropped txns that were never committed", zap.Stringer("log_ends_at", at), zap.Stringer("applied", r.tree.LastZxid()))
	if r.tree.LastZxid() <= at || r.keepTree {
		return
	}
	// The tree holds some of them: it was made of the whole log when the process started, or it led.
	if err := r.reload(); err != nil {
		r.fail(err)
		return
	}
	if end := r.txlog.Last(); end != at || r.tree.LastZxid() != at {
		r.fail(fmt.Errorf("replica: cut the log at %v, but it ends at %v and the tree at %v", at, end, r.tree.LastZxid()))
	}
}

// reload makes the tree anew from the disk.
func (r *Replica) reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	options := tree.Options{ExtendedTypes: r.cfg.ExtendedTypes}
	r.tree = tree.New(options) // in the place of the old one, which need not be kept beside the new
	info, err := r.loadSnapshot()
	if err != nil {
		return err
	}
	return r.replay(&info)
}

// commitSync makes what was staged the state of this server.
func (r *Replica) commitSync(last zk.Zxid) {
	s := &r.staging
	switch s.mode {
	case zab.Snap:
		r.installSnapshot(last)
	default:
		if s.mode == zab.Trunc && !s.cut {
			r.truncate(s.at)
		}
		if r.applyStaged(); r.err != nil {
			return
		}
		if r.catchUp(); r.err != nil {
			return
		}
		if end := r.txlog.Last(); end != last {
			r.fail(fmt.Errorf("replica: the sync ends at %v, but the log at %v", last, end))
			return
		}
		r.syncCommitted(last)
	}
}

func (r *Replica) syncCommitted(last zk.Zxid) {
	s := &r.staging
	r.stats.SyncMillis.Observe(r.cfg.Now().Sub(s.began).Milliseconds())
	r.log.Info("has the leader's history", zap.Stringer("mode", s.mode), zap.Stringer("zxid", last), zap.Int64("txns", s.txns),
		zap.Duration("took", r.cfg.Now().Sub(s.began)))
	r.abandonStaging()
	r.step(zab.SyncCommitted{Last: last})
}

// installSnapshot writes the staged tree to disk, beside the loop, and puts it in the place of the old state.
// It is brought to its end even if the role ends meanwhile.
func (r *Replica) installSnapshot(last zk.Zxid) {
	s := r.staging
	if err := s.tree.CheckACLs(); err != nil {
		r.step(zab.SyncRefused{Why: err.Error()})
		return
	}
	s.tree.SetLastZxid(last)
	term := r.term
	view := s.tree.Freeze()
	var info snap.Info
	r.beside(func() error {
		r.saving.Lock() // a purge would take the unfinished file for one left behind
		defer r.saving.Unlock()
		if err := r.writeIntent(last); err != nil {
			return err
		}
		var err error
		if info, err = snap.Save(r.cfg.FS, r.cfg.SnapDir, view, snap.Options{Overlap: !r.cfg.manual}); err != nil {
			return errors.Join(err, r.removeIntent())
		}
		return r.finishIntent(last)
	}, func(err error) {
		view.Release()
		if errors.Is(err, syscall.ENOSPC) {
			// The old state is whole. There may be room later; until then it would only fill the disk again.
			r.noRoomUntil = r.cfg.Now().Add(noRoomPause)
			r.endRole("no room for the leader's snapshot", err.Error())
			return
		}
		if err != nil {
			r.fail(fmt.Errorf("replica: put the leader's snapshot in place: %w", err))
			return
		}
		r.mu.Lock()
		r.tree = s.tree
		r.mu.Unlock()
		r.history.reset(last)
		r.noteSnapshot(&info)
		r.stats.SnapsReceived.Add(1)
		if r.role == learning && r.term == term {
			r.syncCommitted(last)
		}
	})
}

// beside does work without the turn, and then, with it, what follows. leaveRole waits for both.
func (r *Replica) beside(work func() error, then func(err error)) {
	if r.cfg.manual {
		r.jobs = append(r.jobs, job{work, then})
		return
	}
	r.besides.Go(func() {
		err := work()
		r.turn.Lock()
		then(err)
		r.release(false)
	})
}

// job is work beside the loop, and what follows.
type job struct {
	work func() error
	then func(err error)
}

// abandonStaging forgets a sync: it has come to its end, or never will.
func (r *Replica) abandonStaging() {
	r.stats.SyncBytes.Set(0)
	r.stats.SyncTxns.Set(0)
	r.staging = staging{}
}

// setAsideSnapshots renames the snapshots that are not to be started from any more.
func (r *Replica) setAsideSnapshots(which func(zk.Zxid) bool, why string) error {
	all, err := snap.List(r.cfg.FS, r.cfg.SnapDir)
	if err != nil {
		return err
	}
	moved := false
	for _, s := range all {
		if !which(s.Zxid) {
			continue
		}
		if err := r.cfg.FS.Rename(path.Join(r.cfg.SnapDir, s.Name), path.Join(r.cfg.SnapDir, AsidePrefix+s.Name)); err != nil {
			return fmt.Errorf("set aside %s: %w", s.Name, err)
		}
		moved = true
		r.note(fmt.Sprintf("set aside %s: %s", s.Name, why))
	}
	if !moved {
		return nil
	}
	return r.cfg.FS.SyncDir(r.cfg.SnapDir)
}
