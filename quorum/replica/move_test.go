package replica

import (
	"testing"

	"zkd/quorum/prep"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// Features 1.3: once a session has moved to another connection, what the old one still sends is
// refused, the end of the session too: the client has given that connection up.
func TestASessionThatHasMovedListensToItsNewConnectionOnly(t *testing.T) {
	r := start(t, config(t, vfs.NewMem()))
	old := connect(t, r)
	moved := &client{r: r, session: old.session, results: make(chan Outcome, 1<<4), closed: make(chan struct{})}
	r.Submit([]Request{{
		Request: prep.Request{Session: old.session, TimeoutMillis: 10000}, Kind: Attach, Origin: moved, Owner: moved, Term: r.Serving(),
	}})
	if o, err := moved.next(); err != nil || o.Err != zk.OK {
		t.Fatalf("attach: %v, %v", o.Err, err)
	}
	if o, _ := old.create("/late"); o.Err != zk.ErrSessionMoved {
		t.Errorf("write of the old connection: %v", o.Err)
	}
	old.submit(zk.OpCloseSession, nil)
	if o, _ := old.next(); o.Err != zk.ErrSessionMoved {
		t.Errorf("closeSession of the old connection: %v", o.Err)
	}
	if exists(r, "/late") {
		t.Error("the write of the old connection was done")
	}
	if o, _ := moved.create("/n"); o.Err != zk.OK {
		t.Errorf("write of the new connection: %v", o.Err)
	}
	moved.submit(zk.OpCloseSession, nil)
	if o, _ := moved.next(); o.Err != zk.OK {
		t.Errorf("closeSession of the new connection: %v", o.Err)
	}
	<-moved.closed
	if o, _ := moved.create("/gone"); o.Err != zk.ErrSessionExpired {
		t.Errorf("write behind closeSession: %v", o.Err)
	}
}
