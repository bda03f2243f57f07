package vfs_test

import (
	"bytes"
	"errors"
	"io/fs"
	"syscall"
	"testing"

	"zkd/quorum/vfs"
)

const seeds = 200

func TestCrashKeepsWhatWasSynced(t *testing.T) {
	m := vfs.NewMem()
	check(t, m.MkdirAll("/d"))
	want := bytes.Repeat([]byte("0123456789abcdef"), 200)
	write(t, m, "/d/f", string(want))
	check(t, m.SyncDir("/d"))
	// Unsynced: overwrite behind the first 1000 bytes and append.
	f := must(m.OpenReadWrite("/d/f"))(t)
	must(f.WriteAt(bytes.Repeat([]byte("X"), 5000), 1000))(t)
	kept, lost, sizes := false, false, map[int]bool{}
	for seed := range uint64(seeds) {
		got := []byte(read(t, m.CrashClone(seed), "/d/f"))
		if len(got) < len(want) || !bytes.Equal(got[:1000], want[:1000]) {
			t.Fatalf("seed %d: synced bytes are gone", seed)
		}
		for i, b := range got[1000:] {
			switch i += 1000; {
			case b == 'X':
				kept = true
			case i < len(want) && b == want[i], i >= len(want) && b == 0:
				lost = true
			default:
				t.Fatalf("seed %d: byte %d is %q: neither old nor new", seed, i, b)
			}
		}
		sizes[len(got)] = true
	}
	if !kept || !lost || len(sizes) < 3 {
		t.Errorf("kept %t, lost %t, sizes %d: crashes are too tame", kept, lost, len(sizes))
	}
	if got := read(t, m, "/d/f"); len(got) != 6000 {
		t.Error("the disk itself was harmed")
	}
}

func TestCrashTearsAtSectorsOnly(t *testing.T) {
	m := vfs.NewMem()
	write(t, m, "/f", string(make([]byte, 8192)))
	check(t, m.SyncDir("/"))
	f := must(m.OpenReadWrite("/f"))(t)
	must(f.WriteAt(bytes.Repeat([]byte("X"), 8192), 0))(t)
	mixed := false
	for seed := range uint64(seeds) {
		got := []byte(read(t, m.CrashClone(seed), "/f"))
		news := 0
		for s := 0; s < len(got); s += 512 {
			if bytes.Count(got[s:s+512], got[s:s+1]) != 512 {
				t.Fatalf("seed %d: sector at %d is torn inside", seed, s)
			}
			if got[s] == 'X' {
				news++
			}
		}
		mixed = mixed || news > 0 && news < 16
	}
	if !mixed {
		t.Error("no crash left a mixture")
	}
}

func TestCrashLosesUnsyncedNames(t *testing.T) {
	m := vfs.NewMem()
	check(t, m.MkdirAll("/d"))
	write(t, m, "/d/old", "old")
	write(t, m, "/d/gone", "gone")
	check(t, m.SyncDir("/d"))
	write(t, m, "/d/tmp", "new") // contents synced, name not
	check(t, m.Rename("/d/tmp", "/d/old"))
	check(t, m.Remove("/d/gone"))
	seen := map[string]bool{}
	for seed := range uint64(seeds) {
		c := m.CrashClone(seed)
		old := read(t, c, "/d/old")
		if old != "old" && old != "new" {
			t.Fatalf("seed %d: file is %q: rename is not atomic", seed, old)
		}
		_, err := c.Stat("/d/gone")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		seen[old] = true
		seen[map[bool]string{true: "there", false: "away"}[err == nil]] = true
	}
	if len(seen) != 4 {
		t.Errorf("seen only %v", seen)
	}
	check(t, m.SyncDir("/d"))
	for seed := range uint64(seeds) {
		c := m.CrashClone(seed)
		if names := must(c.List("/d"))(t); len(names) != 1 || read(t, c, "/d/old") != "new" {
			t.Fatalf("seed %d: synced names are %q", seed, names)
		}
	}
}

func TestCrashUndoesATruncationWholly(t *testing.T) {
	m := vfs.NewMem()
	want := bytes.Repeat([]byte("o"), 4000)
	write(t, m, "/f", string(want))
	check(t, m.SyncDir("/"))
	f := must(m.OpenReadWrite("/f"))(t)
	check(t, f.Truncate(700))
	must(f.WriteAt([]byte("new"), 700))(t)
	sizes := map[int]bool{}
	for seed := range uint64(seeds) {
		got := []byte(read(t, m.CrashClone(seed), "/f"))
		sizes[len(got)] = true
		undone := bytes.Equal(got, want)
		cut := bytes.HasPrefix(want, bytes.TrimRight(bytes.TrimSuffix(got, []byte("new")), "\x00")) && len(got) <= 703
		if !undone && !cut {
			t.Fatalf("seed %d: %d bytes, %q", seed, len(got), got[max(0, len(got)-8):])
		}
	}
	if !sizes[4000] || !sizes[703] {
		t.Errorf("sizes %v", sizes)
	}
}

func TestSameSeedSameCrash(t *testing.T) {
	m := vfs.NewMem()
	f := must(m.Create("/f"))(t)
	for i := range 50 {
		must(f.WriteAt(bytes.Repeat([]byte{byte(i + 1)}, 700), int64(i*650)))(t)
	}
	for seed := range uint64(20) {
		a, b := m.CrashClone(seed), m.CrashClone(seed)
		_, errA := a.Stat("/f")
		_, errB := b.Stat("/f")
		if (errA == nil) != (errB == nil) || errA == nil && read(t, a, "/f") != read(t, b, "/f") {
			t.Fatalf("seed %d gave two disks", seed)
		}
	}
}

// Source: the fsync behaviour that became known as fsyncgate (PostgreSQL, 2018).
func TestAFailedSyncIsNotMendedByTheNext(t *testing.T) {
	m := vfs.NewMem()
	write(t, m, "/f", "old")
	check(t, m.SyncDir("/"))
	fault := vfs.NewFault(m, vfs.FailNth(1, func(op vfs.Op) bool { return op.Kind == vfs.OpSync }, syscall.EIO))
	f := must(fault.OpenReadWrite("/f"))(t)
	must(f.WriteAt([]byte("new"), 0))(t)
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	check(t, f.Sync())
	if got := read(t, m, "/f"); got != "new" {
		t.Errorf("programs read %q", got)
	}
	for seed := range uint64(seeds) {
		if got := read(t, m.CrashClone(seed), "/f"); got != "old" {
			t.Fatalf("seed %d: disk holds %q after a sync that failed", seed, got)
		}
	}
	must(f.WriteAt([]byte("new"), 0))(t)
	check(t, f.Sync())
	if got := read(t, m.CrashClone(1), "/f"); got != "new" {
		t.Errorf("disk holds %q after it was written again", got)
	}
}

func TestAFullDiskTakesWhatFits(t *testing.T) {
	m := vfs.NewMem()
	m.SetCapacity(1000)
	f := must(m.Create("/f"))(t)
	if n, err := f.Write(make([]byte, 1500)); n != 1000 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("wrote %d, %v", n, err)
	}
	if err := f.Allocate(0, 2000); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("allocated: %v", err)
	}
	must(f.WriteAt([]byte("overwriting needs no room"), 0))(t)
	check(t, m.Remove("/f"))
	if free := must(m.FreeBytes("/"))(t); free != 1000 {
		t.Errorf("%d bytes free", free)
	}
}
