package conformance

import (
	"fmt"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var createCases = group{name: "create", cases: []func(*T){
	createAnswersWithThePathOnly,
	create2AnswersWithPathAndStat,
	createStoresNullDataAsNull,
	createStoresEmptyDataAsEmpty,
	createTwiceIsNodeExists,
	createBelowNothingIsNoNode,
	createBelowAnEphemeralIsNoChildrenForEphemerals,
	createWithAnUnknownModeIsBadArguments,
	createWithNullACLIsInvalidACL,
	createWithEmptyACLIsInvalidACL,
	createWithContainerModeIsBadArguments,
	createContainerWithEphemeralModeIsBadArguments,
	createContainerWithPersistentModeMakesAContainer,
	createTTLWithAnotherModeIsBadArguments,
	createModeIsCheckedBeforeTheACL,
	createACLIsCheckedBeforeTheParent,
	createParentIsCheckedBeforeThePermission,
	createPermissionIsCheckedBeforeThePath,
	createPathIsCheckedBeforeItsExistence,
	createPathIsCheckedBeforeTheEphemeralParent,
	containerIsCreatedEmptyOfTraces,
	emptiedContainerIsReaped,
	neverUsedContainerStays,
	containerWithChildrenStays,
	ephemeralsBelongToTheirSession,
	ephemeralIsDeletedByAnybody,
}}

func createAnswersWithThePathOnly(t *T) {
	c, p := t.open(), t.path("a")
	equal(t, "path", c.create(p, zk.ModePersistent), p) // rawclient refuses trailing bytes
}

func create2AnswersWithPathAndStat(t *T) {
	c, p := t.open(), t.path("a")
	created, stat, err := c.Create2(zk.OpCreate2, proto.CreateRequest{Path: p, Data: []byte("12345"), ACL: proto.OpenACL})
	t.ok(err)
	equal(t, "path", created, p)
	equal(t, "czxid", stat.Czxid, c.LastZxid)
	equal(t, "stat", stat, c.stat(p))
}

func createStoresNullDataAsNull(t *T) {
	c, p := t.open(), t.path("a")
	c.createWith(p, nil, proto.OpenACL, zk.ModePersistent)
	data, stat, err := c.GetData(p, false)
	t.ok(err)
	if data != nil {
		t.Fatalf("got %q, want null", data)
	}
	equal(t, "dataLength", stat.DataLength, 0)
}

func createStoresEmptyDataAsEmpty(t *T) {
	c, p := t.open(), t.path("a")
	c.createWith(p, []byte{}, proto.OpenACL, zk.ModePersistent)
	data, stat, err := c.GetData(p, false)
	t.ok(err)
	if data == nil || len(data) > 0 {
		t.Fatalf("got %v, want empty and not null", data)
	}
	equal(t, "dataLength", stat.DataLength, 0)
}

// createFails ends the case unless op is refused with that code.
func (c *conn) createFails(want zk.Code, op zk.Op, request proto.CreateRequest) {
	c.t.Helper()
	reply, err := c.Call(op, request.Append(nil, op))
	c.t.ok(err)
	equal(c.t, fmt.Sprintf("%v of %q, mode %d, ttl %d", op, request.Path, request.Mode, request.TTLMillis), reply.Err, want)
	equal(c.t, "body bytes", len(reply.Body), 0)
}

func createTwiceIsNodeExists(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	for _, op := range []zk.Op{zk.OpCreate, zk.OpCreate2} {
		c.createFails(zk.ErrNodeExists, op, proto.CreateRequest{Path: p, ACL: proto.OpenACL})
	}
	c.createFails(zk.ErrNodeExists, zk.OpCreateContainer, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: zk.ModeContainer})
	c.createFails(zk.ErrNodeExists, zk.OpCreateTTL, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: zk.ModePersistentTTL, TTLMillis: 1})
}

func createBelowNothingIsNoNode(t *T) {
	c := t.open()
	c.createFails(zk.ErrNoNode, zk.OpCreate, proto.CreateRequest{Path: t.path("a/b"), ACL: proto.OpenACL})
}

func createBelowAnEphemeralIsNoChildrenForEphemerals(t *T) {
	c := t.open()
	p := c.create(t.path("e"), zk.ModeEphemeral)
	for _, mode := range []zk.CreateMode{zk.ModePersistent, zk.ModeEphemeral, zk.ModePersistentSequential} {
		c.createFails(zk.ErrNoChildrenForEphemerals, zk.OpCreate, proto.CreateRequest{Path: p + "/a", ACL: proto.OpenACL, Mode: mode})
	}
}

func createWithAnUnknownModeIsBadArguments(t *T) {
	c, p := t.open(), t.path("a")
	for _, mode := range []zk.CreateMode{-1, 7, 8, 1 << 30} {
		for _, op := range []zk.Op{zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer, zk.OpCreateTTL} {
			c.createFails(zk.ErrBadArguments, op, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: mode, TTLMillis: 1})
		}
	}
	c.absent(p)
}

func createWithNullACLIsInvalidACL(t *T) {
	c, p := t.open(), t.path("a")
	c.createFails(zk.ErrInvalidACL, zk.OpCreate, proto.CreateRequest{Path: p, ACL: nil})
	c.absent(p)
}

func createWithEmptyACLIsInvalidACL(t *T) {
	c, p := t.open(), t.path("a")
	c.createFails(zk.ErrInvalidACL, zk.OpCreate, proto.CreateRequest{Path: p, ACL: []proto.ACL{}})
	c.absent(p)
}

// Apache ZooKeeper makes a persistent node of it, while its leader counts the digest of a container.
func createWithContainerModeIsBadArguments(t *T) {
	if !t.needs(modeFitsOp) {
		return
	}
	c, p := t.open(), t.path("a")
	for _, op := range []zk.Op{zk.OpCreate, zk.OpCreate2} {
		c.createFails(zk.ErrBadArguments, op, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: zk.ModeContainer})
	}
	c.absent(p)
}

func createContainerWithEphemeralModeIsBadArguments(t *T) {
	if !t.needs(modeFitsOp) {
		return
	}
	c, p := t.open(), t.path("a")
	for _, mode := range []zk.CreateMode{zk.ModeEphemeral, zk.ModeEphemeralSequential} {
		c.createFails(zk.ErrBadArguments, zk.OpCreateContainer, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: mode})
	}
	c.absent(p)
}

func createContainerWithPersistentModeMakesAContainer(t *T) {
	c, p := t.open(), t.path("a")
	_, _, err := c.Create2(zk.OpCreateContainer, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: zk.ModePersistent})
	t.ok(err)
	c.create(p+"/child", zk.ModePersistent)
	c.watchExists(p)
	c.delete(p + "/child")
	c.expectEvent(zk.EventNodeDeleted, p)
}

// Apache ZooKeeper would log a createTTL txn whose TTL it cannot apply: its processor thread ends.
func createTTLWithAnotherModeIsBadArguments(t *T) {
	if !t.needs(modeFitsOp) {
		return
	}
	c, p := t.open(), t.path("a")
	for mode := zk.ModePersistent; mode <= zk.ModeContainer; mode++ {
		for _, ttl := range []int64{-1, 0, 1000} {
			c.createFails(zk.ErrBadArguments, zk.OpCreateTTL, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: mode, TTLMillis: ttl})
		}
	}
	c.absent(p)
}

func createModeIsCheckedBeforeTheACL(t *T) {
	c := t.open()
	c.createFails(zk.ErrBadArguments, zk.OpCreate, proto.CreateRequest{Path: t.path("a"), ACL: nil, Mode: 9})
}

func createACLIsCheckedBeforeTheParent(t *T) {
	c := t.open()
	c.createFails(zk.ErrInvalidACL, zk.OpCreate, proto.CreateRequest{Path: t.path("a/b"), ACL: nil})
}

// lockedNode creates a node that nobody may do anything with.
func (t *T) lockedNode(name string) string {
	t.Helper()
	acl := []proto.ACL{digestACL(zk.PermAll, "nobody:knows")}
	return t.open().createWith(t.path(name), []byte("secret"), acl, zk.ModePersistent)
}

func createParentIsCheckedBeforeThePermission(t *T) {
	c := t.open()
	locked := t.lockedNode("locked")
	c.createFails(zk.ErrNoAuth, zk.OpCreate, proto.CreateRequest{Path: locked + "/a", ACL: proto.OpenACL})
	c.createFails(zk.ErrNoNode, zk.OpCreate, proto.CreateRequest{Path: locked + "/a/b", ACL: proto.OpenACL})
}

func createPermissionIsCheckedBeforeThePath(t *T) {
	c := t.open()
	locked := t.lockedNode("locked")
	c.createFails(zk.ErrNoAuth, zk.OpCreate, proto.CreateRequest{Path: locked + "/..", ACL: proto.OpenACL})
	c.createFails(zk.ErrBadArguments, zk.OpCreate, proto.CreateRequest{Path: t.path(".."), ACL: proto.OpenACL})
}

func createPathIsCheckedBeforeItsExistence(t *T) {
	c := t.open()
	c.create(t.path("a"), zk.ModePersistent)
	c.createFails(zk.ErrBadArguments, zk.OpCreate, proto.CreateRequest{Path: t.path("a/"), ACL: proto.OpenACL})
}

func createPathIsCheckedBeforeTheEphemeralParent(t *T) {
	c := t.open()
	p := c.create(t.path("e"), zk.ModeEphemeral)
	c.createFails(zk.ErrBadArguments, zk.OpCreate, proto.CreateRequest{Path: p + "/.", ACL: proto.OpenACL})
}

func (c *conn) createContainer(path string) proto.Stat {
	c.t.Helper()
	created, stat, err := c.Create2(zk.OpCreateContainer, proto.CreateRequest{Path: path, ACL: proto.OpenACL, Mode: zk.ModeContainer})
	c.t.ok(err)
	equal(c.t, "path", created, path)
	return stat
}

// Clients cannot tell a container from a persistent node.
func containerIsCreatedEmptyOfTraces(t *T) {
	c, p := t.open(), t.path("a")
	stat := c.createContainer(p)
	equal(t, "stat", stat, c.stat(p))
	equal(t, "owner", stat.EphemeralOwner, 0)
	c.create(p+"/child", zk.ModePersistent)
}

func emptiedContainerIsReaped(t *T) {
	c, p := t.open(), t.path("a")
	c.createContainer(p)
	c.create(p+"/child", zk.ModePersistent)
	c.watchExists(p)
	c.delete(p + "/child")
	c.expectEvent(zk.EventNodeDeleted, p)
	c.absent(p)
}

// awaitReaper returns when the reaper has made two whole rounds since the call: it has reaped two
// containers, one created after the other was gone.
func (t *T) awaitReaper() {
	t.Helper()
	c := t.open()
	for range 2 {
		p := t.path("marker")
		c.createContainer(p)
		c.create(p+"/child", zk.ModePersistent)
		c.delete(p + "/child")
		c.watchExists(p)
		c.expectEvent(zk.EventNodeDeleted, p)
	}
}

func neverUsedContainerStays(t *T) {
	c, p := t.open(), t.path("a")
	c.createContainer(p)
	t.awaitReaper()
	c.stat(p)
}

func containerWithChildrenStays(t *T) {
	c, p := t.open(), t.path("a")
	c.createContainer(p)
	c.create(p+"/stays", zk.ModePersistent)
	c.delete(c.create(p+"/goes", zk.ModePersistent))
	t.awaitReaper()
	c.stat(p)
}

func ephemeralsBelongToTheirSession(t *T) {
	c, other := t.open(), t.open()
	p := c.create(t.path("e"), zk.ModeEphemeral)
	equal(t, "owner", other.stat(p).EphemeralOwner, int64(c.Session))
	t.ok(other.CloseSession())
	c.stat(p)
}

func ephemeralIsDeletedByAnybody(t *T) {
	c, other := t.open(), t.open()
	p := c.create(t.path("e"), zk.ModeEphemeral)
	other.delete(p)
	paths, err := c.GetEphemerals("")
	t.ok(err)
	equal(t, "ephemerals left", len(paths), 0)
	other.create(p, zk.ModePersistent)
	t.ok(c.CloseSession())
	other.stat(p)
}
