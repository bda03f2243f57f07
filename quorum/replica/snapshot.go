package replica

import (
	"context"
	"errors"
	"runtime"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/snap"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

// snapTrigger is when the next snapshot is due: random in the upper half of the configured distance,
// so that the members of an ensemble do not all write theirs at once.
type snapTrigger struct {
	txns  int
	bytes int64
}

func (r *Replica) newSnapTrigger() snapTrigger {
	half := max(r.cfg.SnapCount/2, 1)
	t := snapTrigger{txns: half + r.random.IntN(half)}
	if r.cfg.SnapSizeBytes > 1 {
		t.bytes = r.cfg.SnapSizeBytes/2 + r.random.Int64N(r.cfg.SnapSizeBytes/2)
	}
	return t
}

type snapResult struct {
	view     *tree.View // nil of a purge alone
	info     snap.Info
	purged   snap.Purged
	took     time.Duration
	err      error // of the snapshot
	purgeErr error
}

// maybeSnapshot rolls the log when it is long enough, and begins a snapshot where that pays: once the
// log behind the last one has grown to half of its size, so that a large tree under many writes is not
// written over and over. Replaying that much log takes no longer than loading the snapshot.
func (r *Replica) maybeSnapshot() {
	txns, bytes := r.txlog.SinceRollTxns(), r.txlog.SinceRollBytes()
	due := txns >= r.snapAt.txns || r.snapAt.bytes > 0 && bytes >= r.snapAt.bytes
	if !due && (r.cfg.LogSizeBytes <= 0 || bytes < r.cfg.LogSizeBytes) {
		return
	}
	if due && !r.snapping && r.rolledBytes+bytes >= r.stats.SnapshotBytes.Load()/2 && r.roomForSnapshot() {
		r.beginSnapshot()
		return
	}
	r.rolledBytes += bytes
	r.snapAt = r.newSnapTrigger()
	r.roll()
}

// roomForSnapshot reports whether a snapshot somewhat larger than the last one would leave the log its room.
func (r *Replica) roomForSnapshot() bool {
	free, err := r.cfg.FS.FreeBytes(r.cfg.SnapDir)
	if err != nil || free >= r.stats.SnapshotBytes.Load()*5/4+r.cfg.MinFreeBytes {
		return true
	}
	if now := r.cfg.Now(); now.Sub(r.noRoomSaid) > time.Minute {
		r.noRoomSaid = now
		r.log.Error("no room for a snapshot: the log is kept and grows until there is", zap.String("dir", r.cfg.SnapDir),
			zap.Int64("free_bytes", free), zap.Int64("last_snapshot_bytes", r.stats.SnapshotBytes.Load()))
	}
	return false
}

func (r *Replica) roll() {
	if err := r.txlog.Roll(); err != nil {
		r.fail(err)
		return
	}
	r.stats.LogRolls.Add(1)
}

// beginSnapshot freezes the state, which is all that holds up writes, and saves it beside them.
func (r *Replica) beginSnapshot() {
	if r.roll(); r.err != nil {
		return
	}
	r.snapAt, r.rolledBytes = r.newSnapTrigger(), 0
	r.mu.Lock()
	view := r.tree.Freeze()
	r.mu.Unlock()
	r.snapping = true
	r.snapBusy.Store(true)
	number := r.saveNumber.Load()
	r.saveBeside(func() snapResult { return r.save(view, number) })
}

// save writes the frozen state, then removes what it makes superfluous. It runs beside the loop.
func (r *Replica) save(view *tree.View, number int64) (res snapResult) {
	begin := time.Now()
	res.view = view
	if r.saveNumber.Load() != number {
		res.err = errSuperseded
		return res
	}
	compression, err := snap.ParseCompression(r.cfg.SnapshotCompression)
	if err != nil {
		res.err = err
		return res
	}
	res.info, res.err = snap.Save(r.cfg.FS, r.cfg.SnapDir, view, snap.Options{Compression: compression, Progress: (&giveWay{r: r, number: number}).step})
	res.took = time.Since(begin)
	if res.err == nil {
		r.whole[res.info.Name] = res.info // Save has read it back
	}
	if res.err == nil && r.cfg.PurgeInterval > 0 {
		res.purged, res.purgeErr = r.purge()
	}
	return res
}

// giveWay paces what runs beside the loop, and gives it up when the replica ends: the end of a server
// whose log has failed, or of one that is stopped, must not take as long as a snapshot.
//
// While there are writes it works a third of the time, so that the log's syncs find the disk free, and
// the loop a processor: the scheduler would let it wait 10 ms for a goroutine that only computes. Without
// writes it takes all it can get.
type giveWay struct {
	r       *Replica
	number  int64 // of what is saved; 0 for anything else
	steps   int
	resumed time.Time
	commits int64
}

// Why a snapshot is given up.
var (
	errSuperseded = errors.New("replica: a leader's snapshot takes the place of what was being saved")
	errNoRoom     = errors.New("replica: the disk would be full")
)

// lookEvery is how many steps, a quarter of a MiB each, lie between two looks at the free space.
const lookEvery = 64

// maxPause bounds one pause: a slow step of the disk is not answered with a long rest.
const maxPause = 10 * time.Millisecond

// step is a snap.Progress.
func (g *giveWay) step(_, _ int64) error {
	if g.r.quit.Load() {
		return ErrStopped
	}
	if g.number != 0 && g.number != g.r.saveNumber.Load() {
		return errSuperseded
	}
	if g.steps++; g.number != 0 && g.steps%lookEvery == 0 {
		if free, err := g.r.cfg.FS.FreeBytes(g.r.cfg.SnapDir); err == nil && free < g.r.cfg.MinFreeBytes {
			return errNoRoom
		}
	}
	if g.r.cfg.manual {
		return nil
	}
	if commits := g.r.stats.Commits.Load(); commits != g.commits && !g.resumed.IsZero() {
		time.Sleep(min(2*time.Since(g.resumed), maxPause))
	} else {
		runtime.Gosched()
	}
	g.resumed, g.commits = time.Now(), g.r.stats.Commits.Load()
	return nil
}

// maybePurge purges by time, beside the loop: after a snapshot it is done anyway.
func (r *Replica) maybePurge(now time.Time) {
	if r.cfg.PurgeInterval <= 0 || r.snapping || now.Before(r.nextPurge) {
		return
	}
	r.nextPurge = now.Add(r.cfg.PurgeInterval)
	r.snapping = true
	r.saveBeside(func() (res snapResult) {
		res.purged, res.purgeErr = r.purge()
		return res
	})
}

// saveBeside does one piece of work on snapshots beside the loop.
func (r *Replica) saveBeside(work func() snapResult) {
	if r.cfg.manual {
		r.saveJob = work
		return
	}
	go func() {
		r.saving.Lock()
		res := work()
		r.saving.Unlock()
		r.snapDone <- res
	}()
}

// purge keeps the newest snapshots that read back whole, and the log that the oldest of them needs.
func (r *Replica) purge() (snap.Purged, error) {
	purged, err := snap.Purge(r.cfg.FS, r.cfg.SnapDir, r.cfg.PurgeRetain, r.whole, (&giveWay{r: r}).step)
	if err != nil || purged.NeedLogsFrom == 0 {
		return purged, err
	}
	removed, err := r.txlog.PurgeBelow(purged.NeedLogsFrom)
	purged.Removed = append(purged.Removed, removed...)
	return purged, err
}

// snapshotDone thaws the state and tells who waits. A snapshot that failed costs nothing but the
// longer log: the older ones stay.
func (r *Replica) snapshotDone(res snapResult) {
	if res.view != nil {
		r.mu.Lock()
		res.view.Release()
		r.mu.Unlock()
	}
	r.snapping = false
	r.snapBusy.Store(false)
	for _, bad := range res.purged.Damaged {
		r.log.Error("damaged snapshot", zap.Stringer("file", bad))
	}
	r.stats.PurgedFiles.Add(int64(len(res.purged.Removed)))
	if files, err := r.txlog.Files(); err == nil && len(files) > 0 && len(res.purged.Removed) > 0 {
		r.history.trim(files[0].First)
	}
	switch err := errors.Join(res.err, res.purgeErr); {
	case errors.Is(err, ErrStopped):
		r.log.Info("snapshot or purge given up: the server ends")
	case errors.Is(err, errSuperseded):
		r.log.Info("snapshot given up: the state of the leader takes its place")
	case err != nil:
		r.stats.SnapshotErrors.Add(1)
		r.log.Error("snapshot or purge failed: the log is kept and grows until one succeeds", zap.Error(err))
	}
	if res.info.Name != "" {
		r.noteSnapshot(&res.info)
		r.stats.Snapshots.Add(1)
		r.stats.SnapshotMillis.Observe(res.took.Milliseconds())
		r.log.Info("snapshot written", zap.String("file", res.info.Name), zap.Int64("bytes", res.info.SizeBytes),
			zap.Int64("znodes", res.info.Nodes), zap.Duration("took", res.took), zap.Strings("purged", res.purged.Removed))
	}
	for _, w := range r.waitingSnap {
		w <- res
	}
	r.waitingSnap = nil
}

// ErrSnapshotBusy says that a snapshot is being written, or old ones are removed, already.
var ErrSnapshotBusy = errors.New("replica: a snapshot is being written, or old ones are removed, already; or the server does not serve")

// Snapshot writes a snapshot now and returns its zxid.
func (r *Replica) Snapshot(ctx context.Context) (zk.Zxid, error) {
	done := make(chan snapResult, 1)
	busy := false
	err := r.Call(func() {
		if busy = r.snapping || !r.active; !busy {
			r.waitingSnap = append(r.waitingSnap, done)
			r.beginSnapshot()
		}
	})
	switch {
	case err != nil:
		return 0, err
	case busy:
		return 0, ErrSnapshotBusy
	}
	select {
	case res := <-done:
		return res.info.Zxid, res.err
	case <-r.done:
		return 0, ErrStopped
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
