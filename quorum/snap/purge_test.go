package snap

import (
	"errors"
	"fmt"
	"reflect"
	"syscall"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

func TestR10PurgeKeepsWhatWasReadBackWhole(t *testing.T) {
	cut := func(b []byte) []byte { return b[:len(b)-1] }
	tests := map[string]struct {
		zxids   []zk.Zxid
		damaged []zk.Zxid
		retain  int
		left    []string
		need    zk.Zxid
	}{
		"keeps the newest":                      {zxids: []zk.Zxid{1, 2, 3, 4, 5}, retain: 3, left: []string{"snapshot.3", "snapshot.4", "snapshot.5"}, need: 3},
		"removes nothing when there are few":    {zxids: []zk.Zxid{1, 2, 3}, retain: 3, left: []string{"snapshot.1", "snapshot.2", "snapshot.3"}},
		"counts only whole ones":                {zxids: []zk.Zxid{1, 2, 3, 4, 5}, damaged: []zk.Zxid{4, 5}, retain: 2, left: []string{"snapshot.2", "snapshot.3", "snapshot.4", "snapshot.5"}, need: 2},
		"keeps all when too few are whole":      {zxids: []zk.Zxid{1, 2, 3, 4, 5}, damaged: []zk.Zxid{3, 4, 5}, retain: 3, left: []string{"snapshot.1", "snapshot.2", "snapshot.3", "snapshot.4", "snapshot.5"}},
		"never removes the only whole one":      {zxids: []zk.Zxid{1, 2, 3}, damaged: []zk.Zxid{2, 3}, retain: 1, left: []string{"snapshot.1", "snapshot.2", "snapshot.3"}, need: 1},
		"removes nothing when none is whole":    {zxids: []zk.Zxid{1, 2, 3}, damaged: []zk.Zxid{1, 2, 3}, retain: 1, left: []string{"snapshot.1", "snapshot.2", "snapshot.3"}},
		"removes damaged ones that are older":   {zxids: []zk.Zxid{1, 2, 3}, damaged: []zk.Zxid{1}, retain: 2, left: []string{"snapshot.2", "snapshot.3"}, need: 2},
		"takes a retention below one for one":   {zxids: []zk.Zxid{1, 2, 3}, retain: -1, left: []string{"snapshot.3"}, need: 3},
		"has nothing to do in a new directory":  {retain: 3},
		"does not let go of logs for one alone": {zxids: []zk.Zxid{7}, damaged: []zk.Zxid{7}, retain: 1, left: []string{"snapshot.7"}},
		"does not let go of a gap between kept": {zxids: []zk.Zxid{1, 9, 0x100000001}, retain: 2, left: []string{"snapshot.100000001", "snapshot.9"}, need: 9},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem()
			for _, zxid := range test.zxids {
				save(t, disk, "/", zxid, Plain, "x")
			}
			for _, zxid := range test.damaged {
				damage(t, disk, "/"+FileName(zxid, Plain), cut)
			}
			done, err := Purge(disk, "/", test.retain, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			left, _ := disk.CrashClone(0).List("/")
			if len(left)+len(test.left) > 0 && !reflect.DeepEqual(left, test.left) {
				t.Errorf("left %v, want %v", left, test.left)
			}
			if done.NeedLogsFrom != test.need {
				t.Errorf("need logs from %v, want %v", done.NeedLogsFrom, test.need)
			}
			if len(done.Removed)+len(left) != len(test.zxids) {
				t.Errorf("removed %v of %v, left %v", done.Removed, test.zxids, left)
			}
		})
	}
}

func TestPurgeRemovesWhatInterruptedWritersLeft(t *testing.T) {
	disk := vfs.NewMem()
	for _, name := range []string{"tmp.snapshot.5", "tmp.snapshot.5.gz", "snapshot.6.tmp", "snapshot.6.gz.tmp", "log.1", "acceptedEpoch.tmp", "snapshot.odd"} {
		writeTestFile(t, disk, "/"+name, []byte("x"))
	}
	done, err := Purge(disk, "/", 3, nil, nil)
	if err != nil || len(done.Removed) != 4 {
		t.Errorf("%+v, %v", done, err)
	}
	left, _ := disk.List("/")
	if want := []string{"acceptedEpoch.tmp", "log.1", "snapshot.odd"}; !reflect.DeepEqual(left, want) {
		t.Errorf("left %v", left)
	}
}

func TestPurgeThatFailsAnywhereKeepsWholeSnapshots(t *testing.T) {
	for n := int64(1); ; n++ {
		disk := vfs.NewMem()
		for zxid := zk.Zxid(1); zxid <= 5; zxid++ {
			save(t, disk, "/", zxid, Gzip, fmt.Sprint(int64(zxid)))
		}
		faulty := vfs.NewFault(disk, vfs.FailNth(n, nil, syscall.EIO))
		done, err := Purge(faulty, "/", 2, nil, nil)
		if faulty.Injected() == 0 {
			if err != nil || done.NeedLogsFrom != 4 {
				t.Fatal(done, err)
			}
			return
		}
		// A snapshot that cannot be read counts as none, and an older one is kept for it.
		if err == nil && (len(done.Damaged) != 1 || len(done.Kept) != 2) {
			t.Fatalf("operation %d: %+v", n, done)
		}
		for seed := range uint64(5) {
			if _, info, skipped, err := Load(disk.CrashClone(seed), "/", newState, nil); err != nil || info.Zxid != 5 || len(skipped) > 0 {
				t.Fatalf("operation %d: %+v, %v", n, info, err)
			}
		}
	}
}

// A large snapshot goes in steps, each told to progress, and whatever the step after which the server
// ends, it is never started from, and gone after the next purge.
func TestALargeSnapshotGoesInSteps(t *testing.T) {
	for stopAt := 1; ; stopAt++ {
		disk := vfs.NewMem()
		for _, zxid := range []zk.Zxid{1, 2} {
			save(t, disk, "/", zxid, Plain, "x")
		}
		f, err := disk.OpenReadWrite("/" + FileName(1, Plain))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(5*shrinkBytes), f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
		enough := errors.New("enough")
		steps := 0
		whole := map[string]Info{FileName(2, Plain): {Name: FileName(2, Plain), Zxid: 2}}
		_, err = Purge(disk, "/", 1, whole, func(int64, int64) error {
			if steps++; steps == stopAt {
				return enough
			}
			return nil
		})
		left, listErr := List(disk, "/")
		if listErr != nil || len(left) != 1 || left[0].Zxid != 2 {
			t.Fatalf("stopped at step %d: snapshots %v, %v", stopAt, left, listErr)
		}
		if err == nil {
			if steps < 4 {
				t.Errorf("gone after %d steps", steps)
			}
			return
		}
		if !errors.Is(err, enough) {
			t.Fatal(err)
		}
		if _, err := Purge(disk, "/", 1, nil, nil); err != nil {
			t.Fatal(err)
		}
		if names, err := disk.List("/"); err != nil || len(names) != 1 {
			t.Fatalf("stopped at step %d, then purged: %v, %v", stopAt, names, err)
		}
	}
}
