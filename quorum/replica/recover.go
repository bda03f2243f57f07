package replica

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"zkd/quorum/epoch"
	"zkd/quorum/proto"
	"zkd/quorum/snap"
	"zkd/quorum/tree"
	"zkd/quorum/txlog"
	"zkd/quorum/zk"
)

// LockName is the file in the data directory whose lock keeps a second process out.
const LockName = "zkd.lock"

// Recovery says what starting up found and mended.
type Recovery struct {
	// Notes are sentences for the operator; empty after an orderly stop.
	Notes []string
	// Forgot is not empty where this server has lost writes that it had promised to keep: a sentence that says
	// which, what that means, and what to do.
	Forgot string
}

// recovery is the Recovery of a process, which a later sync may add to.
type recovery struct {
	mu sync.Mutex
	Recovery
}

// get returns a copy.
func (r *recovery) get() Recovery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Recovery{slices.Clone(r.Notes), r.Forgot}
}

// forget says that the log has lost what it had promised to keep; "" that others have given it back.
func (r *recovery) forget(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Forgot = text
}

// MaxPayload is the longest record that a server reads back from its log, whose own txns are of maxTxnBytes at most: a
// server with another limit may have made it.
func MaxPayload(maxTxnBytes int) int { return 2*maxTxnBytes + 1<<20 }

// recover locks the data directory and rebuilds the state from the newest good snapshot and the log
// behind it. An error about damaged data says what to do.
func (r *Replica) recover() error { return r.advise(r.rebuild()) }

func (r *Replica) rebuild() error {
	if err := r.checkRestored(); err != nil {
		return err
	}
	for _, dir := range []string{r.cfg.SnapDir, r.cfg.LogDir} {
		if err := r.cfg.FS.MkdirAll(dir); err != nil {
			return fmt.Errorf("data directory %s: %w", dir, err)
		}
	}
	var err error
	if r.lock, err = r.cfg.FS.Lock(path.Join(path.Dir(r.cfg.SnapDir), LockName)); err != nil {
		return fmt.Errorf("data directory %s: %w", path.Dir(r.cfg.SnapDir), err)
	}
	switched, err := r.resumeIntent()
	if err != nil {
		return err
	}
	var found txlog.Recovery
	say := r.atTimes()
	r.txlog, found, err = txlog.Open(r.cfg.FS, r.cfg.LogDir, txlog.Options{
		PreallocBytes: r.cfg.PreallocBytes, MaxPayload: MaxPayload(r.cfg.MaxTxnBytes), NoSync: r.cfg.NoForceSync, Inline: r.cfg.manual, Logger: r.log,
		Progress: func(bytes int64) { say("looking for the end of the log: %d KiB read", bytes>>10) },
	})
	if err != nil {
		return err
	}
	r.noteLog(&found)
	info, err := r.loadSnapshot()
	if err != nil {
		return err
	}
	if err := r.setAsideOlder(&info); err != nil {
		return err
	}
	if err := r.replay(&info); err != nil {
		return err
	}
	if last := r.tree.LastZxid(); last > r.txlog.Last() {
		// What is logged next follows the snapshot.
		if err := r.txlog.StartAfter(last); err != nil {
			return err
		}
	}
	if switched {
		if err := r.removeIntent(); err != nil {
			return err
		}
	}
	if text := r.forgotten(&found, r.tree.LastZxid()); text != "" {
		r.recovery.forget(text)
		r.log.Error("recovery: " + text)
	}
	var repaired []string
	r.epochs, repaired, err = epoch.Open(r.cfg.FS, r.cfg.SnapDir, max(r.tree.LastZxid(), r.txlog.Last()))
	for _, text := range repaired {
		r.note(text)
	}
	return err
}

func (r *Replica) note(text string) {
	r.recovery.mu.Lock()
	r.recovery.Notes = append(r.recovery.Notes, text)
	r.recovery.mu.Unlock()
	r.log.Warn("recovery: " + text)
}

func (r *Replica) noteLog(found *txlog.Recovery) {
	for _, name := range found.EmptyFilesRemoved {
		r.note(fmt.Sprintf("removed %s, which held no txn", name))
	}
	if found.CutBytes > 0 {
		r.note(fmt.Sprintf("cut %d bytes of an unfinished write off the end of %s (at offset %d)", found.CutBytes, found.CutFile, found.CutOffset))
	}
}

func (r *Replica) progress(text string) {
	if r.cfg.Progress != nil {
		r.cfg.Progress(text)
	}
}

// atTimes returns a progress that says at most one thing a second. systemd waits as long as the text changes: it is to be
// called with each piece that is read, on however slow a disk.
func (r *Replica) atTimes() func(format string, args ...any) {
	lastSaid := time.Now()
	return func(format string, args ...any) {
		if now := time.Now(); now.Sub(lastSaid) > time.Second {
			lastSaid = now
			r.progress(fmt.Sprintf(format, args...))
		}
	}
}

// loadSnapshot fills the tree from the newest snapshot that is whole. A new directory gets an empty
// one, without which ZooKeeper would refuse the log.
func (r *Replica) loadSnapshot() (snap.Info, error) {
	begin := time.Now()
	options := tree.Options{ExtendedTypes: r.cfg.ExtendedTypes}
	say := r.atTimes()
	var last *loading
	defer func() {
		if last != nil {
			last.abandon()
		}
	}()
	_, info, skipped, err := snap.Load(r.cfg.FS, r.cfg.SnapDir,
		func() *loading {
			if last != nil {
				last.abandon() // the snapshot it was for is damaged
			}
			last = newLoading(options)
			return last
		},
		func(bytes, nodes int64) error {
			say("loading the snapshot: %d znodes, %d KiB", nodes, bytes>>10)
			return nil
		})
	for _, s := range skipped {
		r.note(fmt.Sprintf("passed over %v", s))
	}
	var none *snap.NoneError
	switch {
	case errors.As(err, &none):
		return r.withoutSnapshot(none, options)
	case err != nil:
		return info, err
	}
	if r.tree, err = last.finish(info.Zxid); err != nil {
		return info, &DamageError{Dir: r.cfg.SnapDir, Err: fmt.Errorf("%s: %w", info.Name, err)}
	}
	r.noteSnapshot(&info)
	r.stats.StartupSnapMillis.Set(time.Since(begin).Milliseconds())
	r.log.Info("snapshot loaded", zap.String("file", info.Name), zap.Int64("znodes", info.Nodes), zap.Duration("took", time.Since(begin)))
	return info, nil
}

// setAsideOlder renames the snapshots older than the one loaded where the log ends below that one: a
// lost tail, or a history that came from a leader. From an older snapshot the log would lead past what
// is missing, and the next epoch would hide the gap (R13).
func (r *Replica) setAsideOlder(info *snap.Info) error {
	if info.Zxid.Counter() == 0 || info.Zxid <= r.txlog.Last() {
		return nil // counter 0 names no txn
	}
	return r.setAsideSnapshots(func(z zk.Zxid) bool { return z < info.Zxid },
		fmt.Sprintf("the log ends at %v, below %s, and from it writes would be missing", r.txlog.Last(), info.Name))
}

// withoutSnapshot begins with an empty tree if that loses nothing: the directory is new, or its log
// reaches back to the first txn of all, and none of it was ever found missing.
func (r *Replica) withoutSnapshot(none *snap.NoneError, options tree.Options) (snap.Info, error) {
	first, found, err := r.firstLogged()
	if err != nil {
		return snap.Info{}, err
	}
	names, err := r.cfg.FS.List(r.cfg.SnapDir)
	if err != nil {
		return snap.Info{}, err
	}
	gap := slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, AsidePrefix) })
	if gap || len(none.Skipped) > 0 || found && first != zk.MakeZxid(0, 1) && first != zk.MakeZxid(1, 1) {
		return snap.Info{}, &snap.HistoryError{Dir: r.cfg.SnapDir, Snapshot: -1, FirstLog: first, Skipped: none.Skipped}
	}
	r.tree = tree.New(options)
	if found {
		return snap.Info{Zxid: 0}, nil
	}
	view := r.tree.Freeze()
	defer view.Release()
	info, err := snap.Save(r.cfg.FS, r.cfg.SnapDir, view, snap.Options{})
	if err != nil {
		return info, fmt.Errorf("first snapshot: %w", err)
	}
	r.noteSnapshot(&info)
	r.log.Info("new data directory", zap.String("dir", r.cfg.SnapDir))
	return info, nil
}

// firstLogged returns the zxid of the oldest txn in the log; found is false if it is empty.
func (r *Replica) firstLogged() (zxid zk.Zxid, found bool, err error) {
	reader, err := r.txlog.Read(0)
	if err != nil {
		return 0, false, err
	}
	defer reader.Close()
	zxid, _, err = reader.Next()
	if errors.Is(err, io.EOF) {
		return 0, false, nil
	}
	return zxid, err == nil, err
}

func (r *Replica) noteSnapshot(info *snap.Info) {
	r.snapZxid.Store(int64(info.Zxid))
	r.snapTime.Store(info.ModTime.UnixNano())
	r.stats.SnapshotBytes.Set(info.SizeBytes)
}

// replay applies the log behind the snapshot. All of it counts as history, as in ZooKeeper: what was
// logged by a quorum may have been answered.
func (r *Replica) replay(info *snap.Info) error {
	begin := time.Now()
	r.history.reset(info.Zxid)
	reader, err := r.txlog.Read(info.Zxid + 1)
	if err != nil {
		return err
	}
	defer reader.Close()
	var txn proto.Txn
	txns, say := int64(0), r.atTimes()
	reader.TellProgress(func(bytes int64) {
		say("replaying the log: %d KiB read, %d txns, at %v", bytes>>10, txns, r.tree.LastZxid())
	})
	for prev := info.Zxid; ; prev = txn.Header.Zxid {
		zxid, payload, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if !zxid.Follows(prev) {
			if txns == 0 {
				return &snap.HistoryError{Dir: r.cfg.SnapDir, Snapshot: info.Zxid, FirstLog: zxid}
			}
			return r.unusable("txn %v stands behind %v: those between are missing", zxid, prev)
		}
		if err := proto.DecodeTxn(payload, &txn); err != nil {
			return r.unusable("txn %v: %w", zxid, err)
		}
		if err := r.tree.Replay(&txn); err != nil {
			return r.unusable("txn %v: %w", zxid, err)
		}
		r.compareReplayed(info, &txn)
		r.history.append(zxid)
		txns++
	}
	if err := r.tree.CheckACLs(); err != nil {
		return &DamageError{Dir: r.cfg.SnapDir, Err: err}
	}
	if txns == 0 {
		r.compareSnapshotDigest(info)
	}
	r.stats.StartupTxns.Set(txns)
	r.stats.StartupTxnsMillis.Set(time.Since(begin).Milliseconds())
	if txns > 0 {
		r.log.Info("log replayed", zap.Int64("txns", txns), zap.Stringer("zxid", r.tree.LastZxid()), zap.Duration("took", time.Since(begin)))
	}
	return nil
}

// applyLog applies to the tree what the log holds beyond it. mu is held.
func (r *Replica) applyLog() error {
	reader, err := r.txlog.Read(r.tree.LastZxid() + 1)
	if err != nil {
		return err
	}
	defer reader.Close()
	for prev := r.tree.LastZxid(); ; prev = r.txn.Header.Zxid {
		zxid, payload, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !zxid.Follows(prev) && prev != 0 {
			return r.unusable("txn %v stands behind %v: those between are missing", zxid, prev)
		}
		if err := proto.DecodeTxn(payload, &r.txn); err != nil {
			return r.unusable("txn %v: %w", zxid, err)
		}
		if err := r.tree.Replay(&r.txn); err != nil {
			return r.unusable("txn %v: %w", zxid, err)
		}
		r.checkDigest(&r.txn)
	}
}

// compareSnapshotDigest compares a snapshot behind which nothing was replayed. ZooKeeper moves the zxid of the
// digest after it has changed the znodes: its snapshot may hold a part of the next txn, which then is in the log.
func (r *Replica) compareSnapshotDigest(info *snap.Info) {
	if info.HasDigest && info.DigestZxid == info.Zxid && info.Digest != r.tree.Digest() && info.DigestZxid != 0 {
		r.stats.DigestMismatches.Add(1)
		r.note(fmt.Sprintf("the tree's digest %d differs from the one in %s (%d)", r.tree.Digest(), info.Name, info.Digest))
	}
}

// compareReplayed compares the digest after a replayed txn. ZooKeeper's snapshots are taken while
// txns go on, so the tree is exact only behind the zxid at which the snapshot was finished.
func (r *Replica) compareReplayed(info *snap.Info, txn *proto.Txn) {
	z := txn.Header.Zxid
	if info.HasDigest && z <= info.DigestZxid || !txn.HasDigest || txn.Digest.Version != proto.DigestVersion {
		return
	}
	if !info.HasDigest && info.Zxid != 0 {
		return
	}
	if txn.Digest.Tree != r.tree.Digest() {
		if r.stats.DigestMismatches.Load() == 0 {
			r.note(fmt.Sprintf("after txn %v the tree's digest is %d, not %d as when it was made", z, r.tree.Digest(), txn.Digest.Tree))
		}
		r.stats.DigestMismatches.Add(1)
	}
	if z.Counter()%digestEvery == 0 {
		r.digests.add(z, r.tree.Digest())
	}
}
