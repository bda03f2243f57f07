package quorum_test

import (
	"fmt"
	"strings"
	"testing"

	"zkd/quorum"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// A leader whose log has a bad byte far below its end serves on; a follower that was away gets everything, and
// not the same part of the log again and again. The leader can be started again.
func TestAFollowerThatWasAwayJoinsALeaderWithADamagedLog(t *testing.T) {
	disks := []*vfs.Mem{vfs.NewMem(), vfs.NewMem(), vfs.NewMem()}
	e := newEnsemble(t, 3, 0, func(i int, cfg *quorum.Config) { cfg.FS = disks[i] })
	leader := e.await()
	c := e.client(leader)
	create(t, c, "/a", nil, zk.ModePersistent)
	e.checkEqual()
	away := other(leader, 3)
	st := e.servers[leader].Stats()
	diffs, snaps := st.DiffsSent.Load(), st.SnapsSent.Load()
	e.stop(away)
	for i := range 100 {
		create(t, c, fmt.Sprintf("/n%d", i), []byte(strings.Repeat("x", 100)), zk.ModePersistent)
	}
	rewrite(t, disks[leader], "log.", func(f vfs.File, _ int64) error {
		_, err := f.WriteAt([]byte{0xee}, 9000)
		return err
	})
	e.start(away)
	if again := e.await(); again != leader {
		t.Fatalf("server %d leads, before it was %d", again+1, leader+1)
	}
	if diffs, snaps, errs := st.DiffsSent.Load()-diffs, st.SnapsSent.Load()-snaps, st.LogReadErrors.Load(); diffs != 1 || snaps != 1 || errs != 1 {
		t.Errorf("%d DIFFs, %d SNAPs, %d errors of reading", diffs, snaps, errs)
	}
	create(t, c, "/z", nil, zk.ModePersistent)
	e.checkEqual()
	eventually(t, "the leader has written a snapshot", func() bool { return st.Snapshots.Load() > 0 })
	e.stop(leader)
	e.start(leader)
	e.await()
	e.checkEqual()
}
