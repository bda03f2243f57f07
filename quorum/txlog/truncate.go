package txlog

import (
	"errors"
	"fmt"
	"slices"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// cutPoint is where one file is to end.
type cutPoint struct {
	file   logFile
	offset int64
}

// Truncate removes every record above to, durably, and nothing else. The next append must follow to
// and starts a new file. Open readers end with ErrTruncated.
//
// ErrNotInLog: the log holds no record to, and is unchanged; the caller must not guess. After an
// error of reading it is unchanged, too; one of writing is final. A crash meanwhile leaves a log
// without a gap that ends at or above to.
func (l *Log) Truncate(to zk.Zxid) error {
	l.disk.Lock()
	defer l.disk.Unlock()
	if err := l.flush(); err != nil {
		return err
	}
	l.bg.retire(l)
	l.bg.step.Lock()
	defer l.bg.step.Unlock()

	l.mu.Lock()
	files, last := slices.Clone(l.files), l.last
	l.mu.Unlock()
	if to == last {
		return nil
	}
	i := startFile(files, to)
	if to > last || i < 0 {
		return fmt.Errorf("%w: %v, the log ends with %v", ErrNotInLog, to, last)
	}
	cuts, err := l.cutsAbove(files[:i+1], to)
	if err != nil {
		return err
	}
	l.bg.enter(nil)
	if l.active != nil {
		_ = l.active.f.Close() // all of it is synced
		l.active = nil
	}
	if err := l.cut(files[i+1:], cuts, to); err != nil {
		return l.fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = l.files[:startFile(l.files, to)+1] // not i: a purge may have been at work
	for _, c := range cuts {
		if at, found := slices.BinarySearchFunc(l.files, c.file.first, compareFirst); found {
			l.files[at].end = c.offset
		}
	}
	l.last, l.durable, l.newFile, l.forgotten = to, to, true, 0
	l.generation++
	return nil
}

// cutsAbove returns where files must end so that the last one ends with the record to. More than one
// file is cut only where ZooKeeper logged txns twice.
func (l *Log) cutsAbove(files []logFile, to zk.Zxid) ([]cutPoint, error) {
	var cuts []cutPoint
	for i, file := range slices.Backward(files) {
		newest := i == len(files)-1
		c, found, err := l.cutAbove(file, to)
		switch {
		case err != nil:
			return nil, err
		case newest && !found:
			return nil, fmt.Errorf("%w: %v", ErrNotInLog, to)
		case c.offset < 0: // the history above to does not reach back into this file
			return cuts, nil
		}
		cuts = append(cuts, c)
	}
	return cuts, nil
}

// cutAbove finds the first record above to in a file; offset is -1 if there is none, but in the
// file that ends with to itself. found says whether the file holds to before it.
func (l *Log) cutAbove(file logFile, to zk.Zxid) (c cutPoint, found bool, err error) {
	f, err := opener(l.fs, l.dir)(file)
	if err != nil {
		return c, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return c, false, fmt.Errorf("txlog: stat: %w", err)
	}
	limit := info.Size()
	if file.end >= 0 {
		limit = file.end
	}
	s := newScanner(f, headerBytes, limit, l.o.MaxPayload)
	for {
		r, why, err := s.next()
		if err != nil {
			return c, false, err
		}
		if why != stopNone && found {
			return cutPoint{file, s.pos}, true, nil
		}
		if why != stopNone {
			return cutPoint{file, -1}, false, nil
		}
		if r.zxid > to {
			return cutPoint{file, r.offset}, found, nil
		}
		found = found || r.zxid == to
	}
}

// cut lowers the mark, so that the cut is not taken for a loss, then removes the later files, the
// last one first, then cuts. The caller holds step.
func (l *Log) cut(later []logFile, cuts []cutPoint, to zk.Zxid) error {
	l.mu.Lock()
	m := mark{open: true, givenUp: l.givenUp, file: cuts[0].file.first, offset: cuts[0].offset, zxid: to}
	l.mu.Unlock()
	if err := l.bg.mark.write(m); err != nil {
		return err
	}
	l.mu.Lock()
	l.synced = m
	l.mu.Unlock()
	for _, file := range slices.Backward(later) {
		if err := removeDurably(l.fs, l.dir, file); err != nil {
			return err
		}
	}
	for _, c := range cuts {
		if err := cutFile(l.fs, c.file.path(l.dir), c.offset); err != nil {
			return fmt.Errorf("txlog: truncate %s: %w", fileName(c.file.first), err)
		}
	}
	return nil
}

// cutFile ends a file at offset, durably.
func cutFile(fsys vfs.FS, name string, offset int64) error {
	f, err := fsys.OpenReadWrite(name)
	if err != nil {
		return err
	}
	err = f.Truncate(offset)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// PurgeBelow removes the files that a server which starts from a snapshot at keep does not read,
// and returns their names: files that hold no record above keep. The file that is written stays.
func (l *Log) PurgeBelow(keep zk.Zxid) (removed []string, err error) {
	for {
		l.mu.Lock()
		if len(l.files) < 2 || l.files[1].first > keep+1 {
			l.mu.Unlock()
			return removed, nil
		}
		file := l.files[0]
		l.files = l.files[1:]
		l.mu.Unlock()
		if err := removeDurably(l.fs, l.dir, file); err != nil {
			return removed, err
		}
		removed = append(removed, fileName(file.first))
	}
}
