package txlog

import (
	"bytes"
	"errors"
	"fmt"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// chain checks that records form one history: each zxid follows the one before, or repeats an
// earlier record byte for byte.
type chain struct {
	open       func(logFile) (vfs.File, error)
	maxPayload int

	started bool
	last    zk.Zxid
	shadow  *shadow
}

// opener returns the way to open the files of dir.
func opener(fsys vfs.FS, dir string) func(logFile) (vfs.File, error) {
	return func(file logFile) (vfs.File, error) {
		f, err := fsys.Open(file.path(dir))
		if err != nil {
			return nil, fmt.Errorf("txlog: open: %w", err)
		}
		return f, nil
	}
}

// shadow walks through an earlier run of records while a chain walks through its repetition. Such
// repetitions are ascending runs, so one search serves a whole run.
type shadow struct {
	file vfs.File
	scan *scanner
}

// next takes the next record of the file files[i]. skip is true for a repetition; bad says why the
// record cannot stand here.
func (c *chain) next(files []logFile, i int, r record) (skip bool, bad string, err error) {
	switch {
	case !c.started || r.zxid.Follows(c.last):
		c.started, c.last = true, r.zxid
		return false, "", nil
	case r.zxid > c.last:
		return false, fmt.Sprintf("zxid %v does not follow %v: txns are missing", r.zxid, c.last), nil
	}
	same, found, err := c.repeats(files, i, r)
	switch {
	case err != nil:
		return false, "", err
	case !found:
		return false, fmt.Sprintf("zxid %v comes after %v", r.zxid, c.last), nil
	case !same:
		return false, fmt.Sprintf("zxid %v comes twice with different contents", r.zxid), nil
	}
	return true, "", nil
}

// repeats looks for an earlier record with the zxid of r.
func (c *chain) repeats(files []logFile, i int, r record) (same, found bool, err error) {
	if c.shadow != nil {
		if old, why, err := c.shadow.scan.next(); err == nil && why == stopNone && old.zxid == r.zxid {
			return bytes.Equal(old.payload, r.payload), true, nil
		}
	}
	if err := c.close(); err != nil {
		return false, false, err
	}
	// Within its own file first, up to itself; then backwards through the files that may hold it.
	limit := r.offset
	for ; i >= 0; i-- {
		if files[i].first > r.zxid {
			limit = -1
			continue
		}
		if old, err := c.find(files[i], r.zxid, limit); err != nil || old.payload != nil {
			return bytes.Equal(old.payload, r.payload), err == nil, err
		}
		limit = -1
	}
	return false, false, nil
}

// find leaves the shadow behind the record zxid of a file, if it is there before limit (-1 for the
// end of the file).
func (c *chain) find(file logFile, zxid zk.Zxid, limit int64) (record, error) {
	f, err := c.open(file)
	if err != nil {
		return record{}, err
	}
	if limit < 0 {
		info, err := f.Stat()
		if err != nil {
			return record{}, errors.Join(err, f.Close())
		}
		limit = info.Size()
	}
	s := newScanner(f, headerBytes, limit, c.maxPayload)
	for {
		r, why, err := s.next()
		if err != nil || why != stopNone {
			return record{}, errors.Join(err, f.Close())
		}
		if r.zxid == zxid {
			c.shadow = &shadow{f, s}
			return r, nil
		}
	}
}

// close gives up the shadow.
func (c *chain) close() error {
	if c.shadow == nil {
		return nil
	}
	f := c.shadow.file
	c.shadow = nil
	return f.Close()
}
