package txlog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// cutPrefix begins the names under which Repair and SetAside keep what they took out.
const cutPrefix = "zkd.cut."

// Repaired says what Repair did.
type Repaired struct {
	Damage *CorruptError // what it found, nil for a log that needs no repair
	Kept   []string      // paths of the files with what it took out
	Last   zk.Zxid       // the last txn of the log now
}

// Repair gives up, on the word of an operator, everything from the first damage on that a server
// would meet which starts from a snapshot at snapshot (0 for none). The damaged rest and all later
// files are kept beside the log under names that no server reads. The log must not be open. The
// next Open reports BelowMark where txns were lost that were once durable.
func Repair(fsys vfs.FS, dir string, snapshot zk.Zxid, maxPayload int) (Repaired, error) {
	var done Repaired
	for {
		last, err := firstDamage(fsys, dir, snapshot, maxPayload)
		var damage *CorruptError
		if !errors.As(err, &damage) {
			done.Last = last
			return done, err
		}
		// Damage in the last file is met first; if there is more before it, this comes round again.
		done.Damage = damage
		kept, err := cutDamage(fsys, dir, damage)
		done.Kept = append(done.Kept, kept...)
		if err != nil {
			return done, fmt.Errorf("txlog: repair: %w", err)
		}
	}
}

// firstDamage reads the log as a server would that starts behind a snapshot, without mending
// anything, and returns its last zxid.
func firstDamage(fsys vfs.FS, dir string, snapshot zk.Zxid, maxPayload int) (zk.Zxid, error) {
	o := Options{MaxPayload: maxPayload}.withDefaults()
	e, err := inspect(fsys, dir, o)
	if err != nil {
		return 0, err
	}
	l := &Log{fs: fsys, dir: dir, o: o, files: e.files}
	r, err := l.Read(snapshot + 1)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	for {
		if _, _, err := r.Next(); err == io.EOF {
			return e.last, nil
		} else if err != nil {
			return 0, err
		}
	}
}

// cutDamage puts away everything of the log from the damage on: later files first, so that a crash
// leaves no gap, then the rest of the damaged file.
func cutDamage(fsys vfs.FS, dir string, damage *CorruptError) (kept []string, err error) {
	files, _, err := listFiles(fsys, dir)
	if err != nil {
		return nil, err
	}
	for _, file := range slices.Backward(files) {
		name := file.path(dir)
		if name == damage.File && damage.Offset > headerBytes {
			aside, err := asideName(fsys, dir, fmt.Sprintf("%s.%d", path.Base(name), damage.Offset))
			if err != nil {
				return kept, err
			}
			if err := copyFrom(fsys, name, damage.Offset, aside); err != nil {
				return kept, err
			}
			return append(kept, aside), cutFile(fsys, name, damage.Offset)
		}
		aside, err := SetAside(fsys, dir, path.Base(name))
		if err != nil {
			return kept, err
		}
		kept = append(kept, aside)
		if name == damage.File {
			break
		}
	}
	return kept, nil
}

// SetAside gives the file name in dir, durably, a name by which no server reads it, and returns that: a path.
func SetAside(fsys vfs.FS, dir, name string) (aside string, err error) {
	if aside, err = asideName(fsys, dir, name); err != nil {
		return "", err
	}
	if err := fsys.Rename(path.Join(dir, name), aside); err != nil {
		return "", err
	}
	return aside, fsys.SyncDir(dir)
}

// asideName returns where to keep what is taken out of the log, never over an earlier repair.
func asideName(fsys vfs.FS, dir, name string) (string, error) {
	for n := 1; ; n++ {
		aside := path.Join(dir, cutPrefix+name)
		if n > 1 {
			aside = fmt.Sprintf("%s-%d", aside, n)
		}
		if _, err := fsys.Stat(aside); errors.Is(err, fs.ErrNotExist) {
			return aside, nil
		} else if err != nil {
			return "", err
		}
	}
}

// copyFrom copies a file from offset on and makes the copy durable.
func copyFrom(fsys vfs.FS, name string, offset int64, to string) error {
	from, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer from.Close()
	if _, err := from.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	f, err := fsys.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return fsys.SyncDir(path.Dir(to))
}
