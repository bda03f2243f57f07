package quorum_test

import (
	"fmt"
	"path"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zkd/quorum"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// leaderOf waits until a server other than the given ones leads and serves, and returns it.
func (e *ensemble) leaderOf(but ...int) (leader int) {
	e.t.Helper()
	eventually(e.t, "another server leads", func() bool {
		for i, s := range e.servers {
			out := false
			for _, b := range but {
				out = out || b == i
			}
			if st := s.Status(); !out && st.Serving && st.Role == quorum.Leader {
				leader = i
				return true
			}
		}
		return false
	})
	return leader
}

func other(i, of int) int { return (i + 1) % of }

// What a leader could not commit before it was cut off is not there when it is back: it is cut off its log
// again, whatever it had logged.
func TestACutOffLeaderLosesWhatItCouldNotCommit(t *testing.T) {
	e := newEnsemble(t, 3, 0, nil)
	old := e.await()
	c := e.client(old)
	create(t, c, "/committed", nil, zk.ModePersistent)
	e.net.isolate(zk.ServerID(old+1), 3)
	for i := range 10 {
		request := proto.CreateRequest{Path: fmt.Sprintf("/lost%d", i), ACL: proto.OpenACL}
		if _, err := c.Send(zk.OpCreate, request.Append(nil, zk.OpCreate)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the old leader has logged them", func() bool { return e.servers[old].Status().LoggedZxid.Counter() >= 11 })
	next := e.leaderOf(old)
	other := e.client(next)
	create(t, other, "/new", nil, zk.ModePersistent)
	eventually(t, "the old leader has stepped down", func() bool { return !e.servers[old].Status().Serving })
	if r, err := c.Reply(); err == nil {
		t.Errorf("the old leader answered: %+v", r)
	}
	e.net.lose("")
	e.await()
	back := e.client(old)
	if _, err := back.Sync("/"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := back.GetData("/new", false); err != nil {
		t.Error(err)
	}
	for i := range 10 {
		if _, _, err := back.GetData(fmt.Sprintf("/lost%d", i), false); err == nil {
			t.Errorf("/lost%d is there", i)
		}
	}
	e.checkEqual()
}

// A leader that can still send, but hears nobody, steps down within syncLimit, and answers no sync meanwhile.
func TestALeaderThatHearsNobodyStepsDown(t *testing.T) {
	e := newEnsemble(t, 3, 0, nil)
	old := e.await()
	c := e.client(old)
	create(t, c, "/a", nil, zk.ModePersistent)
	var ways []string
	for i := range 3 {
		if i != old {
			ways = append(ways, fmt.Sprintf("%d>%d", i+1, old+1))
		}
	}
	e.net.lose(strings.Join(ways, " "))
	if _, err := c.Sync("/"); err == nil {
		t.Error("a sync was answered by a leader that no quorum confirms")
	}
	next := e.leaderOf(old)
	create(t, e.client(next), "/b", nil, zk.ModePersistent)
	e.net.lose("")
	e.await()
	e.checkEqual()
}

// R22: a leader whose disk fails is out at once; the others go on.
func TestALeaderWhoseDiskFailsIsOut(t *testing.T) {
	var broken [3]atomic.Bool
	e := newEnsemble(t, 3, 0, func(i int, cfg *quorum.Config) { cfg.FS = failingLog(&broken[i]) })
	old := e.await()
	c := e.client(old)
	create(t, c, "/a", nil, zk.ModePersistent)
	broken[old].Store(true)
	if _, err := c.Create("/b", nil, proto.OpenACL, zk.ModePersistent); err == nil {
		t.Error("the leader answered a write that its disk refused") // it may be committed by the others, though
	}
	<-e.servers[old].Done()
	next := e.leaderOf(old)
	create(t, e.client(next), "/c", nil, zk.ModePersistent)
	e.servers[old] = nil
}

// A leader whose disk is the slow one gives way to a server that can log what is proposed.
func TestALeaderWithASlowDiskHandsOver(t *testing.T) {
	var slow [3]atomic.Bool
	release := make(chan struct{})
	e := newEnsemble(t, 3, 0, func(i int, cfg *quorum.Config) {
		cfg.FS = vfs.NewFault(vfs.NewMem(), func(op vfs.Op) error {
			if slow[i].Load() && op.Kind == vfs.OpSync && path.Base(op.Path) != "zkd.mark" {
				<-release
			}
			return nil
		})
	})
	defer close(release)
	old := e.await()
	c := e.client(other(old, 3))
	create(t, c, "/a", nil, zk.ModePersistent)
	slow[old].Store(true)
	// Two of three disks are a quorum: writes go on until the leader has seen that it holds them up.
	if _, err := c.Create("/b", nil, proto.OpenACL, zk.ModePersistent); err != nil {
		t.Errorf("a write by way of a follower: %v", err)
	}
	next := e.leaderOf(old)
	create(t, e.client(next), "/c", nil, zk.ModePersistent)
}

// A server that lost its disk takes a snapshot, while others write.
func TestAnEmptyServerTakesASnapshot(t *testing.T) {
	e := newEnsemble(t, 3, 0, nil)
	leader := e.await()
	c := e.client(leader)
	for i := range 300 {
		create(t, c, fmt.Sprintf("/n%d", i), []byte("x"), zk.ModePersistent)
	}
	away := other(leader, 3)
	e.stop(away)
	e.configs[away].FS = vfs.NewMem()
	stopWriting := make(chan struct{})
	written := make(chan int)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stopWriting:
				written <- i
				return
			default:
			}
			if _, err := c.SetData("/n0", fmt.Appendf(nil, "%d", i), -1); err != nil {
				t.Error(err)
				written <- i
				return
			}
		}
	}()
	e.start(away)
	e.await()
	close(stopWriting)
	<-written
	if n := e.servers[away].Stats().SnapsReceived.Load(); n != 1 {
		t.Errorf("%d snapshots received", n)
	}
	e.checkEqual()
	// What it has is on its own disk.
	e.stop(away)
	e.start(away)
	e.await()
	if n := e.servers[away].Stats().SnapsReceived.Load(); n != 0 {
		t.Errorf("%d snapshots received after a restart", n)
	}
	e.checkEqual()
}

// resume goes on with a session at another server. One that is behind what the client has seen refuses it.
func (e *ensemble) resume(c *rawclient.Client, i int) (moved *rawclient.Client) {
	e.t.Helper()
	eventually(e.t, fmt.Sprintf("server %d takes the session", i+1), func() (ok bool) {
		var err error
		if moved, err = c.Resume(e.servers[i].ClientAddrs()[0]); err != nil {
			e.t.Log(err)
		}
		return err == nil
	})
	e.t.Cleanup(func() { moved.Close() })
	return moved
}

// A session lives on when its server dies, at whichever server its client comes back.
func TestASessionMovesBetweenServers(t *testing.T) {
	e := newEnsemble(t, 3, 1, nil)
	leader := e.await()
	first := other(leader, 4)
	c := open(t, e.servers[first].ClientAddrs()[0], 10*time.Second)
	create(t, c, "/eph", nil, zk.ModeEphemeral)
	for i := range e.servers {
		moved := e.resume(c, i)
		if _, err := moved.SetData("/eph", []byte{byte(i)}, -1); err != nil {
			t.Errorf("at server %d: %v", i+1, err)
		}
		c = moved
	}
	e.stop(leader)
	next := e.await()
	moved := e.resume(c, next)
	if _, _, err := moved.GetData("/eph", false); err != nil {
		t.Error(err)
	}
	if err := moved.CloseSession(); err != nil {
		t.Error(err)
	}
	eventually(t, "the ephemeral is gone everywhere", func() bool {
		for _, s := range e.servers {
			if s != nil && s.Status().Ephemerals != 0 {
				return false
			}
		}
		return true
	})
}

// The leader decides who is alive, by what the servers have heard: a client that is silent at a follower loses
// its session, one that pings there does not.
func TestSessionsAtAFollowerExpireIfSilent(t *testing.T) {
	e := newEnsemble(t, 3, 0, nil)
	follower := other(e.await(), 3)
	addr := e.servers[follower].ClientAddrs()[0]
	const timeout = 600 * time.Millisecond
	silent, busy := open(t, addr, timeout), open(t, addr, timeout)
	create(t, silent, "/silent", nil, zk.ModeEphemeral)
	create(t, busy, "/busy", nil, zk.ModeEphemeral)
	watcher := e.client(e.leaderOf())
	gone := func() bool {
		if _, err := busy.Ping(); err != nil {
			t.Fatal(err)
		}
		_, err := watcher.Exists("/silent", false)
		return err != nil
	}
	eventually(t, "the silent client's znode is gone", gone)
	for range 50 {
		gone()
	}
	if _, err := watcher.Exists("/busy", false); err != nil {
		t.Errorf("a client that pings: %v", err)
	}
}

// Syncs and writes that a client sends in one go are answered in their order, whoever leads.
func TestPipelinedSyncsAndWritesAreAnsweredInOrder(t *testing.T) {
	e := newEnsemble(t, 3, 1, nil)
	e.await()
	create(t, e.client(0), "/p", nil, zk.ModePersistent)
	for i := range e.servers {
		c := e.client(i)
		set, sync, get := proto.SetDataRequest{Path: "/p", Version: -1}, proto.PathRequest{Path: "/p"}, proto.PathWatchRequest{Path: "/p"}
		var stream []byte
		ops := []struct {
			op   zk.Op
			body []byte
		}{{zk.OpSetData, set.Append(nil)}, {zk.OpSync, sync.Append(nil)}, {zk.OpGetData, get.Append(nil)}}
		const n = 300
		for xid := range int32(n) {
			o := ops[(int(xid)*7+int(xid)/11)%3]
			stream = rawclient.AppendRequest(stream, xid+1, o.op, o.body)
		}
		if err := c.WriteRaw(stream); err != nil {
			t.Fatal(err)
		}
		last := zk.Zxid(0)
		for xid := range int32(n) {
			r, err := c.Reply()
			if err != nil || r.Xid != xid+1 || r.Err != zk.OK {
				t.Fatalf("server %d: reply %d is %+v, %v", i+1, xid+1, r.ReplyHeader, err)
			}
			if r.Zxid < last {
				t.Fatalf("server %d: zxid %v after %v", i+1, r.Zxid, last)
			}
			last = r.Zxid
		}
	}
	e.checkEqual()
}
