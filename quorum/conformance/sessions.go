package conformance

import (
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

var sessionCases = group{name: "sessions", cases: []func(*T){
	closeSessionIsAnsweredAndThenTheConnectionClosed,
	closedSessionCannotBeResumed,
	ephemeralsVanishInTheZxidOfCloseSession,
	requestsBehindCloseSessionHaveNoEffect,
	silentSessionExpiresAndTakesItsEphemeralsWithIt,
	expiredSessionLosesItsConnection,
	pingsKeepASessionAlive,
	requestsKeepASessionAlive,
	brokenConnectionDoesNotEndTheSession,
}}

func closeSessionIsAnsweredAndThenTheConnectionClosed(t *T) {
	c := t.open()
	xid, err := c.Send(zk.OpCloseSession, nil)
	t.ok(err)
	reply := c.readReply(xid)
	equal(t, "err", reply.Err, zk.OK)
	equal(t, "body bytes", len(reply.Body), 0)
	t.closed(c)
}

// resumeFails ends the case unless the session of c is gone. A server that is just about to close
// the session may cut the new connection off with it.
func (t *T) resumeFails(c *conn) {
	t.Helper()
	_, err := c.Resume(t.Server.Addr)
	for range 10 {
		if !isClosed(err) {
			break
		}
		_, err = c.Resume(t.Server.Addr)
	}
	t.refused(err, zk.ErrSessionExpired)
}

func closedSessionCannotBeResumed(t *T) {
	c := t.open()
	t.ok(c.CloseSession())
	t.resumeFails(c)
}

func ephemeralsVanishInTheZxidOfCloseSession(t *T) {
	c, other := t.open(), t.open()
	parent := other.create(t.path("p"), zk.ModePersistent)
	a, b := c.create(parent+"/a", zk.ModeEphemeral), c.create(parent+"/b", zk.ModeEphemeral)
	other.watchExists(a)
	t.ok(c.CloseSession())
	other.expectEvent(zk.EventNodeDeleted, a)
	other.absent(a)
	other.absent(b)
	stat := other.stat(parent)
	equal(t, "pzxid of the parent", stat.Pzxid, c.LastZxid)
	equal(t, "children", stat.NumChildren, 0)
	equal(t, "cversion of the parent", stat.Cversion, 4)
}

func requestsBehindCloseSessionHaveNoEffect(t *T) {
	c, other := t.open(), t.open()
	p := t.path("a")
	create := proto.CreateRequest{Path: p, ACL: proto.OpenACL}
	b := rawclient.AppendRequest(nil, 1, zk.OpCloseSession, nil)
	b = rawclient.AppendRequest(b, 2, zk.OpCreate, create.Append(nil, zk.OpCreate))
	t.ok(c.WriteRaw(b))
	c.readReply(1)
	// Whether they are answered before the connection goes is left to chance.
	if reply, err := c.Reply(); err == nil {
		equal(t, "err", reply.Err, zk.ErrSessionExpired)
	} else if !isClosed(err) {
		t.Fatal(err)
	}
	other.absent(p)
}

// A session lives its timeout at least, and one tick longer at most but for what the server needs
// to notice.
func silentSessionExpiresAndTakesItsEphemeralsWithIt(t *T) {
	other := t.open()
	p := t.path("e")
	c := t.openFor(1000)
	c.create(p, zk.ModeEphemeral)
	heard := time.Now()
	other.watchExists(p)
	other.expectEvent(zk.EventNodeDeleted, p)
	if lived := time.Since(heard); lived < 900*time.Millisecond {
		t.Fatalf("session with a timeout of 1 s expired after %v of silence", lived)
	}
	t.resumeFails(c)
}

func expiredSessionLosesItsConnection(t *T) {
	c := t.openFor(1000)
	t.closed(c)
}

// keepAlive calls touch every third of a second, on a session with a timeout of one second, until
// a silent session of the same timeout that was touched last has expired.
func keepAlive(t *T, touch func(c *conn)) {
	c := t.openFor(1000)
	p := c.create(t.path("e"), zk.ModeEphemeral)
	silent := t.openFor(1000)
	ticker := time.NewTicker(time.Second / 3)
	defer ticker.Stop()
	expired := make(chan error, 1)
	go func() {
		_, err := silent.ReadFrame()
		expired <- err
	}()
	for {
		select {
		case <-ticker.C:
			touch(c)
		case err := <-expired:
			if !isClosed(err) {
				t.Fatalf("the silent session: %v", err)
			}
			c.stat(p)
			return
		}
	}
}

func pingsKeepASessionAlive(t *T) { keepAlive(t, func(c *conn) { c.ping() }) }

func requestsKeepASessionAlive(t *T) { keepAlive(t, func(c *conn) { c.stat("/zookeeper") }) }

func brokenConnectionDoesNotEndTheSession(t *T) {
	c, other := t.open(), t.open()
	p := c.create(t.path("e"), zk.ModeEphemeral)
	t.ok(c.Reset())
	other.stat(p)
	t.resume(c).stat(p)
}
