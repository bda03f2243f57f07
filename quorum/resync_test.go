package quorum_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"zkd/quorum"
	"zkd/quorum/restore"
	"zkd/quorum/snap"
	"zkd/quorum/txlog"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// What an operator does with a member whose data is damaged or lost: zkd log repair --resync and --accept-loss.

const versionDir = "/data/version-2"

// contents are all files of a data directory, by name.
func contents(t *testing.T, disk *vfs.Mem) map[string][]byte {
	t.Helper()
	names, err := disk.List(versionDir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, name := range names {
		f, err := disk.Open(path.Join(versionDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if all[name], err = io.ReadAll(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return all
}

// rewrite changes the files whose names begin with prefix, behind the back of the server.
func rewrite(t *testing.T, disk *vfs.Mem, prefix string, change func(f vfs.File, size int64) error) {
	t.Helper()
	changed := 0
	for name, b := range contents(t, disk) {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		f, err := disk.OpenReadWrite(path.Join(versionDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(change(f, int64(len(b))), f.Sync(), f.Close()); err != nil {
			t.Fatal(err)
		}
		changed++
	}
	if changed == 0 {
		t.Fatalf("no file is named %s*", prefix)
	}
}

// damage flips a bit in the middle of files.
func damage(f vfs.File, size int64) error {
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, size/2); err != nil {
		return err
	}
	b[0] ^= 1
	_, err := f.WriteAt(b, size/2)
	return err
}

// halve cuts files in their middle: the tail of a log, that a disk had lied about.
func halve(f vfs.File, size int64) error { return f.Truncate(size / 2) }

// written is an ensemble of three with disks, all stopped after some writes, and who led it.
func written(t *testing.T) (e *ensemble, disks []*vfs.Mem, leader int) {
	t.Helper()
	disks = []*vfs.Mem{vfs.NewMem(), vfs.NewMem(), vfs.NewMem()}
	e = newEnsemble(t, 3, 0, func(i int, cfg *quorum.Config) { cfg.FS = disks[i] })
	leader = e.await()
	c := e.client(leader)
	for i := range 20 {
		create(t, c, fmt.Sprintf("/n%d", i), nil, zk.ModePersistent)
	}
	e.checkEqual()
	for i := range e.servers {
		e.stop(i)
	}
	return e, disks, leader
}

func target(disk vfs.FS) restore.Target { return restore.Target{FS: disk, DataDir: "/data"} }

// startFails starts a server that must not start, and returns why it does not.
func (e *ensemble) startFails(i int) error {
	e.t.Helper()
	s, err := quorum.Start(e.configs[i], nil)
	if err == nil {
		stop(e.t, s)
		e.t.Fatalf("server %d starts", i+1)
	}
	return err
}

// R18: a member whose data is damaged takes everything from the others after zkd log repair --resync, and helps
// nobody to be elected before.
func TestR18ADamagedMemberComesBackByAResync(t *testing.T) {
	for name, test := range map[string]struct {
		prefix string
		want   any // the error, as a pointer
	}{
		"log":      {"log.", new(*txlog.CorruptError)},
		"snapshot": {"snapshot.", new(*snap.HistoryError)},
	} {
		t.Run(name, func(t *testing.T) {
			e, disks, leader := written(t)
			sick, third := other(leader, 3), 3-leader-other(leader, 3)
			rewrite(t, disks[sick], test.prefix, damage)
			err := e.startFails(sick)
			if !errors.As(err, test.want) || !strings.Contains(err.Error(), "This server is a member of an ensemble: 'zkd log repair --resync'") {
				t.Errorf("the start fails with: %v", err)
			}
			before := contents(t, disks[sick])
			res, err := target(disks[sick]).Resync()
			if err != nil {
				t.Fatal(err)
			}
			after := contents(t, disks[sick])
			for _, epoch := range []string{"acceptedEpoch", "currentEpoch"} {
				if string(after[epoch]) != string(before[epoch]) {
					t.Errorf("%s is %s, was %s", epoch, after[epoch], before[epoch])
				}
			}
			if len(res.Aside) == 0 || fmt.Sprint(res.Accepted) != string(before["acceptedEpoch"]) {
				t.Errorf("%+v", res)
			}
			for range 2 { // it knows over a restart, and helps nobody
				e.start(sick)
				if st := e.servers[sick].Status(); !strings.Contains(st.ForgotWrites, "set aside by 'zkd log repair --resync'") {
					t.Errorf("it says: %s", st.ForgotWrites)
				}
				e.start(leader)
				e.neverLeads(leader)
				e.stop(sick)
				e.stop(leader)
			}
			e.start(sick)
			e.start(leader)
			e.start(third)
			e.await()
			if n := e.servers[sick].Stats().SnapsReceived.Load(); n != 1 {
				t.Errorf("%d snapshots received", n)
			}
			if st := e.servers[sick].Status(); st.ForgotWrites != "" {
				t.Errorf("still: %s", st.ForgotWrites)
			}
			e.checkEqual()
			for name, b := range before {
				if strings.HasPrefix(name, "log.") || strings.HasPrefix(name, "snapshot.") {
					if kept := contents(t, disks[sick])["zkd.cut."+name]; string(kept) != string(b) {
						t.Errorf("%s is not kept", name)
					}
				}
			}
			// It has all of it on its own disk, and votes.
			e.stop(third)
			e.stop(sick)
			e.start(sick)
			e.await()
		})
	}
}

// neverLeads waits until a server that runs beside one that has forgotten has looked in vain for a while.
func (e *ensemble) neverLeads(i int) {
	e.t.Helper()
	lookings := e.servers[i].Stats().Lookings.Load()
	eventually(e.t, "it has looked for long enough", func() bool {
		st := e.servers[i].Status()
		if st.Serving || e.servers[i].Stats().Lookings.Load() > max(lookings, 1) {
			e.t.Fatal("a leader was elected by a server that forgot what it had promised")
		}
		return st.Ensemble.Members[other(i, 3)].Election.OK && time.Since(st.Since) > 500*time.Millisecond
	})
}

// A power loss at any step of a resync leaves a server that does not start, and says what to do, or one that knows
// what it has forgotten; the next call brings it to its end, and nothing is lost on the way.
func TestPowerLossWhileAMemberIsResynced(t *testing.T) {
	e, disks, leader := written(t)
	sick := other(leader, 3)
	rewrite(t, disks[sick], "log.", damage)
	before := contents(t, disks[sick])
	for i, disk := range crashes(t, disks[sick], func(fsys vfs.FS) error { _, err := target(fsys).Resync(); return err }) {
		e.configs[sick].FS = disk
		s, err := quorum.Start(e.configs[sick], nil)
		var corrupt *txlog.CorruptError
		switch {
		case err == nil:
			if s.Status().ForgotWrites == "" {
				t.Fatalf("moment %d: a server starts that does not know what it has forgotten", i)
			}
			stop(t, s)
		case !errors.As(err, &corrupt):
			t.Fatalf("moment %d: %v", i, err)
		}
		if _, err := target(disk).Resync(); err != nil {
			t.Fatalf("moment %d: again: %v", i, err)
		}
		if s, err = quorum.Start(e.configs[sick], nil); err != nil {
			t.Fatalf("moment %d: after that: %v", i, err)
		}
		if s.Status().ForgotWrites == "" {
			t.Fatalf("moment %d: after that it does not know what it has forgotten", i)
		}
		stop(t, s)
		left := slices.Collect(maps.Values(contents(t, disk)))
		for name, b := range before {
			if strings.HasPrefix(name, "log.") && !slices.ContainsFunc(left, func(kept []byte) bool { return string(kept) == string(b) }) {
				t.Fatalf("moment %d: %s is lost", i, name)
			}
		}
	}
}

// crashes runs something on a disk and returns the disk as power losses leave it before each of its steps, and at
// its end.
func crashes(t *testing.T, disk *vfs.Mem, run func(fsys vfs.FS) error) (disks []*vfs.Mem) {
	t.Helper()
	clone := func(seq int64) {
		for seed := range int64(4) {
			disks = append(disks, disk.CrashClone(uint64(seq*4+seed)))
		}
	}
	last := int64(0)
	err := run(vfs.NewFault(disk, func(op vfs.Op) error {
		if op.Kind.Changes() {
			clone(op.Seq)
		}
		last = op.Seq
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	clone(last + 1)
	if len(disks) < 20 {
		t.Fatalf("only %d moments", len(disks))
	}
	return disks
}

// Where two of three have forgotten, nobody can be elected, until an operator accepts the loss on one of them.
func TestAnAcceptedLossLetsAServerStandAgain(t *testing.T) {
	e, disks, leader := written(t)
	worse, better := other(leader, 3), 3-leader-other(leader, 3)
	if _, err := target(disks[leader]).Loss(nil); !errors.Is(err, restore.ErrNoLoss) {
		t.Errorf("a whole server: %v", err)
	}
	rewrite(t, disks[worse], "log.", func(f vfs.File, size int64) error { return f.Truncate(size / 3) })
	rewrite(t, disks[better], "log.", halve)
	e.start(worse)
	e.start(better)
	e.start(leader)
	for _, i := range []int{worse, better} {
		forgot := e.servers[i].Status().ForgotWrites
		for _, want := range []string{"acknowledged writes are lost", "zkd log repair --accept-loss", "how far its log reaches"} {
			if !strings.Contains(forgot, want) {
				t.Errorf("server %d says %q, without %q", i+1, forgot, want)
			}
		}
	}
	e.neverLeads(leader)
	if _, err := target(disks[better]).AcceptLoss(nil); !errors.Is(err, vfs.ErrLocked) {
		t.Errorf("beside the server: %v", err)
	}
	e.stop(better)
	seen, err := target(disks[better]).Loss(nil)
	if err != nil || seen.Held == 0 || seen.Held >= seen.Mark {
		t.Fatalf("%+v, %v", seen, err)
	}
	e.start(better) // looking has changed nothing
	if e.servers[better].Status().ForgotWrites == "" {
		t.Error("to look at the loss was to accept it")
	}
	e.stop(better)
	if done, err := target(disks[better]).AcceptLoss(nil); err != nil || done != seen {
		t.Fatalf("%+v, %v; seen before: %+v", done, err, seen)
	}
	e.start(better)
	if forgot := e.servers[better].Status().ForgotWrites; forgot != "" {
		t.Errorf("still: %s", forgot)
	}
	if e.await() != leader {
		t.Error("not the server with the longest log leads")
	}
	e.checkEqual()
	if forgot := e.servers[worse].Status().ForgotWrites; forgot != "" {
		t.Errorf("the other one that forgot still says: %s", forgot)
	}
	for i := range 20 {
		if _, _, err := e.client(worse).GetData(fmt.Sprintf("/n%d", i), false); err != nil {
			t.Errorf("/n%d: %v", i, err)
		}
	}
}

// A server that has lost the beginning of an epoch, or all it had, does not claim to have that epoch's history.
func TestAnAcceptedLossClaimsNoEpochThatIsLost(t *testing.T) {
	e, disks, leader := written(t)
	for i := range e.servers { // another epoch, with a txn in a file of its own
		e.start(i)
	}
	create(t, e.client(e.await()), "/next", nil, zk.ModePersistent)
	e.checkEqual()
	for i := range e.servers {
		e.stop(i)
	}
	disk := disks[leader]
	rewrite(t, disk, "log.2", func(f vfs.File, _ int64) error { return f.Truncate(0) })
	before := contents(t, disk)
	seen, err := target(disk).Loss(nil)
	if err != nil || seen.Held.Epoch() != 1 || seen.Mark.Epoch() != 2 || seen.Current != 2 {
		t.Fatalf("%+v, %v", seen, err)
	}
	for i, crashed := range crashes(t, disk, func(fsys vfs.FS) error { _, err := target(fsys).AcceptLoss(nil); return err }) {
		e.configs[leader].FS = crashed
		s, err := quorum.Start(e.configs[leader], nil)
		if err != nil {
			t.Fatalf("moment %d: %v", i, err)
		}
		forgot := s.Status().ForgotWrites
		stop(t, s)
		after := contents(t, crashed)
		if forgot == "" && string(after["currentEpoch"]) != "1" {
			t.Fatalf("moment %d: it may stand, and claims epoch %s", i, after["currentEpoch"])
		}
		if string(after["acceptedEpoch"]) != string(before["acceptedEpoch"]) {
			t.Fatalf("moment %d: acceptedEpoch is %s", i, after["acceptedEpoch"])
		}
	}
	after := contents(t, disk)
	if string(after["currentEpoch"]) != "1" || string(after["acceptedEpoch"]) != "2" {
		t.Errorf("epochs %s, %s", after["currentEpoch"], after["acceptedEpoch"])
	}
	if _, err := target(disk).AcceptLoss(nil); !errors.Is(err, restore.ErrNoLoss) {
		t.Errorf("again: %v", err)
	}

	empty := disks[other(leader, 3)]
	if _, err := target(empty).Resync(); err != nil {
		t.Fatal(err)
	}
	if _, err := target(empty).AcceptLoss(nil); !errors.Is(err, restore.ErrNothingHeld) {
		t.Errorf("a server whose data was set aside: %v", err)
	}
}

// Nobody can give a single server its data back: what it says of damage names the restore and the repair.
func TestASingleServerWithDamageIsToldWhatToDo(t *testing.T) {
	disk := vfs.NewMem()
	s, addr := start(t, config(disk))
	c := open(t, addr, time.Minute)
	for i := range 20 {
		create(t, c, fmt.Sprintf("/n%d", i), nil, zk.ModePersistent)
	}
	stop(t, s)
	rewrite(t, disk, "log.", damage)
	_, err := quorum.Start(config(disk), nil)
	for _, want := range []string{"'zkd log verify /data/version-2'", "'zkd snapshot restore'", "'zkd log repair --give-up /data'"} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "--resync") {
			t.Errorf("%v; want %s", err, want)
		}
	}
}
