package txlog

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"sync"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// nextName is the file that waits to become the next log file. ZooKeeper does not look at it.
const nextName = "zkd.next"

// activeFile is the file that is appended to. Allocation runs beside writing: it only adds zeros
// behind what is allocated, and a write that needs to go there waits for it, or keeps it from
// starting.
type activeFile struct {
	f     vfs.File
	first zk.Zxid
	end   int64 // of the records; used by the goroutine that holds Log.disk only

	mu         sync.Mutex
	idle       sync.Cond // allocating has become false
	written    int64     // end, for the allocator
	allocated  int64     // size of the file
	allocating bool
	growing    bool // a write behind allocated is under way
}

func newActiveFile(f vfs.File, first zk.Zxid, allocated int64) *activeFile {
	a := &activeFile{f: f, first: first, end: headerBytes, written: headerBytes, allocated: allocated}
	a.idle.L = &a.mu
	return a
}

// write writes records behind the others.
func (a *activeFile) write(b []byte) error {
	end := a.end + int64(len(b))
	a.mu.Lock()
	for a.allocating && end > a.allocated {
		a.idle.Wait()
	}
	a.growing = end > a.allocated
	a.mu.Unlock()

	_, err := a.f.WriteAt(b, a.end)

	a.mu.Lock()
	defer a.mu.Unlock()
	a.growing = false
	if err != nil {
		return fmt.Errorf("txlog: write %s: %w", fileName(a.first), err)
	}
	a.end, a.written, a.allocated = end, end, max(a.allocated, end)
	return nil
}

// low reports whether less than half a chunk is allocated ahead.
func (a *activeFile) low(chunk int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.allocated-a.written < chunk/2
}

// allocate adds a chunk of zeros if less than half of one is left, and syncs it. It does nothing if
// a write is just making the file longer.
//
// It opens the file anew: the kernel tells of a failed write-back once to each open file description,
// and what this sync learns, the sync of records under way must learn as well.
func (a *activeFile) allocate(fsys vfs.FS, dir string, chunk int64, sync bool) error {
	a.mu.Lock()
	from := a.allocated
	if a.growing || from-a.written >= chunk/2 {
		a.mu.Unlock()
		return nil
	}
	a.allocating = true
	a.mu.Unlock()

	err := allocateAt(fsys, logFile{first: a.first}.path(dir), from, chunk, sync)

	a.mu.Lock()
	defer a.mu.Unlock()
	a.allocating = false
	a.idle.Broadcast()
	if err != nil {
		return fmt.Errorf("txlog: allocate %s: %w", fileName(a.first), err)
	}
	a.allocated = from + chunk
	return nil
}

// allocateAt adds zeros to a file through a descriptor of its own.
func allocateAt(fsys vfs.FS, name string, from, chunk int64, sync bool) error {
	f, err := fsys.OpenReadWrite(name)
	if err != nil {
		return err
	}
	if err = f.Allocate(from, chunk); err == nil && sync {
		if err = f.Sync(); err != nil {
			err = &syncError{err} // what was written meanwhile may be lost: nobody may try it again
		}
	}
	return errors.Join(err, f.Close())
}

// trim gives back what is allocated and not used.
func (a *activeFile) trim() error {
	if err := a.f.Truncate(a.end); err != nil {
		return fmt.Errorf("txlog: trim %s: %w", fileName(a.first), err)
	}
	return nil
}

// syncError marks an error of fsync, which is final whatever its cause.
type syncError struct{ err error }

func (e *syncError) Error() string { return e.err.Error() }
func (e *syncError) Unwrap() error { return e.err }

// switchFile leaves the active file and makes the one that begins with first: the prepared one if
// it is ready, else a new one. When it returns, header and name are durable. The caller holds disk.
func (l *Log) switchFile(first zk.Zxid) error {
	name := logFile{first: first}.path(l.dir)
	if _, err := l.fs.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("txlog: make %s: the file exists and is not overwritten", name), err)
	}
	if l.active != nil {
		l.bg.leave()
		l.active = nil
	}
	f, size, err := l.bg.takeNext(l, name)
	if err != nil {
		return err
	}
	if f == nil {
		if f, err = newFile(l.fs, name, 0, !l.o.NoSync); err != nil {
			return err
		}
		size = headerBytes
	}
	l.active = newActiveFile(f, first, size)
	l.bg.enter(l.active)
	if !l.o.NoSync {
		if err := l.fs.SyncDir(l.dir); err != nil {
			return fmt.Errorf("txlog: sync %s: %w", l.dir, err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = append(l.files, logFile{first: first, end: headerBytes})
	return nil
}

// newFile makes a log file with a header and extra zeros.
func newFile(fsys vfs.FS, name string, extra int64, sync bool) (vfs.File, error) {
	f, err := fsys.Create(name)
	if err != nil {
		return nil, fmt.Errorf("txlog: make %s: %w", path.Base(name), err)
	}
	_, err = f.WriteAt(fileHeader(), 0)
	if err == nil && extra > 0 {
		err = f.Allocate(headerBytes, extra)
	}
	if err == nil && sync {
		err = f.Sync()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("txlog: make %s: %w", path.Base(name), err), f.Close())
	}
	return f, nil
}
