package restore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"zkd/quorum/epoch"
	"zkd/quorum/replica"
	"zkd/quorum/snap"
	"zkd/quorum/txlog"
	"zkd/quorum/zk"
)

// Resynced is what Resync did.
type Resynced struct {
	// Reached is how far the data had reached, as far as that could be read.
	Reached zk.Zxid
	// Accepted and Current are the epochs, which stay.
	Accepted, Current zk.Epoch
	// Aside are the paths of what was set aside.
	Aside []string
}

// Resync sets aside the log and the snapshots of a member of an ensemble, so that it takes everything from the others.
//
// A mark in the log says first, durably, that this server has forgotten what it had acknowledged: from then on it
// neither stands for election nor votes, however much of its data is still in place, before it has taken the state
// of a leader whom others have elected (R18). So there is no moment at which a crash does harm: a start finds
// the data as it was, or a server that knows what it has lost. After an error Resync is called again.
//
// Whether there is an ensemble is for the caller to know: a server that stands alone would lose everything.
//
// Errors: vfs.ErrLocked if a server has the directory; replica.ErrRestoreUnfinished; the file system's.
func (t Target) Resync() (res Resynced, err error) {
	lock, err := t.lock()
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if t.Unfinished() {
		return res, replica.ErrRestoreUnfinished
	}
	snapDir, logDir := t.versionDirs()
	for _, dir := range []string{snapDir, logDir} {
		if err := t.FS.MkdirAll(dir); err != nil {
			return res, err
		}
		if err := t.adopt(dir); err != nil {
			return res, err
		}
	}
	if res.Reached, err = t.reached(snapDir, logDir); err != nil {
		return res, err
	}
	// What the history proves about the epochs is lost with it (R21).
	f, _, err := epoch.Open(t.FS, snapDir, res.Reached)
	if err != nil {
		return res, err
	}
	res.Accepted, res.Current = f.Accepted(), f.Current()
	if err := t.adoptWritten(snapDir, logDir); err != nil {
		return res, err
	}
	if err := txlog.GiveUp(t.FS, logDir, res.Reached); err != nil {
		return res, err
	}
	if err := t.adoptWritten(snapDir, logDir); err != nil {
		return res, err
	}
	// A switch to a leader's snapshot that was cut short would remove the mark, so the note of it goes first.
	for _, which := range []struct {
		dir  string
		mine func(name string) bool
	}{
		{snapDir, func(name string) bool { return name == replica.IntentName }},
		{logDir, func(name string) bool { return strings.HasPrefix(name, "log.") }},
		{snapDir, func(name string) bool {
			return strings.HasPrefix(name, "snapshot.") || strings.HasPrefix(name, replica.AsidePrefix)
		}},
	} {
		if err := t.setAside(which.dir, which.mine, &res); err != nil {
			return res, err
		}
	}
	return res, nil
}

// versionDirs are the directories of the snapshots and of the log.
func (t Target) versionDirs() (snapshots, log string) {
	snapshots = path.Join(t.DataDir, versionDir)
	if t.LogDir == "" {
		return snapshots, snapshots
	}
	return snapshots, path.Join(t.LogDir, versionDir)
}

// reached is how far the data reaches at least, whatever of it is damaged.
func (t Target) reached(snapDir, logDir string) (zk.Zxid, error) {
	reached, err := txlog.Reached(t.FS, logDir, t.MaxPayload)
	if err != nil {
		return 0, err
	}
	all, err := snap.List(t.FS, snapDir)
	if err != nil {
		return 0, err
	}
	for _, s := range all {
		reached = max(reached, s.Zxid)
	}
	return reached, nil
}

// setAside renames what is asked for, the newest first: a crash leaves no gap.
func (t Target) setAside(dir string, which func(name string) bool, res *Resynced) error {
	names, err := t.FS.List(dir)
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !which(name) })
	slices.SortFunc(names, func(a, b string) int { // by zxid: a longer number is a higher one
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(b, a))
	})
	for _, name := range names {
		aside, err := txlog.SetAside(t.FS, dir, name)
		if err != nil {
			return fmt.Errorf("set aside %s: %w", path.Join(dir, name), err)
		}
		res.Aside = append(res.Aside, aside)
	}
	return nil
}

// adoptWritten gives the server what its user must be able to write, where it was made here.
func (t Target) adoptWritten(snapDir, logDir string) error {
	for _, name := range []string{
		path.Join(snapDir, "acceptedEpoch"), path.Join(snapDir, "currentEpoch"), path.Join(logDir, txlog.MarkName),
	} {
		if err := t.adopt(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
