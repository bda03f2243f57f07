package conformance

import (
	"bytes"
	"math"

	"zkd/quorum/proto"
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
