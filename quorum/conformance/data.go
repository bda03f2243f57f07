package conformance

import (
	"fmt"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

var deleteCases = group{name: "delete", cases: []func(*T){
	deleteAnswersWithoutABody,
	deleteOfNothingIsNoNode,
	deleteBelowNothingIsNoNode,
	deleteWithChildrenIsNotEmpty,
	deleteComparesTheVersion,
	deleteVersionIsCheckedBeforeTheChildren,
	deletePermissionIsTheParents,
	deletePermissionIsCheckedBeforeTheNode,
	deleteOfSystemNodesIsBadArguments,
}}

func deleteAnswersWithoutABody(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	t.ok(c.Delete(p, -1)) // rawclient refuses a body
	c.absent(p)
}

func deleteOfNothingIsNoNode(t *T) {
	c := t.open()
	t.refused(c.Delete(t.path("a"), -1), zk.ErrNoNode)
}

func deleteBelowNothingIsNoNode(t *T) {
	c := t.open()
	t.refused(c.Delete(t.path("a/b"), -1), zk.ErrNoNode)
}

func deleteWithChildrenIsNotEmpty(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.create(p+"/b", zk.ModePersistent)
	t.refused(c.Delete(p, -1), zk.ErrNotEmpty)
	c.stat(p)
}

func deleteComparesTheVersion(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.set(p, "1")
	for _, version := range []int32{0, 2, -2} {
		t.refused(c.Delete(p, version), zk.ErrBadVersion)
	}
	t.ok(c.Delete(p, 1))
}

func deleteVersionIsCheckedBeforeTheChildren(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.create(p+"/b", zk.ModePersistent)
	t.refused(c.Delete(p, 5), zk.ErrBadVersion)
}

func deletePermissionIsTheParents(t *T) {
	c := t.open()
	open := c.createWith(t.path("open"), nil, proto.OpenACL, zk.ModePersistent)
	locked := c.createWith(open+"/locked", nil, []proto.ACL{digestACL(zk.PermAll, "nobody:knows")}, zk.ModePersistent)
	t.ok(c.Delete(locked, -1))

	noDelete := c.createWith(t.path("noDelete"), nil, []proto.ACL{worldACL(zk.PermAll &^ zk.PermDelete)}, zk.ModePersistent)
	child := c.create(noDelete+"/child", zk.ModePersistent)
	t.refused(c.Delete(child, -1), zk.ErrNoAuth)
}

func deletePermissionIsCheckedBeforeTheNode(t *T) {
	c := t.open()
	t.refused(c.Delete(t.lockedNode("locked")+"/nothing", -1), zk.ErrNoAuth)
}

func deleteOfSystemNodesIsBadArguments(t *T) {
	c := t.open()
	for _, p := range []string{"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"} {
		t.refused(c.Delete(p, -1), zk.ErrBadArguments)
	}
}

var dataCases = group{name: "data", cases: []func(*T){
	getDataOfNothingIsNoNode,
	getDataNeedsRead,
	setDataReplacesDataAndAnswersWithTheStat,
	setDataMayBeNull,
	setDataOfNothingIsNoNode,
	setDataNeedsWrite,
	setDataComparesTheVersion,
	setDataPermissionIsCheckedBeforeTheVersion,
	existsOfNothingIsNoNode,
	existsNeedsReadOnTheNode,
	syncAnswersWithItsPath,
	syncDoesNotLookAtThePath,
	binaryDataComesBackAsItWas,
}}

func getDataOfNothingIsNoNode(t *T) {
	c := t.open()
	_, _, err := c.GetData(t.path("a"), false)
	t.refused(err, zk.ErrNoNode)
}

func getDataNeedsRead(t *T) {
	c := t.open()
	p := c.createWith(t.path("a"), nil, []proto.ACL{worldACL(zk.PermAll &^ zk.PermRead)}, zk.ModePersistent)
	_, _, err := c.GetData(p, false)
	t.refused(err, zk.ErrNoAuth)
}

func setDataReplacesDataAndAnswersWithTheStat(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	set := c.set(p, "new")
	data, stat, err := c.GetData(p, false)
	t.ok(err)
	equal(t, "data", string(data), "new")
	equal(t, "stat", set, stat)
}

func setDataMayBeNull(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	stat, err := c.SetData(p, nil, -1)
	t.ok(err)
	equal(t, "dataLength", stat.DataLength, 0)
	data, _, err := c.GetData(p, false)
	t.ok(err)
	if data != nil {
		t.Fatalf("got %q, want null", data)
	}
}

func setDataOfNothingIsNoNode(t *T) {
	c := t.open()
	_, err := c.SetData(t.path("a"), nil, -1)
	t.refused(err, zk.ErrNoNode)
}

func setDataNeedsWrite(t *T) {
	c := t.open()
	p := c.createWith(t.path("a"), nil, []proto.ACL{worldACL(zk.PermAll &^ zk.PermWrite)}, zk.ModePersistent)
	_, err := c.SetData(p, nil, -1)
	t.refused(err, zk.ErrNoAuth)
}

func setDataComparesTheVersion(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	for _, version := range []int32{1, -2} {
		_, err := c.SetData(p, nil, version)
		t.refused(err, zk.ErrBadVersion)
	}
	stat, err := c.SetData(p, nil, 0)
	t.ok(err)
	equal(t, "version", stat.Version, 1)
}

func setDataPermissionIsCheckedBeforeTheVersion(t *T) {
	c := t.open()
	_, err := c.SetData(t.lockedNode("locked"), nil, 5)
	t.refused(err, zk.ErrNoAuth)
}

func existsOfNothingIsNoNode(t *T) {
	c := t.open()
	_, err := c.Exists(t.path("a"), false)
	t.refused(err, zk.ErrNoNode)
}

func existsNeedsReadOnTheNode(t *T) {
	c := t.open()
	_, err := c.Exists(t.lockedNode("locked"), false)
	if t.has(existsNeedsRead) {
		t.refused(err, zk.ErrNoAuth)
	} else {
		t.ok(err)
	}
}

func syncAnswersWithItsPath(t *T) {
	c := t.open()
	answered, err := c.Sync(t.path(""))
	t.ok(err)
	equal(t, "path", answered, t.path(""))
}

func syncDoesNotLookAtThePath(t *T) {
	c := t.open()
	for _, p := range []string{"/no/such/node", "no slash", "", t.lockedNode("locked")} {
		answered, err := c.Sync(p)
		t.ok(err)
		equal(t, "path", answered, p)
	}
}

func binaryDataComesBackAsItWas(t *T) {
	c, p := t.open(), t.path("a")
	want := make([]byte, 4096)
	for i := range want {
		want[i] = byte(i * 7)
	}
	c.createWith(p, want, proto.OpenACL, zk.ModePersistent)
	got, stat, err := c.GetData(p, false)
	t.ok(err)
	equal(t, "data", string(got), string(want))
	equal(t, "dataLength", stat.DataLength, 4096)
}

var statCases = group{name: "stat", cases: []func(*T){
	statOfANewNode,
	statAfterSetData,
	statAfterSetACL,
	statAfterChildCreateAndDelete,
	statIsUntouchedByGrandchildrenAndByChildData,
	statTimesAreTheServersClock,
	statOfAnEphemeralShowsItsOwner,
	statIsTheSameFromEveryOperation,
}}

func statOfANewNode(t *T) {
	c, p := t.open(), t.path("a")
	_, stat, err := c.Create2(zk.OpCreate2, proto.CreateRequest{Path: p, Data: []byte("12345"), ACL: proto.OpenACL})
	t.ok(err)
	zxid := c.LastZxid
	equal(t, "stat", stat, proto.Stat{
		Czxid: zxid, Mzxid: zxid, Pzxid: zxid,
		CtimeMillis: stat.CtimeMillis, MtimeMillis: stat.CtimeMillis, DataLength: 5,
	})
}

func statAfterSetData(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	want := c.stat(p)
	got := c.set(p, "new data")
	want.Mzxid, want.Version, want.DataLength, want.MtimeMillis = c.LastZxid, 1, 8, got.MtimeMillis
	equal(t, "stat", got, want)
	if got.MtimeMillis < got.CtimeMillis {
		t.Fatalf("mtime %d before ctime %d", got.MtimeMillis, got.CtimeMillis)
	}
}

func statAfterSetACL(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	want := c.stat(p)
	got, err := c.SetACL(p, proto.OpenACL, -1)
	t.ok(err)
	want.Aversion = 1
	equal(t, "stat", got, want)
}

func statAfterChildCreateAndDelete(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	want := c.stat(p)
	for i := range int32(3) {
		c.create(fmt.Sprintf("%s/%d", p, i), zk.ModePersistent)
		want.Cversion, want.NumChildren, want.Pzxid = i+1, i+1, c.LastZxid
		equal(t, "stat after a create", c.stat(p), want)
	}
	for i := range int32(2) {
		c.delete(fmt.Sprintf("%s/%d", p, i))
		want.Cversion, want.NumChildren, want.Pzxid = i+4, 2-i, c.LastZxid
		equal(t, "stat after a delete", c.stat(p), want)
	}
}

func statIsUntouchedByGrandchildrenAndByChildData(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	child := c.create(p+"/child", zk.ModePersistent)
	want := c.stat(p)
	c.create(child+"/grandchild", zk.ModePersistent)
	c.set(child, "x")
	c.delete(child + "/grandchild")
	equal(t, "stat", c.stat(p), want)
}

func statTimesAreTheServersClock(t *T) {
	c := t.open()
	before := time.Now().UnixMilli()
	stat := c.stat(c.create(t.path("a"), zk.ModePersistent))
	after := time.Now().UnixMilli()
	if stat.CtimeMillis < before || stat.CtimeMillis > after {
		t.Fatalf("ctime %d is not in %d..%d", stat.CtimeMillis, before, after)
	}
}

func statOfAnEphemeralShowsItsOwner(t *T) {
	c := t.open()
	equal(t, "owner", c.stat(c.create(t.path("e"), zk.ModeEphemeral)).EphemeralOwner, int64(c.Session))
	equal(t, "owner", c.stat(c.create(t.path("p"), zk.ModePersistent)).EphemeralOwner, 0)
}

func statIsTheSameFromEveryOperation(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.create(p+"/child", zk.ModeEphemeral)
	want := c.set(p, "x")
	_, stat, err := c.GetData(p, false)
	t.ok(err)
	equal(t, "getData", stat, want)
	_, stat, err = c.GetACL(p)
	t.ok(err)
	equal(t, "getACL", stat, want)
	_, stat, err = c.GetChildren2(p, false)
	t.ok(err)
	equal(t, "getChildren2", stat, want)
	results, err := c.MultiRead(rawclient.GetDataOp(p))
	t.ok(err)
	equal(t, "multiRead", results[0].Stat, want)
}
