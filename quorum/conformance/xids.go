package conformance

import (
	"math"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

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
		// Java's client numbers the request as any other, others use the number it once had.
		for _, xid := range []int32{zk.XidSetWatches, 35} {
			reply, err := c.CallXid(xid, op, request.Append(nil, op))
			t.ok(err)
			equal(t, "err", reply.Err, zk.OK)
			equal(t, "body bytes", len(reply.Body), 0)
		}
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
