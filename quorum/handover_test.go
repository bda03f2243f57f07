package quorum_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"zkd/quorum"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

func TestALeaderHandsOverToAnotherAndFollowsIt(t *testing.T) {
	e := newEnsemble(t, 3, 0, nil)
	leader := e.await()
	c := e.client((leader + 1) % 3)
	if _, err := c.Create("/before", nil, proto.OpenACL, zk.ModePersistent); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if _, err := e.servers[(leader+1)%3].HandOver(ctx); !errors.Is(err, quorum.ErrNotLeading) {
		t.Errorf("a follower hands over: %v", err)
	}
	old := e.servers[leader]
	next, err := old.HandOver(ctx)
	if err != nil || next == old.Status().ID {
		t.Fatalf("handed over to server %d: %v", next, err)
	}
	if got := e.await(); zk.ServerID(got+1) != next {
		t.Errorf("server %d leads, not %d", got+1, next)
	}
	if st := old.Status(); st.Role != quorum.Follower {
		t.Errorf("the old leader is %s", st.Role)
	}
	c = e.client(leader)
	if _, err := c.Create("/after", nil, proto.OpenACL, zk.ModePersistent); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.GetData("/before", false); err != nil {
		t.Errorf("a write from before is lost: %v", err)
	}
}

func TestALeaderKeepsItsRoleWhereNobodyCouldFollow(t *testing.T) {
	e := newEnsemble(t, 3, 0, nil)
	leader := e.await()
	eventually(t, "the leader knows both followers", func() bool {
		for _, m := range e.servers[leader].Status().Ensemble.Members {
			if !m.Synced {
				return false
			}
		}
		return true
	})
	e.stop((leader + 1) % 3)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	eventually(t, "the leader knows that it has one follower left", func() bool {
		return !e.servers[leader].Status().Ensemble.Members[(leader+1)%3].Synced
	})
	if _, err := e.servers[leader].HandOver(ctx); !errors.Is(err, quorum.ErrNoSuccessor) {
		t.Errorf("it hands over to nobody: %v", err)
	}
	if st := e.servers[leader].Status(); st.Role != quorum.Leader || !st.Serving {
		t.Errorf("it is %s, serving %t", st.Role, st.Serving)
	}
}

func TestShedClientsComeBackWithTheirSessions(t *testing.T) {
	e := newEnsemble(t, 3, 0, nil)
	e.await()
	for range 4 {
		e.client(0)
	}
	if got := e.servers[0].ShedConnections(0); got != 0 {
		t.Errorf("0 %%: shed %d connections", got)
	}
	eventually(t, "all are counted", func() bool { return len(e.servers[0].Connections()) == 4 })
	if got := e.servers[0].ShedConnections(50); got != 2 {
		t.Errorf("shed %d of 4 connections, want 2", got)
	}
	eventually(t, "half are closed", func() bool { return len(e.servers[0].Connections()) == 2 })
	if got := len(e.servers[0].Sessions()); got != 4 {
		t.Errorf("%d sessions are left of 4", got)
	}
	if got := e.servers[0].ShedConnections(1); got != 1 {
		t.Errorf("1 %% of 2 connections: shed %d, want 1", got)
	}
}
