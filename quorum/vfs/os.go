package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// filePerm keeps znode data from other users of the host; dirPerm likewise.
const (
	filePerm fs.FileMode = 0o640
	dirPerm  fs.FileMode = 0o750
)

// zeroChunk bounds how many zeros one write of Allocate carries.
const zeroChunk = 1 << 20

// OS returns the file system of the operating system (Linux).
func OS() FS { return osFS{} }

type osFS struct{}

type osFile struct{ *os.File }

func openOS(name string, flag int) (File, error) {
	f, err := os.OpenFile(name, flag, filePerm)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Create(name string) (File, error) {
	return openOS(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (osFS) Open(name string) (File, error) { return openOS(name, os.O_RDONLY) }

func (osFS) OpenReadWrite(name string) (File, error) { return openOS(name, os.O_RDWR) }

func (osFS) Rename(oldName, newName string) error { return os.Rename(oldName, newName) }

func (osFS) Remove(name string) error { return os.Remove(name) }

func (osFS) Stat(name string) (fs.FileInfo, error) { return os.Stat(name) }

// MkdirAll makes the missing directories from the top down and syncs the parent of each, so that
// none of them is lost with what is later written and synced inside.
func (o osFS) MkdirAll(dir string) error {
	var missing []string
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err == nil && !info.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: d, Err: syscall.ENOTDIR}
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			return err
		}
		missing = append(missing, d)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		if err := os.Mkdir(missing[i], dirPerm); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		if err := o.SyncDir(filepath.Dir(missing[i])); err != nil {
			return err
		}
	}
	return nil
}

func (osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

func (osFS) SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// osLock holds a locked file. The kernel lets go of the lock when the process ends, however it ends.
type osLock struct{ f *os.File }

// Close empties the file, so that it names no holder that has gone, and lets go of the lock. The
// file stays: removing it would let two processes lock two files of one name.
func (l osLock) Close() error {
	return errors.Join(l.f.Truncate(0), l.f.Close())
}

func (osFS) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, filePerm)
	if err != nil {
		return nil, err
	}
	if err := retry(func() error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, &fs.PathError{Op: "flock", Path: name, Err: err}
		}
		holder := make([]byte, 32)
		n, _ := f.ReadAt(holder, 0) // io.EOF is the rule; an unreadable pid is an unknown one
		if pid := strings.TrimSpace(string(holder[:n])); pid != "" {
			return nil, fmt.Errorf("vfs: %s: %w: pid %s", name, ErrLocked, pid)
		}
		return nil, fmt.Errorf("vfs: %s: %w", name, ErrLocked)
	}
	// The pid is for people. A disk too full to take it does not make the lock less good.
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return osLock{f}, nil
}

func (osFS) FreeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := retry(func() error { return syscall.Statfs(dir, &st) }); err != nil {
		return 0, &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Bavail) * st.Bsize, nil
}

func (f osFile) Datasync() error {
	err := retry(func() error { return syscall.Fdatasync(int(f.Fd())) })
	runtime.KeepAlive(f.File)
	if err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

// Allocate writes zeros behind the end of the file up to offset+length. fallocate would be
// cheaper, but leaves extents marked as unwritten: the first write into each would have to change
// that mark, which is metadata, and fdatasync would wait for the file system's journal.
func (f osFile) Allocate(offset, length int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end := offset + length
	zeros := make([]byte, min(max(end-info.Size(), 0), zeroChunk))
	for at := info.Size(); at < end; {
		n, err := f.WriteAt(zeros[:min(int64(len(zeros)), end-at)], at)
		if err != nil {
			return err
		}
		at += int64(n)
	}
	return nil
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != syscall.EINTR {
			return err
		}
	}
}
