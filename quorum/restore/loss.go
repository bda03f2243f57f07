package restore

import (
	"errors"
	"fmt"
	"path"

	"zkd/quorum/epoch"
	"zkd/quorum/replica"
	"zkd/quorum/snap"
	"zkd/quorum/txlog"
	"zkd/quorum/zk"
)

// Loss is what a server has forgotten of what it had acknowledged.
type Loss struct {
	// Held is where its history ends, and Mark up to where it was durable once: what was acknowledged of the
	// txns between the two and is on no other server is lost.
	Held, Mark zk.Zxid
	// Current is the epoch whose history the server says it holds; where the history ends before that,
	// accepting the loss lowers it to that of Held.
	Current zk.Epoch
}

// Reasons why there is nothing to accept.
var (
	ErrNoLoss = errors.New("this server has lost nothing that it knows of: there is nothing to accept")
	// ErrNothingHeld: an empty server that stands for election could have the others drop what they hold.
	ErrNothingHeld = errors.New("this server holds no data that it could stand for: it can only take that of the others. " +
		"Files that were set aside are zkd.cut.* beside the log and the snapshots: put them back under their old names first")
	// ErrSwitchUnfinished: what the server holds is known once it has started.
	ErrSwitchUnfinished = errors.New("the server was stopped while it put its leader's state in the place of its own: start it once, and stop it")
)

// Loss looks at what a stopped server has lost, and changes nothing but the lock. progress hears how far the
// snapshots have been read; nil for nobody.
//
// Errors: ErrNoLoss, ErrNothingHeld, ErrSwitchUnfinished; *txlog.CorruptError; vfs.ErrLocked if a server has the
// directory; replica.ErrRestoreUnfinished; the file system's.
func (t Target) Loss(progress func(file string, bytes, items int64)) (loss Loss, err error) {
	lock, err := t.lock()
	if err != nil {
		return loss, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	return t.loss(progress)
}

// AcceptLoss gives up what Loss tells: the server may stand for election again with what it holds. The epoch whose
// history it holds is lowered first, to what it does hold, so that members with more of it are preferred.
// After an error the loss is still known, and AcceptLoss is called again.
func (t Target) AcceptLoss(progress func(file string, bytes, items int64)) (loss Loss, err error) {
	lock, err := t.lock()
	if err != nil {
		return loss, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if loss, err = t.loss(progress); err != nil {
		return loss, err
	}
	snapDir, logDir := t.versionDirs()
	f, _, err := epoch.Open(t.FS, snapDir, loss.Held)
	if err == nil {
		err = f.LowerCurrent(loss.Held.Epoch())
	}
	if err == nil {
		_, err = txlog.AcceptEnd(t.FS, logDir, t.MaxPayload)
	}
	return loss, errors.Join(err, t.adoptWritten(snapDir, logDir))
}

// loss looks, under the lock.
func (t Target) loss(progress func(file string, bytes, items int64)) (loss Loss, err error) {
	if t.Unfinished() {
		return loss, replica.ErrRestoreUnfinished
	}
	snapDir, logDir := t.versionDirs()
	if there, err := exists(t.FS, path.Join(snapDir, replica.IntentName)); err != nil {
		return loss, err
	} else if there {
		return loss, ErrSwitchUnfinished
	}
	found, err := txlog.Foresee(t.FS, logDir, t.MaxPayload)
	if err != nil {
		return loss, err
	}
	if !found.BelowMark {
		return loss, ErrNoLoss
	}
	snapshot, err := t.newestWhole(snapDir, progress)
	if err != nil {
		return loss, err
	}
	_, current, err := t.epochsOf(snapDir)
	if err != nil {
		return loss, err
	}
	loss = Loss{Held: max(found.Last, snapshot), Mark: found.Mark, Current: current}
	switch {
	case !found.GivenUp && loss.Held >= found.Mark:
		return loss, ErrNoLoss
	case loss.Held == 0:
		return loss, ErrNothingHeld
	}
	return loss, nil
}

// newestWhole returns the zxid of the newest snapshot that a server could start from, 0 for none.
func (t Target) newestWhole(dir string, progress func(file string, bytes, items int64)) (zk.Zxid, error) {
	candidates, _, err := snap.Candidates(t.FS, dir)
	if err != nil {
		return 0, err
	}
	for _, c := range candidates {
		var tell snap.Progress
		if progress != nil {
			tell = func(bytes, nodes int64) error { progress(c.Name, bytes, nodes); return nil }
		}
		_, err := snap.Verify(t.FS, path.Join(dir, c.Name), tell)
		if damage := (*snap.CorruptError)(nil); errors.As(err, &damage) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("%s: %w", c.Name, err)
		}
		return c.Zxid, nil
	}
	return 0, nil
}
