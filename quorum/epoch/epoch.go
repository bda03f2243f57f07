// Package epoch keeps the two promises a server makes about leaders, on disk.
//
//	<data_dir>/version-2/acceptedEpoch   decimal ASCII, no newline: newest epoch it agreed to follow
//	<data_dir>/version-2/currentEpoch    decimal ASCII, no newline: newest epoch whose history it holds
//
// The files lie in the snapshot directory, also where the log has a directory of its own. Invariant:
// epoch of the last durable zxid <= current <= accepted. A value is durable before Set returns, and
// only then may the server act on it.
//
// Source: quorum protocol 6.1; rules R2 and R21 (ZOOKEEPER-1653, -2307, -4269).
package epoch

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

const (
	acceptedName = "acceptedEpoch"
	currentName  = "currentEpoch"
	tmpSuffix    = ".tmp"

	maxFileBytes = 64
	maxEpoch     = 1<<31 - 1
)

// Files are the epoch files of one server.
type Files struct {
	fs                vfs.FS
	dir               string
	accepted, current zk.Epoch
}

// Open reads the files in dir and mends what history proves: current becomes at least the epoch of
// last, the last durable zxid, and accepted at least current. That is sound because a history is
// free of gaps: a txn of epoch e implies all that leader e's history holds before it. repaired says
// what was mended, a sentence each. A file that holds anything but a number is an error.
func Open(fsys vfs.FS, dir string, last zk.Zxid) (f *Files, repaired []string, err error) {
	f = &Files{fs: fsys, dir: dir}
	accepted, haveAccepted, err := f.read(acceptedName)
	if err != nil {
		return nil, nil, err
	}
	current, haveCurrent, err := f.read(currentName)
	if err != nil {
		return nil, nil, err
	}
	f.accepted, f.current = accepted, current
	if current < last.Epoch() {
		if haveCurrent {
			repaired = append(repaired, fmt.Sprintf("%s was %d, but the history reaches epoch %d: set to %d",
				currentName, current, last.Epoch(), last.Epoch()))
		}
		if err := f.SetCurrent(last.Epoch()); err != nil {
			return nil, nil, err
		}
	}
	if f.accepted < f.current {
		if haveAccepted {
			repaired = append(repaired, fmt.Sprintf("%s was %d, below %s %d: set to %d",
				acceptedName, accepted, currentName, f.current, f.current))
		}
		if err := f.SetAccepted(f.current); err != nil {
			return nil, nil, err
		}
	}
	return f, repaired, nil
}

// Accepted returns the newest epoch the server agreed to follow.
func (f *Files) Accepted() zk.Epoch { return f.accepted }

// Current returns the newest epoch whose history the server holds.
func (f *Files) Current() zk.Epoch { return f.current }

// SetAccepted makes e durable as the accepted epoch. It must not go back.
func (f *Files) SetAccepted(e zk.Epoch) error {
	if err := f.write(acceptedName, f.accepted, e); err != nil {
		return err
	}
	f.accepted = e
	return nil
}

// SetCurrent makes e durable as the current epoch. It must not go back. The history of e must be
// durable before (ZOOKEEPER-4643).
func (f *Files) SetCurrent(e zk.Epoch) error {
	if err := f.write(currentName, f.current, e); err != nil {
		return err
	}
	f.current = e
	return nil
}

// LowerCurrent makes e durable as the current epoch, or leaves it where it is below already: on the word of an
// operator, for a server whose history has lost what it held of newer ones. The accepted epoch stays.
func (f *Files) LowerCurrent(e zk.Epoch) error {
	if e >= f.current {
		return nil
	}
	if err := f.write(currentName, e, e); err != nil {
		return err
	}
	f.current = e
	return nil
}

func (f *Files) read(name string) (e zk.Epoch, found bool, err error) {
	file, err := f.fs.Open(path.Join(f.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("epoch: open %s: %w", name, err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes))
	if err != nil {
		return 0, false, fmt.Errorf("epoch: read %s: %w", name, err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n < 0 || n > maxEpoch {
		return 0, false, fmt.Errorf("epoch: %s holds %q, not a number from 0 to %d: restore the file, or remove it "+
			"to have it set from the transaction log", path.Join(f.dir, name), text, maxEpoch)
	}
	return zk.Epoch(n), true, nil
}

func (f *Files) write(name string, old, e zk.Epoch) error {
	if e < old {
		panic(fmt.Sprintf("epoch: %s from %d back to %d", name, old, e))
	}
	final := path.Join(f.dir, name)
	tmp := final + tmpSuffix
	err := func() error {
		file, err := f.fs.Create(tmp)
		if err != nil {
			return err
		}
		if _, err := file.Write(strconv.AppendInt(nil, int64(e), 10)); err != nil {
			return errors.Join(err, file.Close())
		}
		if err := file.Sync(); err != nil {
			return errors.Join(err, file.Close())
		}
		if err := file.Close(); err != nil {
			return err
		}
		if err := f.fs.Rename(tmp, final); err != nil {
			return err
		}
		return f.fs.SyncDir(f.dir)
	}()
	if err != nil {
		return fmt.Errorf("epoch: write %s: %w", final, err)
	}
	return nil
}
