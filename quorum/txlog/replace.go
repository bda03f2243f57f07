package txlog

import (
	"errors"
	"io/fs"
	"path"
	"slices"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// Replace says that a snapshot at zxid has taken the place of the whole log, of which some may never have
// been agreed on: every record is removed, durably, and the next append must follow zxid. A crash
// meanwhile leaves a log without a gap that ends earlier.
func (l *Log) Replace(zxid zk.Zxid) error {
	l.disk.Lock()
	defer l.disk.Unlock()
	if err := l.flush(); err != nil {
		return err
	}
	l.bg.retire(l)
	l.bg.step.Lock()
	defer l.bg.step.Unlock()
	l.bg.enter(nil)
	if l.active != nil {
		_ = l.active.f.Close() // all of it is synced
		l.active = nil
	}
	l.mu.Lock()
	files := slices.Clone(l.files)
	l.mu.Unlock()
	if err := l.empty(files, zxid); err != nil {
		return l.fail(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files = nil
	l.last, l.durable, l.newFile, l.forgotten, l.givenUp = zxid, zxid, true, 0, false
	l.sinceBytes, l.sinceTxns = 0, 0
	l.generation++
	return nil
}

// empty lowers the mark, so that what goes is not taken for a loss, then removes the files, the last one
// first. The caller holds step.
func (l *Log) empty(files []logFile, zxid zk.Zxid) error {
	m := mark{open: true, zxid: zxid}
	if err := l.bg.mark.write(m); err != nil {
		return err
	}
	l.mu.Lock()
	l.synced = m
	l.mu.Unlock()
	for _, file := range slices.Backward(files) {
		if err := removeDurably(l.fs, l.dir, file); err != nil {
			return err
		}
	}
	return nil
}

// RemoveAll removes the log in dir, which must not be open: see [Log.Replace], which a crash has cut short.
func RemoveAll(fsys vfs.FS, dir string) error {
	files, _, err := listFiles(fsys, dir)
	if err != nil {
		return err
	}
	if err := fsys.Remove(path.Join(dir, MarkName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, file := range slices.Backward(files) {
		if err := removeDurably(fsys, dir, file); err != nil {
			return err
		}
	}
	return fsys.SyncDir(dir)
}
