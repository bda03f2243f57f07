package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"zkd/quorum/zk"
)

// smallDiskBytes leaves a zkd some room above what it wants free at least.
const smallDiskBytes = 192 << 20

// giveSmallDisk puts a server's data on a disk of its own. The server has not run yet.
func (e *ensemble) giveSmallDisk(t testing.TB, id int) {
	t.Helper()
	dir := e.servers[id].dataDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", smallDiskBytes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "myid"), fmt.Appendln(nil, id), 0o644); err != nil {
		t.Fatal(err)
	}
}

// fillDisk leaves a server's disk not a byte.
func (e *ensemble) fillDisk(t testing.TB, id int) {
	t.Helper()
	ballast, err := os.OpenFile(filepath.Join(e.servers[id].dataDir(), "ballast"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	for piece := 1 << 20; piece > 0; piece /= 16 {
		for err = nil; err == nil; {
			_, err = ballast.Write(make([]byte, piece))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
}

func (e *ensemble) emptyDisk(t testing.TB, id int) {
	t.Helper()
	if err := os.Remove(filepath.Join(e.servers[id].dataDir(), "ballast")); err != nil {
		t.Fatal(err)
	}
}

// A disk that is full takes one server away at most, and no acknowledged write. A server may refuse
// writes, or end: with room again, all is as before.
func TestEnsembleWithAFullDisk(t *testing.T) {
	r := newEnsembleRun(t, repeat(3, selectedTarget(t)))
	r.smallDisks = true
	for _, id := range r.all {
		r.kill(t, id)
		r.giveSmallDisk(t, id)
		r.launch(t, id)
		r.awaitAll(t)
	}
	for _, f := range []fault{
		{"a follower's disk is full", false, func(t testing.TB, e *ensemble, l *ensembleLoad, _, follower int) {
			e.fillDisk(t, follower)
			l.awaitProgress(t)
			e.emptyDisk(t, follower)
		}},
		{"the leader's disk is full", true, func(t testing.TB, e *ensemble, l *ensembleLoad, leader, _ int) {
			e.fillDisk(t, leader)
			eventually(t, electionLimit, "writes are refused, or another leads", func() bool {
				l.check(t)
				return l.refused.Load() > 0 || e.modes()[leader] != "leader"
			})
			e.emptyDisk(t, leader)
		}},
	} {
		if !t.Run(f.name, func(t *testing.T) { r.round(t, f) }) {
			return
		}
	}
}

// refusal reports whether a server refused a write for want of room: nothing has happened.
func refusal(err error) bool { return errors.Is(err, zk.ErrSystem) }
