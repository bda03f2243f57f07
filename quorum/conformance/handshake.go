package conformance

import (
	"bytes"
	"math"
	"time"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

var handshakeCases = group{name: "handshake", cases: []func(*T){
	connectRequestWithReadOnlyIsAnsweredWithIt,
	connectRequestWithoutReadOnlyIsAnsweredWithoutIt,
	readOnlyClientIsToldThatTheServerIsNot,
	protocolVersionIsIgnoredAndAnsweredWithZero,
	timeoutIsClampedToItsBounds,
	newSessionMayComeWithAnyPassword,
	sessionIDsAreUniqueAndBearTheServersID,
	passwordIsDerivedFromTheSessionID,
	wrongPasswordIsAnsweredWithSessionZero,
	shortPasswordIsAnsweredWithSessionZero,
	unknownSessionIsAnsweredWithSessionZero,
	wrongPasswordDoesNotEndTheSession,
	lastZxidSeenAheadOfTheServerClosesWithoutAnAnswer,
	resumedSessionKeepsItsIDPasswordAndEphemerals,
	resumedSessionTakesTheNewTimeout,
	resumedSessionLosesItsOldConnection,
	resumedSessionStartsWithoutWatchesAndIdentities,
}}

func newSession(timeoutMillis int32) proto.ConnectRequest {
	return proto.ConnectRequest{
		TimeoutMillis: timeoutMillis, Password: make([]byte, proto.PasswordBytes), HasReadOnly: true,
	}
}

// connect performs a handshake on a new connection.
func (t *T) connect(request proto.ConnectRequest) (*conn, proto.ConnectResponse) {
	t.Helper()
	c := t.dial()
	response, err := c.Connect(request)
	t.ok(err)
	return c, response
}

// refusedSession ends the case unless the server answers request with session 0 and closes.
func (t *T) refusedSession(request proto.ConnectRequest) {
	t.Helper()
	c, response := t.connect(request)
	equal(t, "session", response.SessionID, 0)
	equal(t, "timeout", response.TimeoutMillis, 0)
	if !bytes.Equal(response.Password, make([]byte, proto.PasswordBytes)) {
		t.Fatalf("password %x, want zeros", response.Password)
	}
	t.closed(c)
}

func connectRequestWithReadOnlyIsAnsweredWithIt(t *T) {
	request := newSession(sessionTimeoutMillis)
	equal(t, "bytes of the request", len(request.Append(nil)), 45)
	_, response := t.connect(request)
	equal(t, "bytes of the response", len(response.Append(nil)), 37)
}

func connectRequestWithoutReadOnlyIsAnsweredWithoutIt(t *T) {
	request := newSession(sessionTimeoutMillis)
	request.HasReadOnly = false
	equal(t, "bytes of the request", len(request.Append(nil)), 44)
	c, response := t.connect(request)
	equal(t, "bytes of the response", len(response.Append(nil)), 36)
	c.ping()
}

func readOnlyClientIsToldThatTheServerIsNot(t *T) {
	request := newSession(sessionTimeoutMillis)
	request.ReadOnly = true
	_, response := t.connect(request)
	equal(t, "readOnly", response.ReadOnly, false)
}

func protocolVersionIsIgnoredAndAnsweredWithZero(t *T) {
	request := newSession(sessionTimeoutMillis)
	request.ProtocolVersion = 42
	c, response := t.connect(request)
	equal(t, "protocolVersion", response.ProtocolVersion, 0)
	c.ping()
}

func timeoutIsClampedToItsBounds(t *T) {
	for asked, want := range map[int32]int32{
		math.MinInt32: 1000, -1: 1000, 0: 1000, 999: 1000, 1000: 1000,
		1001: 1001, 29999: 29999, 30000: 30000, 30001: 30000, math.MaxInt32: 30000,
	} {
		_, response := t.connect(newSession(asked))
		equal(t, "timeout", response.TimeoutMillis, want)
	}
}

func newSessionMayComeWithAnyPassword(t *T) {
	for _, password := range [][]byte{{}, []byte("x"), bytes.Repeat([]byte("y"), 100)} {
		request := newSession(sessionTimeoutMillis)
		request.Password = password
		c, response := t.connect(request)
		if response.SessionID == 0 {
			t.Fatalf("no session for the password %q", password)
		}
		equal(t, "bytes of the new password", len(response.Password), proto.PasswordBytes)
		c.ping()
	}
}

func sessionIDsAreUniqueAndBearTheServersID(t *T) {
	seen := map[zk.SessionID]bool{}
	for range 20 {
		id := t.open().Session
		if seen[id] {
			t.Fatalf("session id %v twice", id)
		}
		seen[id] = true
		equal(t, "top byte", uint64(id)>>56, 1)
	}
}

// javaRandomBytes is java.util.Random(seed).nextBytes: a 48-bit linear congruential generator
// whose ints come out low byte first.
func javaRandomBytes(seed int64, n int) []byte {
	const multiplier, mask = 0x5DEECE66D, 1<<48 - 1
	state := (uint64(seed) ^ multiplier) & mask
	var out []byte
	for len(out) < n {
		state = (state*multiplier + 0xB) & mask
		word := uint32(state >> 16)
		out = append(out, byte(word), byte(word>>8), byte(word>>16), byte(word>>24))
	}
	return out[:n]
}

// Clients move between zkd and Apache servers of one ensemble: each must know the other's
// passwords.
func passwordIsDerivedFromTheSessionID(t *T) {
	c := t.open()
	want := javaRandomBytes(int64(c.Session)^0xB3415C00, proto.PasswordBytes)
	if !bytes.Equal(c.Password, want) {
		t.Fatalf("password of %v: got %x, want %x", c.Session, c.Password, want)
	}
}

func wrongPasswordIsAnsweredWithSessionZero(t *T) {
	c := t.open()
	request := newSession(sessionTimeoutMillis)
	request.SessionID, request.Password = c.Session, bytes.Repeat([]byte{7}, proto.PasswordBytes)
	t.refusedSession(request)
}

func shortPasswordIsAnsweredWithSessionZero(t *T) {
	c := t.open()
	request := newSession(sessionTimeoutMillis)
	request.SessionID, request.Password = c.Session, c.Password[:8]
	t.refusedSession(request)
}

func unknownSessionIsAnsweredWithSessionZero(t *T) {
	const id = 0x01_00_00_00_00_01_00_00
	request := newSession(sessionTimeoutMillis)
	request.SessionID, request.Password = id, javaRandomBytes(id^0xB3415C00, proto.PasswordBytes)
	t.refusedSession(request)
}

func wrongPasswordDoesNotEndTheSession(t *T) {
	c := t.open()
	p := c.create(t.path("e"), zk.ModeEphemeral)
	request := newSession(sessionTimeoutMillis)
	request.SessionID, request.Password = c.Session, make([]byte, proto.PasswordBytes)
	t.refusedSession(request)
	t.resume(c).stat(p)
}

// "Expired" would be the wrong answer: another server of the ensemble may well have that zxid.
func lastZxidSeenAheadOfTheServerClosesWithoutAnAnswer(t *T) {
	request := newSession(sessionTimeoutMillis)
	request.LastZxidSeen = math.MaxInt64
	c := t.dial()
	t.ok(c.WriteFrame(request.Append(nil)))
	t.closed(c)
}

func resumedSessionKeepsItsIDPasswordAndEphemerals(t *T) {
	c := t.open()
	p := c.create(t.path("e"), zk.ModeEphemeral)
	t.ok(c.Close())
	resumed := t.resume(c)
	equal(t, "session", resumed.Session, c.Session)
	equal(t, "password", string(resumed.Password), string(c.Password))
	equal(t, "owner", resumed.stat(p).EphemeralOwner, int64(c.Session))
	paths, err := resumed.GetEphemerals("")
	t.ok(err)
	sameItems(t, "ephemerals", paths, p)
}

func resumedSessionTakesTheNewTimeout(t *T) {
	c := t.open()
	request := newSession(12345)
	request.SessionID, request.Password = c.Session, c.Password
	_, response := t.connect(request)
	equal(t, "timeout", response.TimeoutMillis, 12345)
}

func resumedSessionLosesItsOldConnection(t *T) {
	c := t.open()
	resumed := t.resume(c)
	t.closed(c)
	resumed.ping()
}

func resumedSessionStartsWithoutWatchesAndIdentities(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.auth("lost:pw")
	c.watchData(p)
	resumed := t.resume(c)
	writer.set(p, "new")
	resumed.noEvent()
	infos, err := resumed.WhoAmI()
	t.ok(err)
	for _, info := range infos {
		if info.Scheme == "digest" {
			t.Fatalf("identity %v outlived its connection", info)
		}
	}
}

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

func (t *T) resumeFails(c *conn) {
	t.Helper()
	_, err := c.Resume(t.Server.Addr)
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

// expiryBounds: a session lives at least its timeout, and at most that and one tick, and what the
// server needs to notice.
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
	t.resumeFails(c)
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

var xidCases = group{name: "xids", cases: []func(*T){
	replyBearsTheRequestsXid,
	pingIsAnsweredWithXidMinusTwo,
	pingWaitsForTheWritesBeforeIt,
	authIsAnsweredWithZxidZero,
	setWatchesIsAnsweredWithItsXidAndNoBody,
}}

func replyBearsTheRequestsXid(t *T) {
	c := t.open()
	for _, xid := range []int32{1, 2, 1, 0, math.MaxInt32, -3, -100, math.MinInt32} {
		reply, err := c.CallXid(xid, zk.OpExists, getDataRecord("/zookeeper"))
		t.ok(err)
		equal(t, "err", reply.Err, zk.OK)
	}
}

func pingIsAnsweredWithXidMinusTwo(t *T) {
	c := t.open()
	for _, xid := range []int32{zk.XidPing, 5} {
		t.ok(c.SendXid(xid, zk.OpPing, nil))
		reply := c.readReply(zk.XidPing)
		equal(t, "err", reply.Err, zk.OK)
		equal(t, "body bytes", len(reply.Body), 0)
	}
}

func pingWaitsForTheWritesBeforeIt(t *T) {
	c := t.open()
	create := proto.CreateRequest{Path: t.path("a"), ACL: proto.OpenACL}
	b := rawclient.AppendRequest(nil, 1, zk.OpCreate, create.Append(nil, zk.OpCreate))
	b = rawclient.AppendRequest(b, zk.XidPing, zk.OpPing, nil)
	t.ok(c.WriteRaw(b))
	created := c.readReply(1)
	if ping := c.readReply(zk.XidPing); ping.Zxid < created.Zxid {
		t.Fatalf("ping at %v behind the create at %v", ping.Zxid, created.Zxid)
	}
}

func authIsAnsweredWithZxidZero(t *T) {
	c := t.open()
	auth := proto.AuthRequest{Scheme: "digest", Auth: []byte("a:b")}
	for _, xid := range []int32{zk.XidAuth, 9} {
		reply, err := c.CallXid(xid, zk.OpAuth, auth.Append(nil))
		t.ok(err)
		equal(t, "err", reply.Err, zk.OK)
		equal(t, "zxid", reply.Zxid, 0)
		equal(t, "body bytes", len(reply.Body), 0)
	}
}

func setWatchesIsAnsweredWithItsXidAndNoBody(t *T) {
	c := t.open()
	for _, op := range []zk.Op{zk.OpSetWatches, zk.OpSetWatches2} {
		request := proto.SetWatchesRequest{
			Data: []string{}, Exist: []string{}, Child: []string{}, Persistent: []string{}, PersistentRecursive: []string{},
		}
		reply, err := c.CallXid(zk.XidSetWatches, op, request.Append(nil, op))
		t.ok(err)
		equal(t, "err", reply.Err, zk.OK)
		equal(t, "body bytes", len(reply.Body), 0)
	}
}

var zxidCases = group{name: "zxids", serial: true, cases: []func(*T){
	eachWriteTakesTheNextZxid,
	refusedWriteTakesAZxid,
	refusedMultiTakesAZxid,
	emptyMultiTakesAZxid,
	readsAndPingsTakeNoZxidAndTellTheLast,
	refusedReadTellsTheLastZxid,
	openingAndClosingASessionTakeAZxidEach,
}}

func eachWriteTakesTheNextZxid(t *T) {
	c, p := t.open(), t.path("a")
	last := c.ping()
	stat := proto.Stat{}
	c.create(p, zk.ModePersistent)
	equal(t, "zxid of create", c.LastZxid, last+1)
	stat = c.set(p, "x")
	equal(t, "zxid of setData", c.LastZxid, last+2)
	equal(t, "mzxid", stat.Mzxid, last+2)
	_, err := c.SetACL(p, proto.OpenACL, -1)
	t.ok(err)
	equal(t, "zxid of setACL", c.LastZxid, last+3)
	c.delete(p)
	equal(t, "zxid of delete", c.LastZxid, last+4)
}

func refusedWriteTakesAZxid(t *T) {
	c, p := t.open(), t.path("a")
	last := c.ping()
	_, err := c.Create(p+"/b", nil, proto.OpenACL, zk.ModePersistent)
	t.refused(err, zk.ErrNoNode)
	equal(t, "zxid of the refused create", c.LastZxid, last+1)
	t.refused(c.Delete(p, -1), zk.ErrNoNode)
	equal(t, "zxid of the refused delete", c.LastZxid, last+2)
	_, err = c.SetData("no slash", nil, -1)
	t.refused(err, zk.ErrBadArguments)
	equal(t, "zxid of the refused setData", c.LastZxid, last+3)
	_, err = c.SetACL(p, nil, -1)
	t.refused(err, zk.ErrInvalidACL)
	equal(t, "zxid of the refused setACL", c.LastZxid, last+4)
	equal(t, "zxid of a ping behind them", c.ping(), last+4)
}

func refusedMultiTakesAZxid(t *T) {
	c, p := t.open(), t.path("a")
	last := c.ping()
	results, err := c.Multi(rawclient.DeleteOp(p, -1))
	t.ok(err)
	equal(t, "result", rawclient.FirstError(results), zk.ErrNoNode)
	equal(t, "zxid", c.LastZxid, last+1)
}

func emptyMultiTakesAZxid(t *T) {
	c := t.open()
	last := c.ping()
	results, err := c.Multi()
	t.ok(err)
	equal(t, "results", len(results), 0)
	equal(t, "zxid", c.LastZxid, last+1)
}

func readsAndPingsTakeNoZxidAndTellTheLast(t *T) {
	c := t.open()
	last := c.ping()
	_, err := c.Sync("/")
	t.ok(err)
	for _, op := range []zk.Op{zk.OpExists, zk.OpGetData, zk.OpGetChildren, zk.OpGetChildren2} {
		reply, err := c.Call(op, getDataRecord("/"))
		t.ok(err)
		equal(t, "zxid of "+op.String(), reply.Zxid, last)
	}
	reply, err := c.Call(zk.OpGetACL, jute.AppendString(nil, "/"))
	t.ok(err)
	equal(t, "zxid of getACL", reply.Zxid, last)
	equal(t, "zxid of ping", c.ping(), last)
}

func refusedReadTellsTheLastZxid(t *T) {
	c := t.open()
	last := c.ping()
	reply, err := c.Call(zk.OpGetData, getDataRecord("/no/such/node"))
	t.ok(err)
	equal(t, "err", reply.Err, zk.ErrNoNode)
	equal(t, "zxid", reply.Zxid, last)
}

func openingAndClosingASessionTakeAZxidEach(t *T) {
	c := t.open()
	last := c.ping()
	other := t.open()
	equal(t, "zxid behind the new session", c.ping(), last+1)
	t.ok(other.CloseSession())
	equal(t, "zxid of closeSession", other.LastZxid, last+2)
	equal(t, "zxid behind the closed session", c.ping(), last+2)
}
