package txlog

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"go.uber.org/zap"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// Recovery says what Open found and mended.
type Recovery struct {
	// Last is the zxid of the last good record, 0 for an empty log.
	Last zk.Zxid
	// CutFile, if not "", is the file whose torn tail was cut: CutBytes of data behind CutOffset.
	CutFile   string
	CutOffset int64
	CutBytes  int64
	// EmptyFilesRemoved are the files without a record that were removed from the end of the log.
	EmptyFilesRemoved []string
	// Mark is the zxid up to which the log was once known to be durable, 0 for not known.
	// BelowMark says that the log ends below it: what it once held is gone. Unless a snapshot
	// reaches Mark, the server has forgotten acknowledged txns, and must not stand for election
	// before it has them again. It stays set over restarts until the log has passed Mark.
	Mark      zk.Zxid
	BelowMark bool
	// GivenUp says that GiveUp was called: whatever the log holds, it counts as forgotten up to Mark,
	// until Replace puts another history in its place. BelowMark is set then, too.
	GivenUp bool
}

// Open opens the log in dir, making the directory if need be. It scans the last file, repairs the
// end of the log as a crash leaves it, and makes what is left durable: after it, all of it is
// history. Files that it finds are never appended to.
//
// Only one Log may be open in a directory; the caller holds a lock. Damage is a [*CorruptError], and
// then nothing was changed.
func Open(fsys vfs.FS, dir string, o Options) (*Log, Recovery, error) {
	o = o.withDefaults()
	if err := fsys.MkdirAll(dir); err != nil {
		return nil, Recovery{}, fmt.Errorf("txlog: %w", err)
	}
	e, err := inspect(countReads(fsys, o.Progress), dir, o)
	if err != nil {
		return nil, Recovery{}, err
	}
	rec, err := e.repair()
	if err != nil {
		return nil, Recovery{}, err
	}
	report(o.Logger, dir, rec)

	l := &Log{fs: fsys, dir: dir, o: o, files: e.files, last: rec.Last, durable: rec.Last, newFile: true}
	if rec.BelowMark {
		l.forgotten, l.givenUp = rec.Mark, rec.GivenUp
	}
	l.synced = mark{open: true, givenUp: l.givenUp, zxid: max(rec.Last, rec.Mark)}
	if n := len(e.files); n > 0 {
		l.synced.file, l.synced.offset = e.files[n-1].first, e.files[n-1].end
	}
	if l.bg.mark, err = openMark(fsys, dir, e.seq); err != nil {
		return nil, Recovery{}, err
	}
	if err := l.bg.mark.write(l.synced); err != nil {
		return nil, Recovery{}, errors.Join(err, l.bg.mark.f.Close())
	}
	l.bg.start(l)
	return l, rec, nil
}

func report(logger *zap.Logger, dir string, rec Recovery) {
	if rec.CutFile != "" {
		logger.Info("torn tail of the transaction log cut", zap.String("file", path.Join(dir, rec.CutFile)),
			zap.Int64("offset", rec.CutOffset), zap.Int64("bytes", rec.CutBytes), zap.Stringer("zxid", rec.Last))
	}
	for _, name := range rec.EmptyFilesRemoved {
		logger.Info("empty transaction log file removed", zap.String("file", path.Join(dir, name)))
	}
	switch {
	case rec.GivenUp:
		logger.Warn("transaction log was given up: what takes its place must come from elsewhere", zap.String("dir", dir),
			zap.Stringer("zxid", rec.Last), zap.Stringer("mark", rec.Mark))
	case rec.BelowMark:
		logger.Warn("transaction log ends before what was once durable", zap.String("dir", dir),
			zap.Stringer("zxid", rec.Last), zap.Stringer("mark", rec.Mark))
	}
}

// ending finds where a log ends and what must be mended there.
type ending struct {
	fs     vfs.FS
	dir    string
	o      Options
	files  []logFile // those that stay; the last of them has its end set
	mark   mark
	seq    uint64 // of the mark
	marked bool

	empty   []logFile // without a record, last first
	last    zk.Zxid
	cutFile *logFile
	cut     tail
	size    int64 // of the last file that stays
	foreign bool  // the last file was not written under the mark: by ZooKeeper, most likely
}

// inspect finds the end of the log in dir and changes nothing.
func inspect(fsys vfs.FS, dir string, o Options) (*ending, error) {
	e := &ending{fs: fsys, dir: dir, o: o}
	var strange []string
	var err error
	if e.files, strange, err = listFiles(fsys, dir); err != nil {
		return nil, err
	}
	for _, name := range strange {
		o.Logger.Warn("file in the log directory is passed over, but ZooKeeper would read it as a log", zap.String("file", path.Join(dir, name)))
	}
	if e.mark, e.seq, e.marked, err = readMark(fsys, dir); err != nil {
		return nil, err
	}
	return e, e.inspect()
}

// inspect is the part of it that reads log files.
func (e *ending) inspect() error {
	for len(e.files) > 0 {
		n := len(e.files) - 1
		kept, err := e.lastFile(&e.files[n])
		if err != nil {
			return err
		}
		if kept {
			break
		}
		e.empty = append(e.empty, e.files[n])
		e.files = e.files[:n]
	}
	if n := len(e.files) - 1; n > 0 && e.foreign {
		// ZooKeeper may have begun to log earlier txns again in the last file: then the end of the
		// history is in the file before. Damage there is for those to judge who need to read it.
		before := e.files[n-1]
		last, err := e.highest(before)
		if err != nil {
			return fmt.Errorf("txlog: %w", err)
		}
		e.last = max(e.last, last)
	}
	return nil
}

// lastFile scans the last file. kept is false if it holds no record and may go.
func (e *ending) lastFile(file *logFile) (kept bool, err error) {
	name := file.path(e.dir)
	f, err := e.fs.Open(name)
	if err != nil {
		return false, fmt.Errorf("txlog: open: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("txlog: stat %s: %w", name, err)
	}
	e.size = info.Size()
	empty, bad, err := checkHeader(f, e.size)
	if err != nil || empty {
		return false, err
	}
	if bad != "" {
		return false, &CorruptError{File: name, Reason: bad}
	}
	s := newScanner(f, headerBytes, e.size, e.o.MaxPayload)
	last, why, err := scanFile(e.fs, e.dir, e.files, s)
	if err != nil {
		return false, err
	}
	t, err := inspectTail(s, why, last)
	if err != nil {
		return false, err
	}
	if t.kind != tailClean {
		if reason := e.refuse(*file, t); reason != "" {
			return false, &CorruptError{File: name, Offset: t.offset, After: last, Reason: reason}
		}
		cut := *file
		e.cutFile, e.cut = &cut, t
	}
	file.end = t.offset
	e.last = last
	e.foreign = !e.marked || file.first != e.mark.file
	return t.offset > headerBytes, nil
}

// refuse returns why a tail that is not clean must not be cut, "" if it may.
func (e *ending) refuse(file logFile, t tail) string {
	if t.kind == tailTorn {
		return ""
	}
	above := e.marked && e.mark.open &&
		(file.first > e.mark.file || file.first == e.mark.file && t.offset >= e.mark.offset)
	below := e.marked &&
		(file.first < e.mark.file || file.first == e.mark.file && t.offset < e.mark.offset)
	switch {
	case above && t.dataEnd-t.offset <= e.o.maxUnsynced():
		return ""
	case above:
		return t.reason + "; a crash leaves less behind the last synced record than there is"
	case below:
		return t.reason + "; this part of the log was once durable"
	case t.kind == tailHole && !t.later:
		return ""
	}
	return t.reason
}

// scanFile reads the records of the last file of files with s, which stands behind the header. It
// returns the highest zxid and why it stopped.
func scanFile(fsys vfs.FS, dir string, files []logFile, s *scanner) (last zk.Zxid, why stop, err error) {
	c := chain{open: opener(fsys, dir), maxPayload: s.maxPayload}
	defer c.close()
	n := len(files) - 1
	for {
		r, why, err := s.next()
		if err != nil || why != stopNone {
			return c.last, why, err
		}
		bad := ""
		if r.offset == headerBytes && r.zxid != files[n].first {
			bad = fmt.Sprintf("the first txn is %v, the name of the file says %v", r.zxid, files[n].first)
		} else if _, bad, err = c.next(files, n, r); err != nil {
			return 0, why, err
		}
		if bad != "" {
			return 0, why, &CorruptError{File: files[n].path(dir), Offset: r.offset, After: c.last, Reason: bad}
		}
	}
}

// highest returns the highest zxid of a file up to where it ends in whatever way.
func (e *ending) highest(file logFile) (last zk.Zxid, err error) {
	f, err := e.fs.Open(file.path(e.dir))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	s := newScanner(f, headerBytes, info.Size(), e.o.MaxPayload)
	for {
		r, why, err := s.next()
		if err != nil || why != stopNone {
			return last, err
		}
		last = max(last, r.zxid)
	}
}

// recovery says what was found, and what repair mends.
func (e *ending) recovery() Recovery {
	rec := Recovery{Last: e.last, Mark: e.mark.zxid, BelowMark: e.last < e.mark.zxid || e.mark.givenUp, GivenUp: e.mark.givenUp}
	if e.cutFile != nil {
		rec.CutFile, rec.CutOffset, rec.CutBytes = fileName(e.cutFile.first), e.cut.offset, e.cut.dataEnd-e.cut.offset
	}
	for _, file := range e.empty {
		rec.EmptyFilesRemoved = append(rec.EmptyFilesRemoved, fileName(file.first))
	}
	return rec
}

// repair does what inspect found necessary and makes the end of the log durable: records that a
// killed process had written may be nowhere but in the page cache, and are history from now on.
func (e *ending) repair() (Recovery, error) {
	rec := e.recovery()
	if err := e.fs.Remove(path.Join(e.dir, nextName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return rec, fmt.Errorf("txlog: remove %s: %w", nextName, err)
	}
	for _, file := range e.empty { // the last one first: a crash here must not leave a gap
		if err := removeDurably(e.fs, e.dir, file); err != nil {
			return rec, err
		}
	}
	if n := len(e.files); n > 0 {
		if err := e.settle(e.files[n-1]); err != nil {
			return rec, fmt.Errorf("txlog: repair %s: %w", fileName(e.files[n-1].first), err)
		}
	}
	if err := e.fs.SyncDir(e.dir); err != nil {
		return rec, fmt.Errorf("txlog: sync %s: %w", e.dir, err)
	}
	return rec, nil
}

// settle cuts the last file behind its records and makes them durable. Those above the mark are
// written again first: if the process ended because an fsync failed, the kernel may hold them in
// pages that it believes to be on the disk, and would sync nothing.
func (e *ending) settle(file logFile) error {
	f, err := e.fs.OpenReadWrite(file.path(e.dir))
	if err != nil {
		return err
	}
	if e.cutFile != nil && e.cutFile.first == file.first {
		err = f.Truncate(file.end)
	}
	if err == nil && e.marked && e.mark.open && file.first >= e.mark.file {
		from := int64(0)
		if file.first == e.mark.file {
			from = min(e.mark.offset, file.end)
		}
		err = rewrite(f, from, file.end)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// rewrite writes from..to of the file as it is. A power loss meanwhile replaces sectors by equal
// ones.
func rewrite(f vfs.File, from, to int64) error {
	buf := make([]byte, min(readChunk, to-from))
	for from < to {
		b, err := readAt(f, buf[:min(int64(len(buf)), to-from)], from)
		if err != nil {
			return err
		}
		if _, err := f.WriteAt(b, from); err != nil {
			return err
		}
		from += int64(len(b))
	}
	return nil
}

// removeDurably removes a file and makes that durable.
func removeDurably(fsys vfs.FS, dir string, file logFile) error {
	if err := fsys.Remove(file.path(dir)); err != nil {
		return fmt.Errorf("txlog: %w", err)
	}
	if err := fsys.SyncDir(dir); err != nil {
		return fmt.Errorf("txlog: sync %s: %w", dir, err)
	}
	return nil
}
