package replica

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"zkd/quorum/snap"
	"zkd/quorum/txlog"
	"zkd/quorum/zk"
)

// IntentName is the note that a snapshot, which came from a leader, is to take the place of all other history:
// its zxid in hexadecimal. A log and a snapshot cannot be replaced in one step, so:
//
//	1  zkd.switch is written                       nothing has changed
//	2  snapshot.<zxid> gets its name               the new history is whole; from here on it counts
//	3  the log is removed, other snapshots set aside
//	4  zkd.switch is removed
//
// A server that starts between 1 and 2 forgets the note; between 2 and 4 it goes on with 3 (R9).
const IntentName = "zkd.switch"

// maxIntentBytes is more than a zxid takes.
const maxIntentBytes = 64

func (r *Replica) intentFile() string { return path.Join(r.cfg.SnapDir, IntentName) }

// writeIntent does step 1.
func (r *Replica) writeIntent(zxid zk.Zxid) error {
	f, err := r.cfg.FS.Create(r.intentFile() + ".tmp")
	if err != nil {
		return err
	}
	_, err = f.Write(strconv.AppendUint(nil, uint64(zxid), 16))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := r.cfg.FS.Rename(r.intentFile()+".tmp", r.intentFile()); err != nil {
		return err
	}
	return r.cfg.FS.SyncDir(r.cfg.SnapDir)
}

// finishIntent does steps 3 and 4 while the log is open.
func (r *Replica) finishIntent(zxid zk.Zxid) error {
	if err := r.txlog.Replace(zxid); err != nil {
		return err
	}
	if err := r.setAsideOthers(zxid); err != nil {
		return err
	}
	return r.removeIntent()
}

func (r *Replica) setAsideOthers(zxid zk.Zxid) error {
	return r.setAsideSnapshots(func(z zk.Zxid) bool { return z != zxid },
		fmt.Sprintf("the leader's snapshot at %v has taken its place", zxid))
}

func (r *Replica) removeIntent() error {
	if err := r.cfg.FS.Remove(r.intentFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return r.cfg.FS.SyncDir(r.cfg.SnapDir)
}

// resumeIntent looks, before the log is opened, whether a switch was cut short, and brings it to its end but for
// the note, which the caller removes once the server has started from the snapshot.
func (r *Replica) resumeIntent() (switched bool, err error) {
	f, err := r.cfg.FS.Open(r.intentFile())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%s: %w", r.intentFile(), err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxIntentBytes))
	if err = errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("%s: %w", r.intentFile(), err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 16, 64)
	if err != nil {
		return false, fmt.Errorf("%s holds %q, which is no zxid: if the snapshots are whole, remove the file", r.intentFile(), text)
	}
	all, err := snap.List(r.cfg.FS, r.cfg.SnapDir)
	if err != nil {
		return false, err
	}
	for _, s := range all {
		if s.Zxid != zk.Zxid(n) {
			continue
		}
		r.note(fmt.Sprintf("goes on putting %s, from the leader, in the place of the older history", s.Name))
		if err := txlog.RemoveAll(r.cfg.FS, r.cfg.LogDir); err != nil {
			return false, err
		}
		return true, r.setAsideOthers(s.Zxid)
	}
	return false, r.removeIntent()
}
