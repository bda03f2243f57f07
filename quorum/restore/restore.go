package restore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"zkd/quorum/epoch"
	"zkd/quorum/inspect"
	"zkd/quorum/replica"
	"zkd/quorum/snap"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// Target is the data of one server.
type Target struct {
	FS      vfs.FS
	DataDir string
	LogDir  string // "" is DataDir
	// MaxPayload is the longest record that the server reads back from its log, see replica.MaxPayload; 0 is what
	// ZooKeeper does by default.
	MaxPayload int
	// Adopt, nil for nothing, gives what was made to the user of the server, before it is used.
	Adopt func(name string) error
	// Stamp ends the names of what is set aside: a time, in the order of its letters.
	Stamp string
}

// Options of a restore.
type Options struct {
	// Fuzzy allows a snapshot of ZooKeeper's that holds parts of transactions behind it.
	Fuzzy bool
	// Progress hears how far the file has been read; nil for nobody.
	Progress func(file string, bytes, items int64)
}

// Result is what was done.
type Result struct {
	Zxid zk.Zxid // of the snapshot
	Info snap.Info
	// Note says what of the snapshot could not be checked, "" if all could.
	Note string
	// Accepted and Current are the epochs that the server goes on from.
	Accepted, Current zk.Epoch
	// Aside are the directories that hold what was there before.
	Aside []string
	// Resumed says that an earlier restore, cut short, was undone first.
	Resumed bool
}

// FuzzyError refuses a snapshot that is no state at one zxid.
type FuzzyError struct {
	File       string
	Zxid, Upto zk.Zxid
}

func (e *FuzzyError) Error() string {
	return fmt.Sprintf("%s was written while transactions went on: it holds parts of those from %v to %v, and without the log behind it is a state that never was",
		e.File, e.Zxid, e.Upto)
}

// Restore puts the snapshot in the file called name in the place of the data, which it sets aside. After an error the
// data is as it was, or, where a move failed, no server starts before Restore or Undo has been called again.
//
// Errors: vfs.ErrLocked if a server has the directory; inspect.ErrDamaged; *FuzzyError; the file system's.
func (t Target) Restore(name string, o Options) (res Result, err error) {
	lock, err := t.lock()
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if res.Resumed, err = t.rollBack(); err != nil {
		return res, err
	}
	moves := t.moves(beforePrefix)
	if err := t.unused(moves); err != nil {
		return res, err
	}
	for _, m := range moves { // an earlier attempt may have left some
		if err := t.clear(m.incoming); err != nil {
			return res, err
		}
	}
	if err := t.take(name, o, &res); err != nil {
		for _, m := range moves {
			err = errors.Join(err, t.clear(m.incoming))
		}
		return res, err
	}
	if err := t.perform(moves); err != nil {
		return res, err
	}
	res.Aside, err = t.present(moves)
	return res, err
}

// Undo puts back what the newest restore has set aside, and sets aside what was made since. Of a restore that was cut
// short it undoes what was done.
func (t Target) Undo() (res Result, err error) {
	lock, err := t.lock()
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if res.Resumed, err = t.rollBack(); err != nil || res.Resumed {
		return res, err
	}
	moves := t.moves(afterPrefix)
	if err := t.unused(moves); err != nil {
		return res, err
	}
	stamp := ""
	for i := range moves {
		base := path.Dir(moves[i].dir)
		if i == 0 {
			if stamp, err = t.newest(base); err != nil {
				return res, err
			}
		}
		moves[i].incoming = path.Join(base, beforePrefix+stamp)
		if there, err := exists(t.FS, moves[i].incoming); err != nil {
			return res, err
		} else if !there {
			return res, fmt.Errorf("%s is not there: nothing is changed", moves[i].incoming)
		}
	}
	if err := t.keepEpochs(moves[0].dir, moves[0].incoming, false, &res); err != nil {
		return res, err
	}
	if err := t.perform(moves); err != nil {
		return res, err
	}
	res.Aside, err = t.present(moves)
	return res, err
}

func (t Target) lock() (io.Closer, error) {
	if err := t.FS.MkdirAll(t.DataDir); err != nil {
		return nil, err
	}
	lock, err := t.FS.Lock(path.Join(t.DataDir, replica.LockName))
	if err != nil {
		return nil, fmt.Errorf("stop the server first: %w", err)
	}
	return lock, t.adopt(path.Join(t.DataDir, replica.LockName))
}

// moves are those of the directory of the snapshots and, if it is another one, of the log.
func (t Target) moves(asidePrefix string) []move {
	dirs := []string{t.DataDir}
	if t.LogDir != "" && path.Clean(t.LogDir) != path.Clean(t.DataDir) {
		dirs = append(dirs, t.LogDir)
	}
	var moves []move
	for _, dir := range dirs {
		moves = append(moves, move{path.Join(dir, versionDir), path.Join(dir, incomingName), path.Join(dir, asidePrefix+t.Stamp)})
	}
	return moves
}

// unused returns an error if something is where the data would be set aside.
func (t Target) unused(moves []move) error {
	taken, err := t.present(moves)
	if err == nil && len(taken) > 0 {
		err = fmt.Errorf("%s is there already: nothing is changed", taken[0])
	}
	return err
}

// present are the directories that were set aside: without data there was none.
func (t Target) present(moves []move) (aside []string, err error) {
	for _, m := range moves {
		there, err := exists(t.FS, m.aside)
		if err != nil {
			return nil, err
		}
		if there {
			aside = append(aside, m.aside)
		}
	}
	return aside, nil
}

// newest returns the stamp of the newest data that a restore has set aside.
func (t Target) newest(dir string) (stamp string, err error) {
	names, err := t.FS.List(dir)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if s, ok := strings.CutPrefix(name, beforePrefix); ok {
			stamp = max(stamp, s)
		}
	}
	if stamp == "" {
		return "", fmt.Errorf("there is no %s* in %s: no restore can be undone", beforePrefix, dir)
	}
	return stamp, nil
}

// clear removes a directory that is not in use yet.
func (t Target) clear(dir string) error {
	names, err := t.FS.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := t.FS.Remove(path.Join(dir, name)); err != nil {
			return err
		}
	}
	return t.FS.Remove(dir)
}

func (t Target) adopt(name string) error {
	if t.Adopt == nil {
		return nil
	}
	return t.Adopt(name)
}

// take makes the new directories: a copy of the snapshot, read back, and the epochs.
func (t Target) take(name string, o Options, res *Result) error {
	moves := t.moves(beforePrefix)
	for _, m := range moves {
		if err := t.FS.MkdirAll(m.incoming); err != nil {
			return err
		}
		if err := t.adopt(m.incoming); err != nil {
			return err
		}
	}
	dir := moves[0].incoming
	tmp := path.Join(dir, "copy")
	if err := t.copy(name, tmp, o); err != nil {
		return err
	}
	final, err := t.named(tmp, path.Base(name), o)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	// By its name it is known where it was taken, and so whether its znodes must be those of its digest.
	info, note, err := inspect.CheckSnapshot(t.FS, final, inspect.Options{Progress: o.Progress})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := usable(name, info, o.Fuzzy); err != nil {
		return err
	}
	res.Info, res.Note, res.Zxid = info, note, info.Zxid
	// A name may promise another compression than the file has: a server would pass it over.
	if right := path.Join(dir, snap.FileName(info.Zxid, info.Compression)); right != final {
		if err := t.FS.Rename(final, right); err != nil {
			return err
		}
		final = right
	}
	if err := t.adopt(final); err != nil {
		return err
	}
	if err := t.keepEpochs(moves[0].dir, dir, true, res); err != nil {
		return err
	}
	return t.FS.SyncDir(dir)
}

// named gives the copy the name of a snapshot: the one that the file had or, if that was another, one by the zxid that
// the file says itself that it was taken at. Whether that is so is for the digest to say.
func (t Target) named(tmp, base string, o Options) (final string, err error) {
	if _, _, ok := snap.ParseFileName(base); !ok {
		var tell snap.Progress
		if o.Progress != nil {
			tell = func(bytes, nodes int64) error { o.Progress(base, bytes, nodes); return nil }
		}
		info, err := snap.Verify(t.FS, tmp, tell)
		if corrupt := (*snap.CorruptError)(nil); errors.As(err, &corrupt) {
			return "", fmt.Errorf("%w: %w", inspect.ErrDamaged, err)
		} else if err != nil {
			return "", err
		}
		if !info.HasDigest || !info.HasLastProcessed || info.DigestZxid != info.LastProcessed {
			return "", errors.New("it does not say at which zxid it was taken: give it its name again, snapshot. and the zxid in hexadecimal")
		}
		base = snap.FileName(info.LastProcessed, info.Compression)
	}
	final = path.Join(path.Dir(tmp), base)
	return final, t.FS.Rename(tmp, final)
}

// usable returns why the state of a whole snapshot cannot be gone on from, nil if it can.
func usable(file string, info snap.Info, fuzzy bool) error {
	switch {
	case info.HasDigest && info.DigestZxid < info.Zxid:
		return fmt.Errorf("%s is not the snapshot of its name: it was taken at %v", file, info.DigestZxid)
	case info.HasDigest && info.DigestZxid > info.Zxid && !fuzzy:
		return &FuzzyError{file, info.Zxid, info.DigestZxid}
	}
	return nil
}

func (t Target) copy(from, to string, o Options) error {
	in, err := t.FS.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := t.FS.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(&counted{w: out, file: from, tell: o.Progress}, in)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("copy %s to %s: %w", from, to, err)
	}
	return nil
}

// counted tells how much was written.
type counted struct {
	w     io.Writer
	file  string
	bytes int64
	tell  func(file string, bytes, items int64)
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if c.bytes += int64(n); c.tell != nil {
		c.tell(c.file, c.bytes, 0)
	}
	return n, err
}

// keepEpochs makes the epochs of to at least what from has promised: accepted always, and with current also the
// epoch whose history it holds. from is not changed; it may be missing.
func (t Target) keepEpochs(from, to string, current bool, res *Result) error {
	accepted, held, err := t.epochsOf(from)
	if err != nil {
		return err
	}
	f, _, err := epoch.Open(t.FS, to, res.Zxid)
	if err != nil {
		return err
	}
	if current && held > f.Current() {
		accepted = max(accepted, held)
	}
	if accepted > f.Accepted() {
		if err := f.SetAccepted(accepted); err != nil {
			return err
		}
	}
	if current && held > f.Current() {
		if err := f.SetCurrent(held); err != nil {
			return err
		}
	}
	res.Accepted, res.Current = f.Accepted(), f.Current()
	names, err := t.FS.List(to)
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "Epoch") {
			if err := t.adopt(path.Join(to, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// epochsOf reads what a directory has promised, and changes nothing: its epoch files and, where a crash came before
// they were written, the names of its files. 0 where there is nothing.
func (t Target) epochsOf(dir string) (accepted, current zk.Epoch, err error) {
	var read [2]zk.Epoch
	for i, name := range []string{"acceptedEpoch", "currentEpoch"} {
		if read[i], err = t.epochFile(path.Join(dir, name)); err != nil {
			return 0, 0, err
		}
	}
	accepted, current = read[0], read[1]
	names, err := t.FS.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, err
	}
	for _, m := range t.moves("") {
		if path.Dir(m.dir) == path.Dir(dir) || path.Base(dir) != versionDir {
			continue
		}
		more, err := t.FS.List(m.dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, 0, err
		}
		names = slices.Concat(names, more)
	}
	for _, name := range names {
		digits, isLog := strings.CutPrefix(name, "log.")
		if zxid, _, ok := snap.ParseFileName(name); ok {
			current = max(current, zxid.Epoch())
		} else if n, err := strconv.ParseInt(digits, 16, 64); isLog && err == nil && n > 0 {
			current = max(current, zk.Zxid(n).Epoch())
		}
	}
	return max(accepted, current), current, nil
}

func (t Target) epochFile(name string) (zk.Epoch, error) {
	f, err := t.FS.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s holds %q, which is no epoch: without it nobody can say which epochs were promised", name, text)
	}
	return zk.Epoch(n), nil
}
