package vfs_test

import (
	"errors"
	"syscall"
	"testing"

	"zkd/quorum/vfs"
)

// workload uses every operation that can be failed, and returns the first error.
func workload(fsys vfs.FS) error {
	if err := fsys.MkdirAll("/d"); err != nil {
		return err
	}
	lock, err := fsys.Lock("/d/lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	f, err := fsys.Create("/d/a")
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 4)
	for _, step := range []func() error{
		func() error { _, err := f.Write([]byte("abcd")); return err },
		func() error { _, err := f.WriteAt([]byte("efgh"), 4); return err },
		func() error { _, err := f.ReadAt(b, 0); return err },
		func() error { _, err := f.Seek(0, 0); return err },
		func() error { _, err := f.Read(b); return err },
		func() error { return f.Allocate(0, 100) },
		func() error { return f.Truncate(50) },
		func() error { _, err := f.Stat(); return err },
		f.Sync,
		f.Datasync,
		func() error { return fsys.Rename("/d/a", "/d/b") },
		func() error { return fsys.SyncDir("/d") },
		func() error { return second(fsys.List("/d")) },
		func() error { return second(fsys.Stat("/d/b")) },
		func() error { return second(fsys.Open("/d/b")) },
		func() error { return second(fsys.OpenReadWrite("/d/b")) },
		func() error { return second(fsys.FreeBytes("/d")) },
		func() error { return fsys.Remove("/d/b") },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func TestEachOperationCanFailAndItsErrorSurfaces(t *testing.T) {
	const operations = 20
	for n := int64(1); ; n++ {
		fault := vfs.NewFault(vfs.NewMem(), vfs.FailNth(n, nil, syscall.EIO))
		err := workload(fault)
		if fault.Injected() == 0 {
			check(t, err)
			if fault.Ops() != operations || n != operations+1 {
				t.Errorf("%d operations, want %d", fault.Ops(), operations)
			}
			return
		}
		var injected *vfs.InjectedError
		if !errors.As(err, &injected) || injected.Op.Seq != n || !errors.Is(err, syscall.EIO) {
			t.Errorf("operation %d: error %v", n, err)
		}
	}
}

func TestAFailedWriteIsShort(t *testing.T) {
	m := vfs.NewMem()
	isWrite := func(op vfs.Op) bool { return op.Kind == vfs.OpWrite && op.Path == "/f" }
	fault := vfs.NewFault(m, vfs.FailFrom(2, isWrite, syscall.ENOSPC))
	f := must(fault.Create("/f"))(t)
	must(f.WriteAt([]byte("abcd"), 0))(t)
	for range 2 {
		if n, err := f.WriteAt([]byte("efgh"), 4); n != 2 || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("wrote %d, %v", n, err)
		}
	}
	if got := read(t, m, "/f"); got != "abcdef" {
		t.Errorf("file holds %q", got)
	}
}

func TestChangesTellsWritesFromReads(t *testing.T) {
	if vfs.OpRead.Changes() || vfs.OpList.Changes() || !vfs.OpSync.Changes() || !vfs.OpRename.Changes() {
		t.Error("wrong kinds")
	}
}
