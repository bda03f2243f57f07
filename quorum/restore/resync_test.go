package restore

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"zkd/quorum/replica"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
)

// What a start and an ensemble make of it is tested in package quorum.

// setAside is what host holds after a resync, without the mark.
func setAside() map[string]string {
	return map[string]string{
		"data/myid": "1\n", "data/version-2/zkd.cut.snapshot.700000001": "old snapshot", "data/version-2/acceptedEpoch": "9",
		"data/version-2/currentEpoch": "7", "log/version-2/zkd.cut.log.700000002": "old log",
	}
}

// marked returns the files of a target, and whether its mark says that the log was given up.
func marked(t *testing.T, target Target) (all map[string]string, givenUp bool) {
	t.Helper()
	found, err := txlog.Foresee(target.FS, filepath.Join(target.LogDir, versionDir), 0)
	all = files(t, target)
	delete(all, "log/version-2/"+txlog.MarkName)
	return all, err == nil && found.GivenUp
}

func TestAResyncSetsAsideWhatTheServerWouldStartFrom(t *testing.T) {
	target := host(t)
	for name, text := range map[string]string{
		"data/version-2/zkd.switch": "700000003", "data/version-2/zkd.aside.snapshot.600000001": "older", "data/version-2/other": "other",
		"log/version-2/log.700000002.bak": "strange", "log/version-2/log.70000000a": "new log",
	} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(target.DataDir), name), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	var adopted []string
	target.Adopt = func(name string) error {
		adopted = append(adopted, filepath.Base(name))
		_, err := os.Stat(name)
		return err
	}
	res, err := target.Resync()
	if err != nil {
		t.Fatal(err)
	}
	if res.Reached != 0x70000000a || res.Accepted != 9 || res.Current != 7 || len(res.Aside) != 6 {
		t.Errorf("%+v", res)
	}
	want := setAside()
	maps.Copy(want, map[string]string{
		"data/version-2/zkd.cut.zkd.switch": "700000003", "data/version-2/zkd.cut.zkd.aside.snapshot.600000001": "older",
		"data/version-2/other": "other", "log/version-2/zkd.cut.log.700000002.bak": "strange", "log/version-2/zkd.cut.log.70000000a": "new log",
	})
	got, givenUp := marked(t, target)
	if same(t, "after a resync", got, want); !givenUp {
		t.Error("nothing says that the log was given up")
	}
	for _, name := range []string{replica.LockName, "acceptedEpoch", "currentEpoch", txlog.MarkName} {
		if !slices.Contains(adopted, name) {
			t.Errorf("%s was not given to the server, only %q", name, adopted)
		}
	}
}

// What only the history says of the epochs is not lost with it (R21), nor is a directory without any.
func TestAResyncKeepsTheEpochsOfTheHistory(t *testing.T) {
	target := host(t)
	for _, name := range []string{"acceptedEpoch", "currentEpoch"} {
		if err := os.Remove(filepath.Join(target.DataDir, versionDir, name)); err != nil {
			t.Fatal(err)
		}
	}
	res, err := target.Resync()
	if err != nil || res.Accepted != 7 || res.Current != 7 {
		t.Errorf("%+v, %v", res, err)
	}
	empty := Target{FS: vfs.OS(), DataDir: t.TempDir()}
	if res, err := empty.Resync(); err != nil || res.Reached != 0 || len(res.Aside) != 0 {
		t.Errorf("an empty directory: %+v, %v", res, err)
	}
	if found, err := txlog.Foresee(vfs.OS(), filepath.Join(empty.DataDir, versionDir), 0); err != nil || !found.GivenUp {
		t.Errorf("an empty directory: %+v, %v", found, err)
	}
}

func TestResyncAndLossRefuse(t *testing.T) {
	tests := map[string]struct {
		spoil func(t *testing.T, target Target)
		want  error
	}{
		"beside a server": {func(t *testing.T, target Target) {
			lock, err := target.FS.Lock(filepath.Join(target.DataDir, replica.LockName))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { lock.Close() })
		}, vfs.ErrLocked},
		"a restore cut short": {func(t *testing.T, target Target) {
			if err := os.WriteFile(filepath.Join(target.DataDir, replica.RestoreNote), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, replica.ErrRestoreUnfinished},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			target := host(t)
			test.spoil(t, target)
			before := files(t, target)
			_, resync := target.Resync()
			_, look := target.Loss(nil)
			_, accept := target.AcceptLoss(nil)
			for _, err := range []error{resync, look, accept} {
				if !errors.Is(err, test.want) {
					t.Errorf("%v, want %v", err, test.want)
				}
			}
			same(t, "after the refusal", files(t, target), before)
		})
	}
	t.Run("a switch cut short", func(t *testing.T) {
		target := host(t)
		if err := os.WriteFile(filepath.Join(target.DataDir, versionDir, replica.IntentName), []byte("1"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := target.AcceptLoss(nil); !errors.Is(err, ErrSwitchUnfinished) {
			t.Error(err)
		}
	})
	t.Run("a damaged log", func(t *testing.T) {
		target := host(t)
		var corrupt *txlog.CorruptError
		if _, err := target.AcceptLoss(nil); !errors.As(err, &corrupt) {
			t.Error(err)
		}
	})
}

// A snapshot that reaches beyond what the log has lost leaves no loss; a damaged one does not count.
func TestALossIsWhatNoSnapshotHolds(t *testing.T) {
	lost := func(t *testing.T) Target {
		t.Helper()
		target := Target{FS: vfs.OS(), DataDir: t.TempDir()}
		dir := filepath.Join(target.DataDir, versionDir)
		if err := os.Mkdir(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		l, _, err := txlog.Open(target.FS, dir, txlog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(l.StartAfter(0x600000004), l.Replace(0x600000009), l.Close()); err != nil {
			t.Fatal(err)
		}
		return target
	}
	into := func(t *testing.T, target Target, file string, change func([]byte)) {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		change(b)
		if err := os.WriteFile(filepath.Join(target.DataDir, versionDir, filepath.Base(file)), b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	whole := func([]byte) {}
	target := lost(t)
	if _, err := target.Loss(nil); !errors.Is(err, ErrNothingHeld) {
		t.Errorf("without a snapshot: %v", err)
	}
	into(t, target, backup(t, 0x600000005), whole)
	want := Loss{Held: 0x600000005, Mark: 0x600000009, Current: 6}
	if loss, err := target.Loss(nil); err != nil || loss != want {
		t.Errorf("with a snapshot below the mark: %+v, %v", loss, err)
	}
	newer := backup(t, 0x600000009)
	into(t, target, newer, func(b []byte) { b[len(b)/2] ^= 1 })
	if loss, err := target.Loss(nil); err != nil || loss != want {
		t.Errorf("with a damaged one at the mark: %+v, %v", loss, err)
	}
	into(t, target, newer, whole)
	if _, err := target.Loss(nil); !errors.Is(err, ErrNoLoss) {
		t.Errorf("with a snapshot at the mark: %v", err)
	}
}

// A disk that fails from any operation on: what is there then is the old data with or without the mark, or parts of
// it by other names under the mark; and the next call brings it to its end.
func TestAResyncCanBeCutShortAnywhere(t *testing.T) {
	errCut := errors.New("cut")
	old := files(t, host(t))
	delete(old, "log/version-2/"+txlog.MarkName)
	cut := int64(0)
	for failed := true; failed; {
		cut++
		target := host(t)
		broken := target
		broken.FS = vfs.NewFault(target.FS, func(op vfs.Op) error {
			if op.Seq >= cut {
				return errCut
			}
			return nil
		})
		_, err := broken.Resync()
		failed = err != nil
		name := fmt.Sprintf("cut at operation %d", cut)
		if got, givenUp := marked(t, target); !maps.Equal(got, old) && !givenUp {
			t.Errorf("%s: without the mark there is %v", name, got)
		}
		if _, err := target.Resync(); err != nil {
			t.Fatalf("%s: then %v", name, err)
		}
		got, givenUp := marked(t, target)
		if same(t, name+", then once more", got, setAside()); !givenUp {
			t.Errorf("%s: then nothing says that the log was given up", name)
		}
	}
	if cut < 20 {
		t.Errorf("only %d operations", cut)
	}
}
