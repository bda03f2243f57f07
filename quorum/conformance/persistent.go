package conformance

import (
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var persistentWatchCases = group{name: "persistent watches", cases: []func(*T){
	addWatchAnswersWithAnIntOfZero,
	addWatchTakesAnyPath,
	addWatchOfUnknownModeIsMarshallingError,
	persistentWatchIsNotConsumed,
	persistentWatchSeesDataAndChildren,
	persistentWatchSeesADeleteOnce,
	persistentWatchSeesNothingOfGrandchildren,
	recursiveWatchSeesTheWholeSubtree,
	recursiveWatchSeesNoChildrenChanged,
	recursiveWatchOnTheRootSeesEverything,
	recursiveWatchIsNotConsumed,
	standardWatchBesideAPersistentOneFiresOnce,
	persistentAndRecursiveModeAddUp,
}}

func addWatchAnswersWithAnIntOfZero(t *T) {
	c := t.open()
	t.ok(c.AddWatch(t.path("a"), zk.WatchPersistent)) // rawclient wants exactly that body
	t.ok(c.AddWatch(t.path("a"), zk.WatchPersistentRecursive))
}

func addWatchTakesAnyPath(t *T) {
	c := t.open()
	t.ok(c.AddWatch("/no/such/node", zk.WatchPersistent))
	t.ok(c.AddWatch(t.lockedNode("locked"), zk.WatchPersistent))
	t.ok(c.AddWatch(t.path("a//b/"), zk.WatchPersistent))
}

func addWatchOfUnknownModeIsMarshallingError(t *T) {
	for _, mode := range []zk.AddWatchMode{-1, 2, 100} {
		t.marshallingError(zk.OpAddWatch, (&proto.PathTypeRequest{Path: "/a", Type: int32(mode)}).Append(nil))
	}
}

func persistentWatchIsNotConsumed(t *T) {
	c, writer := t.open(), t.open()
	p := t.path("a")
	t.ok(c.AddWatch(p, zk.WatchPersistent))
	for range 3 {
		writer.create(p, zk.ModePersistent)
		c.expectEvent(zk.EventNodeCreated, p)
		writer.set(p, "x")
		c.expectEvent(zk.EventNodeDataChanged, p)
		writer.delete(p)
		c.expectEvent(zk.EventNodeDeleted, p)
	}
	c.noEvent()
}

func persistentWatchSeesDataAndChildren(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	t.ok(c.AddWatch(p, zk.WatchPersistent))
	writer.create(p+"/child", zk.ModePersistent)
	c.expectEvent(zk.EventNodeChildrenChanged, p)
	writer.delete(p + "/child")
	c.expectEvent(zk.EventNodeChildrenChanged, p)
	c.noEvent()
}

func persistentWatchSeesADeleteOnce(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	t.ok(c.AddWatch(p, zk.WatchPersistent))
	t.open().delete(p)
	c.expectEvent(zk.EventNodeDeleted, p)
	c.noEvent()
}

func persistentWatchSeesNothingOfGrandchildren(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	child := c.create(p+"/child", zk.ModePersistent)
	t.ok(c.AddWatch(p, zk.WatchPersistent))
	writer.create(child+"/grandchild", zk.ModePersistent)
	writer.set(child, "x")
	c.noEvent()
}

func recursiveWatchSeesTheWholeSubtree(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	t.ok(c.AddWatch(p, zk.WatchPersistentRecursive))
	writer.set(p, "x")
	c.expectEvent(zk.EventNodeDataChanged, p)
	writer.create(p+"/b", zk.ModePersistent)
	c.expectEvent(zk.EventNodeCreated, p+"/b")
	writer.create(p+"/b/c", zk.ModePersistent)
	c.expectEvent(zk.EventNodeCreated, p+"/b/c")
	writer.set(p+"/b/c", "x")
	c.expectEvent(zk.EventNodeDataChanged, p+"/b/c")
	writer.delete(p + "/b/c")
	c.expectEvent(zk.EventNodeDeleted, p+"/b/c")
	writer.create(t.path("ab"), zk.ModePersistent) // shares the prefix, is not below
	c.noEvent()
}

func recursiveWatchSeesNoChildrenChanged(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	t.ok(c.AddWatch(p, zk.WatchPersistentRecursive))
	writer.create(p+"/child", zk.ModePersistent)
	c.expectEvent(zk.EventNodeCreated, p+"/child")
	writer.delete(p + "/child")
	c.expectEvent(zk.EventNodeDeleted, p+"/child")
	writer.delete(p)
	c.expectEvent(zk.EventNodeDeleted, p)
	c.noEvent()
}

func recursiveWatchOnTheRootSeesEverything(t *T) {
	c, writer := t.open(), t.open()
	p := t.path("only-here")
	t.ok(c.AddWatch("/", zk.WatchPersistentRecursive))
	writer.create(p, zk.ModePersistent)
	for {
		if event := c.event(); event.Path == p {
			equal(t, "type", event.Type, zk.EventNodeCreated)
			return
		}
	}
}

func recursiveWatchIsNotConsumed(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	t.ok(c.AddWatch(p, zk.WatchPersistentRecursive))
	for range 5 {
		writer.set(p, "x")
		c.expectEvent(zk.EventNodeDataChanged, p)
	}
}

func standardWatchBesideAPersistentOneFiresOnce(t *T) {
	if !t.needs(additiveModes) {
		return
	}
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	t.ok(c.AddWatch(p, zk.WatchPersistent))
	c.watchData(p)
	writer.set(p, "1")
	c.expectEvent(zk.EventNodeDataChanged, p)
	c.noEvent()
	writer.set(p, "2") // the persistent one is still there
	c.expectEvent(zk.EventNodeDataChanged, p)
	c.noEvent()
}

func persistentAndRecursiveModeAddUp(t *T) {
	if !t.needs(additiveModes) {
		return
	}
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	t.ok(c.AddWatch(p, zk.WatchPersistent))
	t.ok(c.AddWatch(p, zk.WatchPersistentRecursive))
	writer.set(p, "x")
	c.expectEvent(zk.EventNodeDataChanged, p)
	c.noEvent()
	writer.create(p+"/child", zk.ModePersistent)
	c.expectEvent(zk.EventNodeCreated, p+"/child")
	c.expectEvent(zk.EventNodeChildrenChanged, p)
	c.noEvent()
}

var watchACLCases = group{name: "watches and ACLs", cases: []func(*T){
	dataEventNeedsRead,
	childEventNeedsReadOnTheParent,
	createdEventNeedsReadOnTheNewNode,
	deletedEventNeedsReadOnTheNodeAsItWas,
	recursiveWatchIsFilteredByNode,
	unreadableEventConsumesAOneShotWatch,
	permissionCountsWhenTheEventFires,
}}

// eventIfReadable awaits the event where the server does not filter, and none where it does.
func (c *conn) eventIfUnfiltered(kind zk.EventType, path string) {
	c.t.Helper()
	if !c.t.has(eventsNeedRead) {
		c.expectEvent(kind, path)
	}
	c.noEvent()
}

func (t *T) super() *conn {
	t.Helper()
	c := t.open()
	c.auth(superPassword)
	return c
}

var unreadable = []proto.ACL{digestACL(zk.PermAll, "nobody:knows")}

func dataEventNeedsRead(t *T) {
	c, p := t.open(), t.lockedNode("locked")
	t.ok(c.AddWatch(p, zk.WatchPersistent))
	t.super().set(p, "x")
	c.eventIfUnfiltered(zk.EventNodeDataChanged, p)
}

func childEventNeedsReadOnTheParent(t *T) {
	c, p := t.open(), t.lockedNode("locked")
	t.ok(c.AddWatch(p, zk.WatchPersistent))
	t.super().create(p+"/open", zk.ModePersistent)
	c.eventIfUnfiltered(zk.EventNodeChildrenChanged, p)
}

func createdEventNeedsReadOnTheNewNode(t *T) {
	c, p := t.open(), t.path("a")
	c.watchExists(p)
	t.open().createWith(p, nil, unreadable, zk.ModePersistent)
	c.eventIfUnfiltered(zk.EventNodeCreated, p)
}

func deletedEventNeedsReadOnTheNodeAsItWas(t *T) {
	c, p := t.open(), t.lockedNode("locked")
	t.ok(c.AddWatch(p, zk.WatchPersistent))
	t.open().delete(p)
	c.eventIfUnfiltered(zk.EventNodeDeleted, p)
}

func recursiveWatchIsFilteredByNode(t *T) {
	c, p := t.open(), t.lockedNode("locked")
	t.ok(c.AddWatch(p, zk.WatchPersistentRecursive))
	super := t.super()
	super.create(p+"/open", zk.ModePersistent)
	c.expectEvent(zk.EventNodeCreated, p+"/open")
	super.createWith(p+"/closed", nil, unreadable, zk.ModePersistent)
	c.eventIfUnfiltered(zk.EventNodeCreated, p+"/closed")
}

func unreadableEventConsumesAOneShotWatch(t *T) {
	if !t.needs(eventsNeedRead) {
		return
	}
	c, writer := t.open(), t.open()
	p := t.path("a")
	c.watchExists(p)
	writer.createWith(p, nil, unreadable, zk.ModePersistent)
	t.refused(c.CheckWatches(p, zk.WatcherAny), zk.ErrNoWatcher)
	c.noEvent()
}

func permissionCountsWhenTheEventFires(t *T) {
	c, p := t.open(), t.lockedNode("locked")
	t.ok(c.AddWatch(p, zk.WatchPersistent))
	super := t.super()
	_, err := super.SetACL(p, []proto.ACL{worldACL(zk.PermRead)}, -1)
	t.ok(err)
	super.set(p, "x")
	c.expectEvent(zk.EventNodeDataChanged, p)
	_, err = super.SetACL(p, unreadable, -1)
	t.ok(err)
	super.set(p, "y")
	c.eventIfUnfiltered(zk.EventNodeDataChanged, p)
	c.auth("nobody:knows")
	super.set(p, "z")
	c.expectEvent(zk.EventNodeDataChanged, p)
}
