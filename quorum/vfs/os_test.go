package vfs_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"zkd/quorum/vfs"
)

func TestLockFileHoldsThePidWhileLocked(t *testing.T) {
	name := t.TempDir() + "/zkd.lock"
	l := must(vfs.OS().Lock(name))(t)
	pid := fmt.Sprint(os.Getpid())
	if got := strings.TrimSpace(string(must(os.ReadFile(name))(t))); got != pid {
		t.Errorf("file holds %q, want %s", got, pid)
	}
	if _, err := vfs.OS().Lock(name); err == nil || !strings.Contains(err.Error(), "pid "+pid) {
		t.Errorf("message %v does not name pid %s", err, pid)
	}
	check(t, l.Close())
	if got := must(os.ReadFile(name))(t); len(got) != 0 {
		t.Errorf("file holds %q after the lock was let go", got)
	}
}

func TestNewDirectoriesAreClosedToOthers(t *testing.T) {
	dir := t.TempDir() + "/a/b"
	check(t, vfs.OS().MkdirAll(dir))
	for _, d := range []string{dir, dir + "/.."} {
		if mode := must(os.Stat(d))(t).Mode().Perm(); mode&0o007 != 0 {
			t.Errorf("mode of %s is %o", d, mode)
		}
	}
}

func TestMkdirAllRefusesAFileInTheWay(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(dir+"/f", nil, 0o600))
	if err := vfs.OS().MkdirAll(dir + "/f/g"); err == nil {
		t.Error("made a directory below a file")
	}
}
