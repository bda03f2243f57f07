package restore

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zkd/quorum/inspect"
	"zkd/quorum/replica"
	"zkd/quorum/snap"
	"zkd/quorum/tree"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// at is a view of an empty tree at another zxid, and perhaps with another digest.
type at struct {
	*tree.View
	zxid zk.Zxid
	lie  uint64
}

func (v at) Zxid() zk.Zxid  { return v.zxid }
func (v at) Digest() uint64 { return v.View.Digest() + v.lie }

// backup writes a snapshot of an empty tree at zxid below a new directory.
func backup(t *testing.T, zxid zk.Zxid) string { return backupWith(t, zxid, 0) }

// backupWith is backup with a digest that is off by lie.
func backupWith(t *testing.T, zxid zk.Zxid, lie uint64) string {
	t.Helper()
	dir := t.TempDir()
	view := tree.New(tree.Options{}).Freeze()
	defer view.Release()
	info, err := snap.Save(vfs.OS(), dir, at{view, zxid, lie}, snap.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, info.Name)
}

// host is a data directory with a log elsewhere, of epoch 7.
func host(t *testing.T) Target {
	t.Helper()
	root := t.TempDir()
	target := Target{FS: vfs.OS(), DataDir: filepath.Join(root, "data"), LogDir: filepath.Join(root, "log"), Stamp: "1"}
	for name, text := range map[string]string{
		"data/version-2/snapshot.700000001": "old snapshot", "data/version-2/acceptedEpoch": "9", "data/version-2/currentEpoch": "7",
		"data/myid": "1\n", "log/version-2/log.700000002": "old log", "log/version-2/zkd.mark": "old mark",
	} {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return target
}

// files are the contents of all files of a target, by their names below it; of the snapshot at 0x600000005 the name
// only.
func files(t *testing.T, target Target) map[string]string {
	t.Helper()
	root, all := filepath.Dir(target.DataDir), map[string]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if d.Name() == "snapshot.600000005" {
			text = []byte("new snapshot")
		}
		all[strings.TrimPrefix(name, root+"/")] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(all, "data/"+replica.LockName)
	return all
}

func same(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("%s: %v\nwant %v", what, got, want)
	}
}

// restored is what host holds after a restore.
func restored() map[string]string {
	return map[string]string{
		"data/myid": "1\n", "data/version-2/snapshot.600000005": "new snapshot", "data/version-2/acceptedEpoch": "9", "data/version-2/currentEpoch": "7",
		"data/version-2.before-restore-1/snapshot.700000001": "old snapshot", "data/version-2.before-restore-1/acceptedEpoch": "9",
		"data/version-2.before-restore-1/currentEpoch": "7",
		"log/version-2.before-restore-1/log.700000002": "old log", "log/version-2.before-restore-1/zkd.mark": "old mark",
	}
}

func TestRestoreSetsAllAsideAndKeepsTheEpochs(t *testing.T) {
	target, before := host(t), map[string]string{}
	maps.Copy(before, files(t, target))
	var adopted []string
	target.Adopt = func(name string) error {
		adopted = append(adopted, name)
		_, err := os.Stat(name)
		return err
	}
	res, err := target.Restore(backup(t, 0x600000005), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if res.Note != "" || res.Info.Nodes == 0 || res.Zxid != 0x600000005 || res.Accepted != 9 || res.Current != 7 || len(res.Aside) != 2 || res.Resumed {
		t.Errorf("%+v", res)
	}
	if info, err := os.Stat(filepath.Join(target.LogDir, "version-2")); err != nil || !info.IsDir() {
		t.Errorf("the directory of the log: %v", err)
	}
	same(t, "after the restore", files(t, target), restored())
	if len(adopted) < 6 {
		t.Errorf("given to the user of the server: only %q", adopted)
	}
	target.Stamp = "2"
	if res, err = target.Undo(); err != nil || len(res.Aside) != 2 {
		t.Fatalf("undo: %+v, %v", res, err)
	}
	after := files(t, target)
	for name, text := range before {
		if after[name] != text {
			t.Errorf("after the undo %s holds %q, before the restore %q", name, after[name], text)
		}
	}
	if after["data/version-2.restored-2/snapshot.600000005"] == "" {
		t.Errorf("what was restored is gone: %v", after)
	}
	target.Stamp = "3"
	if _, err := target.Undo(); err == nil || !strings.Contains(err.Error(), "no restore can be undone") {
		t.Errorf("a second undo: %v", err)
	}
}

func TestEpochsNeverGoBack(t *testing.T) {
	tests := map[string]struct {
		change            func(t *testing.T, target Target)
		zxid              zk.Zxid
		accepted, current zk.Epoch
	}{
		"an older backup":                     {nil, 0x600000005, 9, 7},
		"a newer backup, of another ensemble": {nil, 0xc00000005, 12, 12},
		"a crash before the epoch files were written": {func(t *testing.T, target Target) {
			if err := os.Remove(filepath.Join(target.DataDir, "version-2/acceptedEpoch")); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(target.LogDir, "version-2/log.b00000001"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, 0x600000005, 11, 11},
		"no data at all": {func(t *testing.T, target Target) {
			if err := os.RemoveAll(filepath.Dir(target.DataDir)); err != nil {
				t.Fatal(err)
			}
		}, 0x600000005, 6, 6},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			target := host(t)
			if tc.change != nil {
				tc.change(t, target)
			}
			res, err := target.Restore(backup(t, tc.zxid), Options{})
			if err != nil || res.Accepted != tc.accepted || res.Current != tc.current {
				t.Errorf("epochs %d and %d, %v; want %d and %d", res.Accepted, res.Current, err, tc.accepted, tc.current)
			}
		})
	}
	t.Run("an epoch that was promised after the restore", func(t *testing.T) {
		target := host(t)
		if _, err := target.Restore(backup(t, 0x600000005), Options{}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(target.DataDir, "version-2/acceptedEpoch"), []byte("15"), 0o600); err != nil {
			t.Fatal(err)
		}
		if res, err := target.Undo(); err != nil || res.Accepted != 15 || res.Current != 7 {
			t.Errorf("after the undo: %+v, %v", res, err)
		}
	})
}

func TestWhatCannotBeRestoredChangesNothing(t *testing.T) {
	good := backup(t, 0x600000005)
	elsewhere := func(t *testing.T, name string, change func([]byte) []byte) string {
		text, err := os.ReadFile(good)
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(name, change(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	whole := func(b []byte) []byte { return b }
	tests := map[string]struct {
		file func(t *testing.T) string
		want string // of the error; "" for none
	}{
		"a backup by another name says itself where it was taken": {func(t *testing.T) string { return elsewhere(t, "backup", whole) }, ""},
		"one whose name promises a compression":                   {func(t *testing.T) string { return elsewhere(t, "snapshot.600000005.gz", whole) }, ""},
		"one by the name of another":                              {func(t *testing.T) string { return elsewhere(t, "snapshot.700000001", whole) }, "is not the snapshot of its name"},
		"one that holds parts of what came later": {func(t *testing.T) string { return elsewhere(t, "snapshot.600000001", whole) },
			"without the log behind it"},
		"a damaged one": {func(t *testing.T) string {
			return elsewhere(t, "snapshot.600000005", func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		}, "damaged"},
		"one whose znodes are not those of its digest": {func(t *testing.T) string { return backupWith(t, 0x600000005, 1) }, "damaged"},
		"one that holds parts of what came later, by another name": {func(t *testing.T) string {
			name := filepath.Join(t.TempDir(), "backup")
			if err := os.Rename(backupWith(t, 0x600000005, 1), name); err != nil {
				t.Fatal(err)
			}
			return name
		}, "damaged"},
		"no snapshot": {func(t *testing.T) string { return elsewhere(t, "x", func([]byte) []byte { return []byte("hello") }) }, "damaged"},
		"no file":     {func(t *testing.T) string { return filepath.Join(t.TempDir(), "nothing") }, "no such file"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			target := host(t)
			before := files(t, target)
			_, err := target.Restore(tc.file(t), Options{})
			switch {
			case tc.want == "":
				if err != nil || files(t, target)["data/version-2/snapshot.600000005"] == "" {
					t.Errorf("%v, %v", err, files(t, target))
				}
				return
			case err == nil || !strings.Contains(err.Error(), tc.want):
				t.Errorf("%v, want %q", err, tc.want)
			}
			if strings.Contains(tc.want, "damaged") && !errors.Is(err, inspect.ErrDamaged) {
				t.Errorf("%v is no error about damage", err)
			}
			same(t, "after the refusal", files(t, target), before)
		})
	}
	t.Run("a name that is taken", func(t *testing.T) {
		target := host(t)
		if _, err := target.Restore(good, Options{}); err != nil {
			t.Fatal(err)
		}
		if _, err := target.Restore(good, Options{}); err == nil || !strings.Contains(err.Error(), "is there already") {
			t.Error(err)
		}
		same(t, "after the refusal", files(t, target), restored())
	})
	t.Run("with leave", func(t *testing.T) {
		target := host(t)
		if res, err := target.Restore(elsewhere(t, "snapshot.600000001", whole), Options{Fuzzy: true}); err != nil || res.Zxid != 0x600000001 {
			t.Errorf("%+v, %v", res, err)
		}
	})
	t.Run("beside a server", func(t *testing.T) {
		target := host(t)
		before := files(t, target)
		lock, err := target.FS.Lock(filepath.Join(target.DataDir, replica.LockName))
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		if _, err := target.Restore(good, Options{}); !errors.Is(err, vfs.ErrLocked) || !strings.Contains(err.Error(), "stop the server first") {
			t.Errorf("restore: %v", err)
		}
		if _, err := target.Undo(); !errors.Is(err, vfs.ErrLocked) {
			t.Errorf("undo: %v", err)
		}
		same(t, "after the refusal", files(t, target), before)
	})
}

// whole reports whether a target holds the old data, or the new, and nothing of the other.
func whole(all map[string]string) bool {
	text := map[string]bool{}
	for name, contents := range all {
		if strings.Contains(name, "/version-2/") {
			text[contents] = true
		}
	}
	old, fresh := text["old snapshot"] && text["old log"] && text["old mark"], text["new snapshot"]
	return old != fresh && (old || !text["old log"])
}

// A disk that fails from any operation on: what is there then is the old data or the new, or no server starts from
// it; and the next call brings it to its end.
func TestARestoreCanBeCutShortAnywhere(t *testing.T) {
	file := backup(t, 0x600000005)
	errCut := errors.New("cut")
	for _, undo := range []bool{false, true} {
		cut := int64(0)
		for failed := true; failed; {
			cut++
			target := host(t)
			if undo {
				if _, err := target.Restore(file, Options{}); err != nil {
					t.Fatal(err)
				}
			}
			broken := target
			broken.FS = vfs.NewFault(target.FS, func(op vfs.Op) error {
				if op.Seq >= cut {
					return errCut
				}
				return nil
			})
			run := func(target Target, stamp string) error {
				if undo {
					target.Stamp = stamp
					_, err := target.Undo()
					return err
				}
				_, err := target.Restore(file, Options{})
				return err
			}
			failed = run(broken, "2") != nil
			name := fmt.Sprintf("undo %t, cut at operation %d", undo, cut)
			_, err := os.Stat(filepath.Join(target.DataDir, replica.RestoreNote))
			if noted := err == nil; !noted && !whole(files(t, target)) {
				t.Errorf("%s: a server would start from %v", name, files(t, target))
			}
			if !failed {
				break
			}
			if undo {
				if err := run(target, "3"); err != nil && !strings.Contains(err.Error(), "no restore can be undone") {
					t.Errorf("%s: then %v", name, err)
				}
				if _, err := os.Stat(filepath.Join(target.DataDir, replica.RestoreNote)); err == nil || !whole(files(t, target)) {
					t.Errorf("%s: then %v", name, files(t, target))
				}
				continue
			}
			if maps.Equal(files(t, target), restored()) {
				continue // only what comes after the switch was cut
			}
			if err := run(target, "3"); err != nil {
				t.Errorf("%s: then %v", name, err)
			}
			same(t, name+", then once more", files(t, target), restored())
		}
		if cut < 20 {
			t.Errorf("undo %t: only %d operations", undo, cut)
		}
	}
}

func TestNamesInANoteComeBack(t *testing.T) {
	target := host(t)
	want := target.moves(beforePrefix)
	if err := target.writeNote(want); err != nil {
		t.Fatal(err)
	}
	got, err := target.readNote()
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if err := target.writeNote([]move{{"a\nb", "c", "d"}}); err == nil {
		t.Error("a name with a line break is taken")
	}
	if err := os.WriteFile(target.note(), []byte("one line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := target.readNote(); err == nil {
		t.Error("a note of one line is taken")
	}
}
