package conformance

import (
	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

var multiCases = group{name: "multi", cases: []func(*T){
	multiAnswersEachOperation,
	multiAnswersContainerAndTTLAsCreate2,
	multiIsOneTransaction,
	multiFailureTellsOfEachOperation,
	multiFailureChangesNothing,
	multiFailureOfTheFirstAndOfTheLast,
	multiSeesItsOwnEffects,
	multiSessionOwnsItsEphemerals,
	emptyMultiSucceeds,
	multiWithoutEndIsMarshallingError,
	multiWithAnUnknownOperationIsMarshallingError,
	multiWithAReadIsMarshallingError,
	multiChecksTheVersion,
	multiCheckNeedsRead,
	multiCheckOfNothingIsNoNode,
	multiOperationsNeedTheirPermissions,
	multiWithAnUnknownModeIsRefused,
	multiWithEmptyACLFails,
	multiWithNullACLFails,
	multiCreateWithContainerModeIsAContainerOrRefused,
	multiOfAThousandOperations,
	multiInsideAMultiIsMarshallingError,
	multiDeleteOfParentAfterItsChild,
}}

func createOp(path string) rawclient.SubOp {
	return rawclient.CreateOp(zk.OpCreate, proto.CreateRequest{Path: path, Data: []byte("data"), ACL: proto.OpenACL})
}

// multi sends the operations, which must all succeed.
func (c *conn) multi(ops ...rawclient.SubOp) []rawclient.SubResult {
	c.t.Helper()
	results, err := c.Multi(ops...)
	c.t.ok(err)
	equal(c.t, "first error", rawclient.FirstError(results), zk.OK)
	equal(c.t, "results", len(results), len(ops))
	return results
}

// multiFails sends the operations and compares the code of each.
func (c *conn) multiFails(want []zk.Code, ops ...rawclient.SubOp) {
	c.t.Helper()
	results, err := c.Multi(ops...)
	c.t.ok(err)
	var got []zk.Code
	for _, r := range results {
		equal(c.t, "type of the result", r.Op, zk.OpError)
		equal(c.t, "err in the MultiHeader", r.HeaderErr, r.Err)
		got = append(got, r.Err)
	}
	equalSlices(c.t, "codes", got, want)
}

func multiAnswersEachOperation(t *T) {
	c, a, b := t.open(), t.path("a"), t.path("b")
	results := c.multi(
		createOp(a),
		rawclient.CreateOp(zk.OpCreate2, proto.CreateRequest{Path: b, ACL: proto.OpenACL}),
		rawclient.SetDataOp(a, []byte("x"), 0),
		rawclient.CheckOp(a, 1),
		rawclient.DeleteOp(b, 0),
	)
	wantOps := []zk.Op{zk.OpCreate, zk.OpCreate2, zk.OpSetData, zk.OpCheck, zk.OpDelete}
	if !t.has(create2InMulti) {
		wantOps[1] = zk.OpCreate
	}
	for i, r := range results {
		equal(t, "type of the result", r.Op, wantOps[i])
		equal(t, "err in the MultiHeader", r.HeaderErr, zk.OK)
	}
	equal(t, "path of create", results[0].Path, a)
	equal(t, "path of create2", results[1].Path, b)
	if t.has(create2InMulti) {
		equal(t, "czxid of create2", results[1].Stat.Czxid, c.LastZxid)
	}
	equal(t, "stat of setData", results[2].Stat, c.stat(a))
	c.absent(b)
}

func multiAnswersContainerAndTTLAsCreate2(t *T) {
	c, a, b := t.open(), t.path("a"), t.path("b")
	results := c.multi(
		rawclient.CreateOp(zk.OpCreateContainer, proto.CreateRequest{Path: a, ACL: proto.OpenACL, Mode: zk.ModeContainer}),
		rawclient.CreateOp(zk.OpCreateTTL, proto.CreateRequest{Path: b, ACL: proto.OpenACL, Mode: zk.ModePersistentTTL, TTLMillis: 1 << 30}),
	)
	for i, path := range []string{a, b} {
		equal(t, "type of the result", results[i].Op, zk.OpCreate2)
		equal(t, "path", results[i].Path, path)
		equal(t, "stat", results[i].Stat, c.stat(path))
		equal(t, "owner", results[i].Stat.EphemeralOwner, 0)
	}
}

func multiIsOneTransaction(t *T) {
	c, a, b := t.open(), t.path("a"), t.path("b")
	c.multi(createOp(a), createOp(b), createOp(a+"/x"), rawclient.SetDataOp(b, nil, -1))
	zxid := c.LastZxid
	for _, path := range []string{a, b, a + "/x"} {
		equal(t, "czxid of "+path, c.stat(path).Czxid, zxid)
		equal(t, "ctime of "+path, c.stat(path).CtimeMillis, c.stat(a).CtimeMillis)
	}
	equal(t, "pzxid", c.stat(a).Pzxid, zxid)
	equal(t, "mzxid", c.stat(b).Mzxid, zxid)
}

func multiFailureTellsOfEachOperation(t *T) {
	c, a := t.open(), t.path("a")
	c.multiFails([]zk.Code{zk.OK, zk.OK, zk.ErrNoNode, zk.ErrRuntimeInconsistency, zk.ErrRuntimeInconsistency},
		createOp(a), rawclient.SetDataOp(a, nil, -1), rawclient.DeleteOp(t.path("b"), -1), createOp(a), rawclient.CheckOp(a, -1))
}

func multiFailureChangesNothing(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	before := c.stat(p)
	c.multiFails([]zk.Code{zk.OK, zk.OK, zk.ErrNodeExists},
		createOp(p+"/a"), rawclient.SetDataOp(p, []byte("x"), 0), createOp(p))
	equal(t, "stat", c.stat(p), before)
	c.absent(p + "/a")
	// The sequence has not moved either.
	equal(t, "created", c.create(p+"/n-", zk.ModePersistentSequential), p+"/n-0000000000")
}

func multiFailureOfTheFirstAndOfTheLast(t *T) {
	c, a, nothing := t.open(), t.path("a"), t.path("nothing")
	c.multiFails([]zk.Code{zk.ErrNoNode, zk.ErrRuntimeInconsistency}, rawclient.DeleteOp(nothing, -1), createOp(a))
	c.multiFails([]zk.Code{zk.OK, zk.ErrNoNode}, createOp(a), rawclient.DeleteOp(nothing, -1))
	c.multiFails([]zk.Code{zk.ErrNoNode}, rawclient.DeleteOp(nothing, -1))
	c.absent(a)
}

func multiSeesItsOwnEffects(t *T) {
	c, a := t.open(), t.path("a")
	c.multi(
		createOp(a), createOp(a+"/b"), rawclient.SetDataOp(a+"/b", []byte("1"), 0), rawclient.SetDataOp(a+"/b", []byte("2"), 1),
		rawclient.CheckOp(a+"/b", 2), rawclient.DeleteOp(a+"/b", 2), createOp(a+"/b"),
	)
	equal(t, "version", c.stat(a+"/b").Version, 0)
	equal(t, "cversion", c.stat(a).Cversion, 3)
}

func multiSessionOwnsItsEphemerals(t *T) {
	c, p := t.open(), t.path("e")
	c.multi(rawclient.CreateOp(zk.OpCreate, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: zk.ModeEphemeral}))
	equal(t, "owner", c.stat(p).EphemeralOwner, int64(c.Session))
	c.multiFails([]zk.Code{zk.ErrNoChildrenForEphemerals}, createOp(p+"/x"))
}

func emptyMultiSucceeds(t *T) {
	c := t.open()
	equal(t, "results", len(c.multi()), 0)
}

// marshallingError ends the case unless the server cannot read the record, and stays.
func (t *T) marshallingError(op zk.Op, record []byte) {
	t.Helper()
	c := t.open()
	reply, err := c.Call(op, record)
	t.ok(err)
	equal(t, "err", reply.Err, zk.ErrMarshalling)
	if op != zk.OpMultiRead { // it may tell what it had read so far; clients do not look
		equal(t, "body bytes", len(reply.Body), 0)
	}
	c.ping()
}

func multiWithoutEndIsMarshallingError(t *T) {
	record := rawclient.AppendMulti(nil, []rawclient.SubOp{createOp(t.path("a"))})
	t.marshallingError(zk.OpMulti, record[:len(record)-9])
	t.open().absent(t.path("a"))
}

func multiWithAnUnknownOperationIsMarshallingError(t *T) {
	for _, op := range []zk.Op{zk.OpSetACL, zk.OpSync, zk.OpReconfig, 99, zk.OpError, zk.OpNotification} {
		t.marshallingError(zk.OpMulti, rawclient.AppendMulti(nil, []rawclient.SubOp{createOp(t.path("a")), {Op: op}}))
	}
	t.open().absent(t.path("a"))
}

func multiWithAReadIsMarshallingError(t *T) {
	ops := []rawclient.SubOp{createOp(t.path("a")), rawclient.GetDataOp("/")}
	t.marshallingError(zk.OpMulti, rawclient.AppendMulti(nil, ops))
	t.open().absent(t.path("a"))
}

func multiChecksTheVersion(t *T) {
	c, a := t.open(), t.path("a")
	c.create(a, zk.ModePersistent)
	c.multi(rawclient.CheckOp(a, 0), rawclient.CheckOp(a, -1))
	c.multiFails([]zk.Code{zk.ErrBadVersion}, rawclient.CheckOp(a, 1))
	c.set(a, "x")
	c.multi(rawclient.CheckOp(a, 1))
}

func multiCheckNeedsRead(t *T) {
	c := t.open()
	c.multiFails([]zk.Code{zk.ErrNoAuth}, rawclient.CheckOp(t.lockedNode("locked"), -1))
}

func multiCheckOfNothingIsNoNode(t *T) {
	c := t.open()
	c.multiFails([]zk.Code{zk.ErrNoNode}, rawclient.CheckOp(t.path("a"), -1))
	c.multiFails([]zk.Code{zk.ErrBadArguments}, rawclient.CheckOp("no slash", -1))
}

func multiOperationsNeedTheirPermissions(t *T) {
	c, a := t.open(), t.path("a")
	locked := t.lockedNode("locked")
	c.multiFails([]zk.Code{zk.OK, zk.ErrNoAuth}, createOp(a), createOp(locked+"/x"))
	c.multiFails([]zk.Code{zk.OK, zk.ErrNoAuth}, createOp(a), rawclient.SetDataOp(locked, nil, -1))
	c.multiFails([]zk.Code{zk.OK, zk.ErrNoAuth}, createOp(a), rawclient.DeleteOp(locked+"/x", -1))
	c.absent(a)
}

// Which operation is wrong, and why, says more than that the multi cannot be read.
func multiWithAnUnknownModeIsRefused(t *T) {
	for _, op := range []zk.Op{zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer} {
		bad := rawclient.CreateOp(op, proto.CreateRequest{Path: t.path("b"), ACL: proto.OpenACL, Mode: 77})
		if t.has(modeInMulti) {
			t.marshallingError(zk.OpMulti, rawclient.AppendMulti(nil, []rawclient.SubOp{createOp(t.path("a")), bad}))
		} else {
			t.open().multiFails([]zk.Code{zk.OK, zk.ErrBadArguments}, createOp(t.path("a")), bad)
		}
	}
	t.open().absent(t.path("a"))
}

func multiWithEmptyACLFails(t *T) {
	c, a := t.open(), t.path("a")
	bad := rawclient.CreateOp(zk.OpCreate, proto.CreateRequest{Path: a + "/b", ACL: []proto.ACL{}})
	c.multiFails([]zk.Code{zk.OK, zk.ErrInvalidACL}, createOp(a), bad)
}

// Releases up to 3.8.1 and zkd call it an invalid ACL; later ones stumble over it while they read.
func multiWithNullACLFails(t *T) {
	c, a := t.open(), t.path("a")
	results, err := c.Multi(createOp(a), rawclient.CreateOp(zk.OpCreate, proto.CreateRequest{Path: a + "/b"}))
	if err == nil {
		equal(t, "first error", rawclient.FirstError(results), zk.ErrInvalidACL)
	} else {
		t.refused(err, zk.ErrMarshalling)
	}
	c.absent(a)
}

// Inside a multi Apache ZooKeeper lets the mode decide, which it ignores outside. Clients send
// createContainer for it.
func multiCreateWithContainerModeIsAContainerOrRefused(t *T) {
	c, p := t.open(), t.path("a")
	for _, op := range []zk.Op{zk.OpCreate, zk.OpCreate2} {
		if t.has(modeFitsOp) {
			c.multiFails([]zk.Code{zk.ErrBadArguments}, rawclient.CreateOp(op, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: zk.ModeContainer}))
			continue
		}
		results := c.multi(rawclient.CreateOp(op, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: zk.ModeContainer}))
		equal(t, "type of the result", results[0].Op, zk.OpCreate2)
		equal(t, "path", results[0].Path, p)
		c.create(p+"/child", zk.ModePersistent)
		c.watchExists(p)
		c.delete(p + "/child")
		c.expectEvent(zk.EventNodeDeleted, p)
	}
}

func multiOfAThousandOperations(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	create := rawclient.CreateOp(zk.OpCreate, proto.CreateRequest{Path: p + "/n-", ACL: proto.OpenACL, Mode: zk.ModePersistentSequential})
	ops := make([]rawclient.SubOp, 1000)
	for i := range ops {
		ops[i] = create
	}
	results := c.multi(ops...)
	equal(t, "last path", results[999].Path, p+"/n-0000000999")
	equal(t, "children", c.stat(p).NumChildren, 1000)
}

func multiInsideAMultiIsMarshallingError(t *T) {
	inner := rawclient.AppendMulti(nil, []rawclient.SubOp{createOp(t.path("a"))})
	t.marshallingError(zk.OpMulti, rawclient.AppendMulti(nil, []rawclient.SubOp{{Op: zk.OpMulti, Record: inner}}))
	t.open().absent(t.path("a"))
}

func multiDeleteOfParentAfterItsChild(t *T) {
	c := t.open()
	a := c.create(t.path("a"), zk.ModePersistent)
	c.create(a+"/b", zk.ModePersistent)
	c.multiFails([]zk.Code{zk.ErrNotEmpty, zk.ErrRuntimeInconsistency}, rawclient.DeleteOp(a, -1), rawclient.DeleteOp(a+"/b", -1))
	c.multi(rawclient.DeleteOp(a+"/b", -1), rawclient.DeleteOp(a, -1))
	c.absent(a)
}

var multiReadCases = group{name: "multiRead", cases: []func(*T){
	multiReadAnswersEachOperation,
	multiReadErrorsAreIndependent,
	multiReadSetsNoWatch,
	multiReadTakesOnlyGetDataAndGetChildren,
	emptyMultiReadSucceeds,
}}

func multiReadAnswersEachOperation(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	c.create(p+"/b", zk.ModePersistent)
	results, err := c.MultiRead(rawclient.GetDataOp(p), rawclient.GetChildrenOp(p))
	t.ok(err)
	equal(t, "type", results[0].Op, zk.OpGetData)
	equal(t, "data", string(results[0].Data), "data")
	equal(t, "stat", results[0].Stat, c.stat(p))
	equal(t, "type", results[1].Op, zk.OpGetChildren)
	sameItems(t, "children", results[1].Children, "b")
}

func multiReadErrorsAreIndependent(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	results, err := c.MultiRead(rawclient.GetDataOp(t.path("nothing")), rawclient.GetDataOp(p), rawclient.GetChildrenOp(t.lockedNode("locked")))
	t.ok(err)
	equal(t, "first", results[0].Err, zk.ErrNoNode)
	equal(t, "err in the MultiHeader", results[0].HeaderErr, zk.ErrNoNode)
	equal(t, "second", string(results[1].Data), "data")
	equal(t, "third", results[2].Err, zk.ErrNoAuth)
}

func multiReadSetsNoWatch(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	watching := rawclient.SubOp{Op: zk.OpGetData, Record: jute.AppendBool(jute.AppendString(nil, p), true)}
	_, err := c.MultiRead(watching)
	t.ok(err)
	c.set(p, "x")
	c.noEvent()
}

func multiReadTakesOnlyGetDataAndGetChildren(t *T) {
	for _, op := range []zk.Op{zk.OpExists, zk.OpGetChildren2, zk.OpGetACL, zk.OpDelete} {
		t.marshallingError(zk.OpMultiRead, rawclient.AppendMulti(nil, []rawclient.SubOp{{Op: op, Record: getDataRecord("/")}}))
	}
	t.marshallingError(zk.OpMultiRead, rawclient.AppendMulti(nil, []rawclient.SubOp{createOp("/a")}))
}

func emptyMultiReadSucceeds(t *T) {
	c := t.open()
	results, err := c.MultiRead()
	t.ok(err)
	equal(t, "results", len(results), 0)
}
