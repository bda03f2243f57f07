package replica

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// threeFiles starts a server with a log in three files, of ten creates each, and returns with its turn.
func threeFiles(t *testing.T, fsys vfs.FS) (*Replica, []txlog.FileInfo) {
	t.Helper()
	r := start(t, config(t, fsys))
	c := connect(t, r)
	for i := range 30 {
		if i == 10 || i == 20 {
			r.turn.Lock()
			r.roll()
			r.turn.Unlock()
		}
		if o, err := c.create(fmt.Sprintf("/n%d", i)); err != nil || o.Err != zk.OK {
			t.Fatal(err, o.Err)
		}
	}
	r.turn.Lock()
	t.Cleanup(r.turn.Unlock)
	files, err := r.txlog.Files()
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	return r, files
}

// readAll reads what the history says is above low.
func readAll(r *Replica, low zk.Zxid) error {
	return r.writeTxns(io.Discard, r.history.between(low, r.txlog.Last()))
}

// What cannot be read costs the learners that need it a snapshot, and not one of the others.
func TestTheFloorRisesAboveWhatTheLogDoesNotGive(t *testing.T) {
	flip := func(t *testing.T, disk *vfs.Mem, f txlog.FileInfo) {
		t.Helper()
		file, err := disk.OpenReadWrite("/data/version-2/" + f.Name)
		if err == nil {
			_, err = file.WriteAt([]byte{0xee}, 500)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		spoil   func(t *testing.T, r *Replica, disk *vfs.Mem, files []txlog.FileInfo)
		floor   func(r *Replica, files []txlog.FileInfo) zk.Zxid
		counted int64
	}{
		"a bad byte in an old file": {
			func(t *testing.T, _ *Replica, disk *vfs.Mem, files []txlog.FileInfo) { flip(t, disk, files[1]) },
			func(_ *Replica, files []txlog.FileInfo) zk.Zxid { return files[2].First - 1 }, 1,
		},
		"a bad byte in the file that is written": {
			func(t *testing.T, _ *Replica, disk *vfs.Mem, files []txlog.FileInfo) { flip(t, disk, files[2]) },
			func(r *Replica, _ []txlog.FileInfo) zk.Zxid { return r.txlog.Last() }, 1,
		},
		"an old file was removed by somebody": {
			func(t *testing.T, _ *Replica, disk *vfs.Mem, files []txlog.FileInfo) {
				if err := disk.Remove("/data/version-2/" + files[1].Name); err != nil {
					t.Fatal(err)
				}
			},
			func(r *Replica, _ []txlog.FileInfo) zk.Zxid { return r.txlog.Last() }, 1,
		},
		"a purge has removed files and did not say so": {
			func(t *testing.T, r *Replica, _ *vfs.Mem, files []txlog.FileInfo) {
				if removed, err := r.txlog.PurgeBelow(files[1].First - 1); err != nil || len(removed) != 1 {
					t.Fatal(removed, err)
				}
			},
			func(_ *Replica, files []txlog.FileInfo) zk.Zxid { return files[1].First - 1 }, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem()
			r, files := threeFiles(t, disk)
			begin := r.history.floor
			if err := readAll(r, begin); err != nil {
				t.Fatal(err)
			}
			test.spoil(t, r, disk, files)
			var bad *unreadable
			if err := readAll(r, begin); !errors.As(err, &bad) {
				t.Fatalf("read with %v", err)
			}
			want := test.floor(r, files)
			r.passOver(bad)
			if r.history.floor != want {
				t.Errorf("floor %v, want %v", r.history.floor, want)
			}
			if _, _, ok := r.history.Locate(want - 1); ok {
				t.Error("a learner below the floor would be sent the log")
			}
			if _, _, ok := r.history.Locate(want); !ok {
				t.Error("a learner at the floor would be sent a snapshot")
			}
			if err := readAll(r, want); err != nil {
				t.Errorf("what stands above the floor: %v", err)
			}
			if got := r.stats.LogReadErrors.Load(); got != test.counted {
				t.Errorf("counted %d, want %d", got, test.counted)
			}
		})
	}
}

// What is logged behind a damaged part can be read, and a restart does not need that part.
func TestALogGoesOnBehindWhatIsDamaged(t *testing.T) {
	disk := vfs.NewMem()
	r := start(t, config(t, disk))
	c := connect(t, r)
	for i := range 20 {
		if _, err := c.create(fmt.Sprintf("/n%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	r.turn.Lock()
	begin := r.history.floor
	files, err := r.txlog.Files()
	if err != nil {
		t.Fatal(err)
	}
	file, err := disk.OpenReadWrite("/data/version-2/" + files[0].Name)
	if err == nil {
		_, err = file.WriteAt([]byte{0xee}, 500)
	}
	if err != nil {
		t.Fatal(err)
	}
	var bad *unreadable
	if err := readAll(r, begin); !errors.As(err, &bad) || !strings.Contains(err.Error(), files[0].Name) {
		t.Fatalf("read with %v", err)
	}
	r.passOver(bad)
	floor := r.history.floor
	r.release(true)
	if _, err := c.create("/later"); err != nil {
		t.Fatal(err)
	}
	r.turn.Lock()
	if err := readAll(r, floor); err != nil {
		t.Errorf("what was logged later: %v", err)
	}
	r.turn.Unlock()
	// The snapshot that was due is being written, or there: then it may be written once more.
	for err := ErrSnapshotBusy; errors.Is(err, ErrSnapshotBusy); {
		if _, err = r.Snapshot(context.Background()); err == nil && r.stats.Snapshots.Load() < 2 {
			t.Error("no snapshot was written but the one asked for")
		}
		runtime.Gosched()
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	r = start(t, config(t, disk))
	for _, p := range []string{"/n0", "/n19", "/later"} {
		if !exists(r, p) {
			t.Errorf("%s is gone after the restart", p)
		}
	}
}

// A writer that fails, and a want of file descriptors, say nothing about the log.
func TestWhatSaysNothingAboutTheLogDoesNotRaiseTheFloor(t *testing.T) {
	var scarce atomic.Bool
	r, _ := threeFiles(t, vfs.NewFault(vfs.NewMem(), func(op vfs.Op) error {
		if scarce.Load() && op.Kind == vfs.OpOpen {
			return syscall.EMFILE
		}
		return nil
	}))
	begin := r.history.floor
	broken := errors.New("broken pipe")
	err := r.writeTxns(failingWriter{broken}, r.history.between(begin, r.txlog.Last()))
	var bad *unreadable
	if !errors.Is(err, broken) || errors.As(err, &bad) {
		t.Errorf("a failing connection: %v", err)
	}
	scarce.Store(true)
	err = readAll(r, begin)
	scarce.Store(false)
	if !errors.As(err, &bad) {
		t.Fatalf("without descriptors: %v", err)
	}
	if r.passOver(bad); r.history.floor != begin || r.stats.LogReadErrors.Load() != 0 {
		t.Errorf("floor %v, was %v", r.history.floor, begin)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
