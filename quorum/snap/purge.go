package snap

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// Purged is what a purge did.
type Purged struct {
	// Kept are the snapshots that stay as they were read and found whole, newest first.
	Kept []Info
	// Damaged were found not to be. They stay, unless they are older than the last one kept.
	Damaged []Skipped
	// Removed are the names of the files that are gone.
	Removed []string
	// NeedLogsFrom is the zxid of the oldest snapshot kept: recovery from any of them may want
	// every txn above it, and none below. 0 if not enough is known: keep all logs.
	NeedLogsFrom zk.Zxid
}

// Purge keeps the newest retain (1 or more) snapshots of dir that are whole and removes all older
// ones, and what interrupted writers left behind. It must not run at the same time as [Save].
//
// A snapshot is only relied on after it has been read to its end: the one removed may be the only
// other (ZOOKEEPER-3231). whole, which may be nil, holds by name those that this process has read
// before, so that each is read once; Purge adds to it and takes out what it removes. As long as there
// are no more than retain files, nothing is read, nothing is removed and NeedLogsFrom is 0.
//
// Errors are those of progress and of the file system. What was removed so far is in the result.
func Purge(fsys vfs.FS, dir string, retain int, whole map[string]Info, p Progress) (Purged, error) {
	retain = max(retain, 1)
	if whole == nil {
		whole = make(map[string]Info)
	}
	var done Purged
	if err := removeLeftovers(fsys, dir, &done); err != nil {
		return done, err
	}
	all, err := List(fsys, dir)
	if err != nil {
		return done, err
	}
	if len(all) > retain {
		err = purge(fsys, dir, all, retain, whole, p, &done)
	}
	if err == nil && len(done.Removed) > 0 {
		if err = fsys.SyncDir(dir); err != nil {
			err = fmt.Errorf("snap: sync %s: %w", dir, err)
		}
	}
	return done, err
}

func purge(fsys vfs.FS, dir string, all []Candidate, retain int, whole map[string]Info, p Progress, done *Purged) error {
	for _, c := range all {
		if len(done.Kept) == retain {
			break
		}
		info, read := whole[c.Name]
		var err error
		if !read {
			info, err = Verify(fsys, path.Join(dir, c.Name), p)
		}
		if stopped := (*stoppedError)(nil); errors.As(err, &stopped) {
			return err
		} else if err != nil {
			done.Damaged = append(done.Damaged, Skipped{c.Name, err})
		} else {
			whole[c.Name] = info
			done.Kept = append(done.Kept, info)
		}
	}
	if len(done.Kept) < retain {
		return nil // not enough is whole to give anything up
	}
	oldest := done.Kept[len(done.Kept)-1].Zxid
	done.NeedLogsFrom = oldest
	for _, c := range all {
		if c.Zxid >= oldest {
			continue
		}
		delete(whole, c.Name)
		if err := removeSnapshot(fsys, dir, c.Name, p, done); err != nil {
			return err
		}
	}
	return nil
}

// removeLeftovers removes files that were never finished, zkd's and ZooKeeper's.
func removeLeftovers(fsys vfs.FS, dir string, done *Purged) error {
	names, err := fsys.List(dir)
	if err != nil {
		return fmt.Errorf("snap: list %s: %w", dir, err)
	}
	for _, name := range names {
		java := strings.HasPrefix(name, namePrefix) && strings.HasSuffix(name, javaTmpSuffix)
		if !java && !strings.HasPrefix(name, tmpPrefix) {
			continue
		}
		if err := remove(fsys, dir, name, done); err != nil {
			return err
		}
	}
	return nil
}

// shrinkBytes is how much of a large file is given back to the file system at a time.
const shrinkBytes = 8 << 20

// removeSnapshot removes a snapshot, a large one in steps: file systems that tell the disk at once what
// is free again keep it busy for as long as that takes, and the log's syncs waiting behind it.
func removeSnapshot(fsys vfs.FS, dir, name string, p Progress, done *Purged) error {
	info, err := fsys.Stat(path.Join(dir, name))
	if err != nil {
		return fmt.Errorf("snap: remove: %w", err)
	}
	if info.Size() <= 2*shrinkBytes {
		return remove(fsys, dir, name, done)
	}
	// Under this name it is a leftover if it is not gone when the server ends.
	leftover := path.Join(dir, tmpPrefix+name)
	if err := fsys.Rename(path.Join(dir, name), leftover); err != nil {
		return fmt.Errorf("snap: remove: %w", err)
	}
	if err := shrink(fsys, leftover, info.Size(), p); err != nil {
		return err
	}
	if err := fsys.Remove(leftover); err != nil {
		return fmt.Errorf("snap: remove %s: %w", leftover, err)
	}
	done.Removed = append(done.Removed, name)
	return nil
}

func shrink(fsys vfs.FS, name string, size int64, p Progress) error {
	f, err := fsys.OpenReadWrite(name)
	if err != nil {
		return fmt.Errorf("snap: remove: %w", err)
	}
	for size > shrinkBytes && err == nil {
		size -= shrinkBytes
		if err = f.Truncate(size); err == nil {
			err = f.Sync()
		}
		if err == nil && p != nil {
			err = p(size, 0)
		}
	}
	return errors.Join(err, f.Close())
}

func remove(fsys vfs.FS, dir, name string, done *Purged) error {
	if err := fsys.Remove(path.Join(dir, name)); err != nil {
		return fmt.Errorf("snap: remove %s: %w", path.Join(dir, name), err)
	}
	done.Removed = append(done.Removed, name)
	return nil
}
