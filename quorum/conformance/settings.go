package conformance

import (
	"encoding/binary"
	"fmt"
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

// What a server does that is configured with nothing but its ports and folders.
var defaultCases = group{name: "defaults", serial: true, cases: []func(*T){
	timeoutsAreTwoToTwentyTicks,
	ttlIsUnimplementedUnlessEnabled,
	hardLimitsAreNotEnforcedUnlessEnabled,
	nobodyIsSuperUnlessConfigured,
	reconfigIsDisabled,
	cheapWordsAreAnswered,
	costlyWordsAreNotAnswered,
}}

func timeoutsAreTwoToTwentyTicks(t *T) {
	for asked, want := range map[int32]int32{1: 4000, 4000: 4000, 39999: 39999, 40001: 40000} {
		_, response := t.connect(newSession(asked))
		equal(t, "timeout", response.TimeoutMillis, want)
	}
}

func ttlIsUnimplementedUnlessEnabled(t *T) {
	c, p := t.open(), t.path("a")
	for _, mode := range []zk.CreateMode{zk.ModePersistentTTL, zk.ModePersistentSequentialTTL} {
		c.createFails(zk.ErrUnimplemented, zk.OpCreateTTL, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: mode, TTLMillis: 1000})
		c.createFails(zk.ErrUnimplemented, zk.OpCreate, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: mode})
	}
	c.ping() // unlike for an unknown op, the connection stays
	c.absent(p)
}

func hardLimitsAreNotEnforcedUnlessEnabled(t *T) {
	c := t.open()
	p := c.create(t.path("q"), zk.ModePersistent)
	c.quota(p, "count=-1,bytes=-1=;byteHardLimit=1;countHardLimit=1")
	c.create(p+"/a", zk.ModePersistent)
	c.set(p, "many bytes")
	equal(t, "stats", c.used(p), "count=2,bytes=14")
}

func nobodyIsSuperUnlessConfigured(t *T) {
	c := t.super()
	_, _, err := c.GetData(t.lockedNode("locked"), false)
	t.refused(err, zk.ErrNoAuth)
}

func reconfigIsDisabled(t *T) {
	c := t.open()
	request := proto.ReconfigRequest{Leaving: "1", ConfigID: -1}
	reply, err := c.Call(zk.OpReconfig, request.Append(nil))
	t.ok(err)
	equal(t, "err", reply.Err, zk.ErrReconfigDisabled)
	c.ping()
}

func cheapWordsAreAnswered(t *T) {
	if !strings.HasPrefix(t.word("srvr"), "Zookeeper version: ") {
		t.Fatal("srvr is not answered")
	}
	if t.has(wordsByDefault) {
		equal(t, "ruok", t.word("ruok"), "imok")
	} else {
		equal(t, "ruok", t.word("ruok"), "ruok is not executed because it is not in the whitelist.\n")
	}
}

func costlyWordsAreNotAnswered(t *T) {
	for _, word := range []string{"wchc", "wchp", "dump", "crst", "srst", "stmk"} {
		equal(t, word, t.word(word), word+" is not executed because it is not in the whitelist.\n")
	}
}

// tightMaxBuffer and tightMaxConns are the settings of the profile "tight".
const (
	tightMaxBuffer = 4096
	tightMaxConns  = 10
)

var tightCases = group{name: "tight", serial: true, cases: []func(*T){
	connectionsOverTheLimitAreClosed, // first: it counts every connection
	frameLimitIsConfigurable,
	replyMayBeLongerThanTheFrameLimit,
	silentConnectionsAreClosed,
	skipACLLetsEverybodyDoEverything,
	skipACLStillJudgesACLs,
}}

func connectionsOverTheLimitAreClosed(t *T) {
	var held []*conn
	for range tightMaxConns {
		c := t.dial()
		_, err := c.Connect(newSession(sessionTimeoutMillis))
		t.ok(err)
		held = append(held, c)
	}
	if _, err := rawclient.Open(t.Server.Addr, sessionTimeoutMillis); !isClosed(err) {
		t.Fatalf("one connection too many: got %v, want it closed", err)
	}
	for _, c := range held {
		c.ping()
		_, err := c.Call(zk.OpCloseSession, nil)
		t.ok(err)
		t.closed(c)
	}
	t.open().ping()
}

func frameLimitIsConfigurable(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	reply, err := c.Call(zk.OpSetData, setDataRecord(p, tightMaxBuffer))
	t.ok(err)
	equal(t, "err", reply.Err, zk.OK)
	t.ok(c.WriteRaw(binary.BigEndian.AppendUint32(nil, tightMaxBuffer+1)))
	t.closed(c)
}

func replyMayBeLongerThanTheFrameLimit(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	for i := range 100 {
		c.create(fmt.Sprintf("%s/%0100d", p, i), zk.ModePersistent)
	}
	names, err := c.GetChildren(p, false)
	t.ok(err)
	equal(t, "names", len(names), 100)
}

// A connection has no session to expire until its handshake is through.
func silentConnectionsAreClosed(t *T) {
	for _, sent := range [][]byte{nil, {0}, connectFrame()[:20]} {
		c := t.dial()
		t.ok(c.WriteRaw(sent))
		t.closed(c)
	}
}

func skipACLLetsEverybodyDoEverything(t *T) {
	c := t.open()
	p := c.createWith(t.path("locked"), nil, unreadable, zk.ModePersistent)
	_, _, err := c.GetData(p, false)
	t.ok(err)
	c.set(p, "x")
	c.delete(c.create(p+"/child", zk.ModePersistent))
	acl, _, err := c.GetACL(p)
	t.ok(err)
	equalSlices(t, "ACL", acl, unreadable) // the digest is not hidden: everybody is ADMIN
}

func skipACLStillJudgesACLs(t *T) {
	c := t.open()
	c.createFails(zk.ErrInvalidACL, zk.OpCreate, proto.CreateRequest{Path: t.path("a"), ACL: []proto.ACL{zkACL(zk.PermAll, "nonsense", "")}})
}
