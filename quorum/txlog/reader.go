package txlog

import (
	"fmt"
	"io"
	"slices"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// Reader reads the log in order, over all files, up to what is synced. It may be used while the log
// is appended to and purged, and after the log is closed; it is itself for one goroutine.
type Reader struct {
	log        *Log
	from       zk.Zxid
	generation int

	files     []logFile // as they were when the current file was opened
	at        int       // the current file in files
	f         vfs.File  // nil before the first Next
	scan      *scanner
	chain     chain
	delivered bool
}

// Read returns a reader that begins with the first record at or above from. The log may begin above
// from, or have a gap there that a snapshot covers: the caller checks that the first zxid it gets
// follows what it has. The caller closes the reader.
func (l *Log) Read(from zk.Zxid) (*Reader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &Reader{log: l, from: from, generation: l.generation}
	r.chain = chain{open: opener(l.fs, l.dir), maxPayload: l.o.MaxPayload}
	return r, nil
}

// TellProgress has tell called by Next with the bytes that the reader has read so far, as [Options].Progress is: a Next may
// pass over most of a file before it returns. It comes before the first Next.
func (r *Reader) TellProgress(tell func(bytes int64)) {
	r.chain.open = opener(countReads(r.log.fs, tell), r.log.dir)
}

// Next returns the next record. The payload is a view that the next call overwrites. io.EOF says
// that nothing more is synced; a later call may find more. Damage and gaps are a [*CorruptError].
func (r *Reader) Next() (zk.Zxid, []byte, error) {
	for {
		if r.f == nil {
			if err := r.begin(); err != nil {
				return 0, nil, err
			}
		}
		rec, why, err := r.scan.next()
		if err != nil {
			return 0, nil, err
		}
		if why != stopNone {
			if err := r.more(why); err != nil {
				return 0, nil, err
			}
			continue
		}
		first := r.files[r.at].first
		if rec.offset == headerBytes && rec.zxid != first {
			return 0, nil, r.corrupt(rec.offset, fmt.Sprintf("the first txn is %v, the name of the file says %v", rec.zxid, first))
		}
		if !r.delivered && rec.zxid < r.from {
			r.chain.last = rec.zxid // for messages
			continue
		}
		skip, bad, err := r.chain.next(r.files, r.at, rec)
		if err != nil {
			return 0, nil, err
		}
		if bad != "" {
			return 0, nil, r.corrupt(rec.offset, bad)
		}
		if skip {
			continue
		}
		r.delivered = true
		return rec.zxid, rec.payload, nil
	}
}

// Close lets go of the reader's files.
func (r *Reader) Close() error {
	err := r.chain.close()
	if r.f != nil {
		if closeErr := r.f.Close(); err == nil {
			err = closeErr
		}
		r.f = nil
	}
	return err
}

func (r *Reader) corrupt(offset int64, reason string) error {
	return &CorruptError{
		File: r.files[r.at].path(r.log.dir), Offset: offset, After: r.chain.last, Reason: reason,
	}
}

// begin opens the file in which to look for from. io.EOF: there is none yet.
func (r *Reader) begin() error {
	files, err := r.refresh()
	if err != nil {
		return err
	}
	i := startFile(files, r.from)
	if i < 0 {
		return io.EOF
	}
	return r.open(files, i)
}

// refresh returns the files of the log as they are now.
func (r *Reader) refresh() ([]logFile, error) {
	r.log.mu.Lock()
	defer r.log.mu.Unlock()
	if r.log.generation != r.generation {
		return nil, ErrTruncated
	}
	return slices.Clone(r.log.files), nil
}

// open goes to the first record of files[i].
func (r *Reader) open(files []logFile, i int) error {
	f, err := r.chain.open(files[i])
	if err != nil {
		return err
	}
	if r.f != nil {
		_ = r.f.Close() // only read
	}
	r.f, r.files, r.at = f, files, i
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("txlog: stat %s: %w", f.Name(), err)
	}
	limit := files[i].end
	if limit < 0 {
		limit = info.Size()
	}
	r.scan = newScanner(f, headerBytes, limit, r.log.o.MaxPayload)
	empty, bad, err := checkHeader(f, info.Size())
	if err != nil {
		return err
	}
	if empty {
		r.scan.limit = min(limit, headerBytes) // a gap, if it is one, shows in the next file
	}
	if bad != "" {
		return r.corrupt(0, bad)
	}
	return nil
}

// more is called where the scanner found no record. It returns nil if there is something to read
// now: more of this file, or another.
func (r *Reader) more(why stop) error {
	files, err := r.refresh()
	if err != nil {
		return err
	}
	current := r.files[r.at]
	i, found := slices.BinarySearchFunc(files, current.first, compareFirst)
	if found {
		current = files[i] // else it was purged meanwhile, and what is open is all of it
		i++
	}
	if current.end > r.scan.limit {
		r.files[r.at], r.scan.limit = current, current.end
		return nil
	}
	next := i < len(files)
	t, err := inspectTail(r.scan, why, r.chain.last)
	switch {
	case err != nil:
		return err
	case current.end >= 0 && r.scan.pos != current.end:
		if t.reason == "" {
			t.reason = fmt.Sprintf("records up to byte %d are gone", current.end)
		}
		return r.corrupt(t.offset, t.reason)
	case t.kind != tailClean && (t.kind != tailTorn || !next):
		return r.corrupt(t.offset, t.reason)
	case !next:
		return io.EOF
	}
	return r.open(files, i)
}
