package epoch

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

const dir = "/data/version-2"

func write(t *testing.T, fs vfs.FS, name, text string) {
	t.Helper()
	f, err := fs.Create(dir + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Sync(), f.Close(), fs.SyncDir(dir)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, fs vfs.FS, name string) string {
	t.Helper()
	f, err := fs.Open(dir + "/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func newMem(t *testing.T) *vfs.Mem {
	t.Helper()
	m := vfs.NewMem()
	if err := m.MkdirAll(dir); err != nil {
		t.Fatal(err)
	}
	return m
}

// R21: what the history proves is mended instead of refused.
func TestR21OpenMendsWhatTheHistoryProves(t *testing.T) {
	tests := map[string]struct {
		accepted, current string // "" for no file
		last              zk.Zxid
		wantAccepted      zk.Epoch
		wantCurrent       zk.Epoch
		repairs           int
	}{
		"a new directory is at epoch 0":                        {"", "", 0, 0, 0, 0},
		"files that agree stay as they are":                    {"5", "4", zk.MakeZxid(4, 9), 5, 4, 0},
		"files of Java with a newline are read":                {"5\n", "4\n", zk.MakeZxid(4, 9), 5, 4, 0},
		"no files: the epoch of the history (standalone Java)": {"", "", zk.MakeZxid(3, 1), 3, 3, 0},
		"history ahead of currentEpoch (ZOOKEEPER-1653)":       {"6", "5", zk.MakeZxid(6, 1), 6, 6, 1},
		"accepted below current (ZOOKEEPER-2307)":              {"3", "4", zk.MakeZxid(4, 1), 4, 4, 1},
		"history ahead of both":                                {"3", "3", zk.MakeZxid(7, 1), 7, 7, 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMem(t)
			if tc.accepted != "" {
				write(t, m, acceptedName, tc.accepted)
			}
			if tc.current != "" {
				write(t, m, currentName, tc.current)
			}
			f, repaired, err := Open(m, dir, tc.last)
			if err != nil {
				t.Fatal(err)
			}
			if f.Accepted() != tc.wantAccepted || f.Current() != tc.wantCurrent || len(repaired) != tc.repairs {
				t.Errorf("accepted %d, current %d, repaired %q", f.Accepted(), f.Current(), repaired)
			}
			again, repaired, err := Open(m.CrashClone(1), dir, tc.last)
			if err != nil || again.Current() != tc.wantCurrent || again.Accepted() != tc.wantAccepted || len(repaired) != 0 {
				t.Errorf("after a power loss: %+v, %q, %v", again, repaired, err)
			}
		})
	}
}

func TestOpenRefusesWhatIsNoEpoch(t *testing.T) {
	for _, text := range []string{"", "x", "-1", "2147483648", "1 2"} {
		m := newMem(t)
		write(t, m, currentName, text)
		if _, _, err := Open(m, dir, 0); err == nil || !strings.Contains(err.Error(), "currentEpoch holds") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Whatever operation of a write fails or is the last before a power loss, the file holds the old
// value or the new one.
func TestAWriteIsAtomic(t *testing.T) {
	for n := int64(1); ; n++ {
		m := newMem(t)
		write(t, m, acceptedName, "1")
		fault := vfs.NewFault(m, vfs.FailNth(n, nil, syscall.EIO))
		f := &Files{fs: fault, dir: dir, accepted: 1}
		err := f.SetAccepted(2)
		for seed := range uint64(20) {
			if text := read(t, m.CrashClone(seed), acceptedName); text != "1" && text != "2" || err == nil && text != "2" {
				t.Fatalf("operation %d failed with %v, then power loss %d: %q", n, err, seed, text)
			}
		}
		if fault.Injected() == 0 {
			if err != nil || f.Accepted() != 2 {
				t.Fatalf("without fault: %v, %d", err, f.Accepted())
			}
			return
		}
		if err == nil && f.Accepted() != 2 || err != nil && f.Accepted() != 1 {
			t.Fatalf("operation %d failed with %v, accepted %d", n, err, f.Accepted())
		}
	}
}

func TestAnEpochNeverGoesBack(t *testing.T) {
	m := newMem(t)
	f, _, err := Open(m, dir, zk.MakeZxid(5, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	f.SetCurrent(4)
}

// On the word of an operator a server stops claiming a history that it has lost; its promise stays.
func TestCurrentIsLoweredOnlyAndAcceptedStays(t *testing.T) {
	m := newMem(t)
	write(t, m, acceptedName, "9")
	write(t, m, currentName, "7")
	f, _, err := Open(m, dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ to, want zk.Epoch }{{8, 7}, {7, 7}, {5, 5}, {6, 5}} {
		if err := f.LowerCurrent(step.to); err != nil || f.Current() != step.want || f.Accepted() != 9 {
			t.Errorf("to %d: %d and %d, %v", step.to, f.Current(), f.Accepted(), err)
		}
		if text := read(t, m, currentName); text != fmt.Sprint(step.want) {
			t.Errorf("to %d: the file holds %s", step.to, text)
		}
	}
	if text := read(t, m, acceptedName); text != "9" {
		t.Errorf("%s holds %s", acceptedName, text)
	}
}
