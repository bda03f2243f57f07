package txlog

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// writebackFS is a disk whose failed write-backs are told as Linux tells them: once to each open file, by
// its next sync (errseq_t of the page cache).
type writebackFS struct {
	vfs.FS
	failures atomic.Int64  // so far
	failNext atomic.Bool   // the next Sync meets one ...
	held     chan struct{} // ... and does not return before this is closed
}

type writebackFile struct {
	vfs.File
	fs   *writebackFS
	seen atomic.Int64
}

func (w *writebackFS) opened(f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	file := &writebackFile{File: f, fs: w}
	file.seen.Store(w.failures.Load())
	return file, nil
}

func (w *writebackFS) Create(name string) (vfs.File, error) { return w.opened(w.FS.Create(name)) }

func (w *writebackFS) OpenReadWrite(name string) (vfs.File, error) {
	return w.opened(w.FS.OpenReadWrite(name))
}

// tell returns an error that this file has not been told of yet.
func (f *writebackFile) tell(err error) error {
	if n := f.fs.failures.Load(); f.seen.Swap(n) != n {
		return syscall.EIO
	}
	return err
}

func (f *writebackFile) Sync() error {
	if f.fs.failNext.CompareAndSwap(true, false) {
		f.fs.failures.Add(1)
		err := f.tell(nil)
		<-f.fs.held
		return err
	}
	return f.tell(f.File.Sync())
}

func (f *writebackFile) Datasync() error { return f.tell(f.File.Datasync()) }

func TestASyncHearsOfTheFailedWriteBackThatAllocatingAheadWasToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &writebackFS{FS: vfs.NewMem(), held: make(chan struct{})}
		l, _ := mustOpen(t, disk, Options{PreallocBytes: 8192})
		add(t, l, 1, 3)
		synctest.Wait() // the next file is prepared: what is synced beside from now on is this one
		disk.failNext.Store(true)
		z := zk.Zxid(4)
		for ; disk.failNext.Load(); z++ {
			add(t, l, z, z)
			synctest.Wait()
		}
		durable := l.Durable()
		check(t, l.Append(z, payload(z, sizeOf(z))))
		if err := l.Sync(); !errors.Is(err, syscall.EIO) {
			t.Errorf("sync while a write-back of the file has failed: %v", err)
		}
		if got := l.Durable(); got != durable {
			t.Errorf("durable moved from %v to %v", durable, got)
		}
		close(disk.held)
		synctest.Wait()
		if err := l.Close(); !errors.Is(err, syscall.EIO) {
			t.Errorf("closed with %v", err)
		}
	})
}
