package quorum_test

import (
	"context"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"zkd/quorum"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/snap"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// The tests of this file are named after the design rules that keep zkd clear of ZooKeeper's known bugs. Those
// of the protocol itself are in quorum/zab.

// R14: nothing shares the state of a server that is in no ensemble with a reader (ZOOKEEPER-3526). Who asks for
// a read-only session gets none.
func TestR14AServerWithoutAQuorumServesNoReader(t *testing.T) {
	e := newEnsemble(t, 3, 0, nil)
	leader := e.await()
	create(t, e.client(leader), "/a", nil, zk.ModePersistent)
	alone := other(leader, 3)
	e.stop(leader)
	e.stop(other(alone, 3))
	eventually(t, "the last server has lost its quorum", func() bool { return !e.servers[alone].Status().Serving })
	c, err := rawclient.Dial(e.servers[alone].ClientAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if r, err := c.Connect(proto.ConnectRequest{TimeoutMillis: 10000, HasReadOnly: true, ReadOnly: true, Password: make([]byte, 16)}); err == nil {
		t.Errorf("it answered %+v", r)
	}
	st := e.servers[alone].Status()
	if st.Ensemble.Quorum || st.Ensemble.Losses != -1 || !strings.Contains(st.NotServing, "no quorum: 2 of 3 voters are needed") {
		t.Errorf("status: quorum %t, losses %d, %q", st.Ensemble.Quorum, st.Ensemble.Losses, st.NotServing)
	}
}

// R15: a snapshot that is taken while txns go on holds the state, and the sessions, of one zxid
// (ZOOKEEPER-3127, -3144, -3145).
func TestR15ASnapshotUnderWritesIsExact(t *testing.T) {
	disk := vfs.NewMem()
	s, addr := start(t, config(disk))
	c := open(t, addr, time.Minute)
	create(t, c, "/n", nil, zk.ModePersistent)
	stopWriting, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stopWriting:
				return
			default:
			}
			if _, err := c.Create(fmt.Sprintf("/n/%d", i), nil, proto.OpenACL, zk.ModeEphemeral); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for range 5 {
		z, err := s.Snapshot(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		info, err := snap.Verify(disk, path.Join("/data/version-2", snap.FileName(z, snap.Plain)), nil)
		if err != nil || info.DigestZxid != z || info.LastProcessed != z {
			t.Errorf("snapshot at %v: %+v, %v", z, info, err)
		}
	}
	close(stopWriting)
	<-stopped
	stop(t, s)
	again, _ := start(t, config(disk))
	if n := again.Stats().DigestMismatches.Load(); n != 0 {
		t.Errorf("%d digest mismatches", n)
	}
}

// R18: a server whose log has lost what it had acknowledged neither stands for election nor elects. It serves
// again once the others have given it what is missing.
func TestR18AServerThatForgotDoesNotVote(t *testing.T) {
	disks := []*vfs.Mem{vfs.NewMem(), vfs.NewMem(), vfs.NewMem()}
	e := newEnsemble(t, 3, 0, func(i int, cfg *quorum.Config) { cfg.FS = disks[i] })
	leader := e.await()
	c := e.client(leader)
	for i := range 20 {
		create(t, c, fmt.Sprintf("/n%d", i), nil, zk.ModePersistent)
	}
	e.checkEqual()
	for i := range e.servers {
		e.stop(i)
	}
	forgetful, whole := other(leader, 3), leader
	dir := "/data/version-2"
	names, err := disks[forgetful].List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "log.") {
			continue
		}
		f, err := disks[forgetful].OpenReadWrite(path.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Truncate(info.Size() / 2); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	e.start(forgetful)
	e.start(whole)
	eventually(t, "both have heard of each other", func() bool {
		st := e.servers[whole].Status()
		return st.Ensemble.Members[forgetful].Election.OK
	})
	if st := e.servers[forgetful].Status(); st.ForgotWrites == "" {
		t.Fatal("the loss was not noticed")
	}
	lookings := e.servers[whole].Stats().Lookings.Load()
	eventually(t, "the whole server has looked for long enough", func() bool {
		st := e.servers[whole].Status()
		if st.Serving || e.servers[whole].Stats().Lookings.Load() != lookings {
			t.Fatal("a leader was elected by a server that forgot what it had promised")
		}
		return time.Since(st.Since) > time.Second
	})
	e.start(3 - forgetful - whole)
	e.await()
	e.checkEqual()
	if st := e.servers[forgetful].Status(); st.ForgotWrites != "" {
		t.Errorf("still: %s", st.ForgotWrites)
	}
}

// R20: servers whose files name different members say so.
func TestR20DifferentMembersAreNoticed(t *testing.T) {
	core, logs := observer.New(zapcore.ErrorLevel)
	e := newEnsemble(t, 3, 0, func(i int, cfg *quorum.Config) {
		if i == 0 {
			cfg.Logger = zap.New(core)
			cfg.Ensemble.Servers = append(cfg.Ensemble.Servers[:3:3], proto.QuorumServer{
				ID: 9, Observer: true, Addrs: []proto.PeerAddr{{Host: "127.0.0.1", QuorumPort: 1, ElectionPort: 2}},
			})
		}
	})
	if e.await() == 0 { // then the others notice; they have no ear here
		e.stop(0)
		e.await()
		e.start(0)
		e.await()
	}
	eventually(t, "the difference is in the log", func() bool {
		return logs.FilterMessageSnippet("names other voters").Len() > 0
	})
}
