package conformance

import (
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var setWatchesCases = group{name: "setWatches", cases: []func(*T){
	setWatchesRegistersWhatHasNotChanged,
	setWatchesTellsOfChangedData,
	setWatchesTellsOfDeletedNodes,
	setWatchesTellsOfCreatedNodes,
	setWatchesTellsOfChangedChildren,
	setWatchesDoesNotRegisterWhatItTells,
	setWatchesEventsComeBeforeTheReply,
	setWatchesEventsHaveZxidMinusOne,
	setWatchesEventsAreNotFilteredByACL,
	setWatches2RegistersPersistentWatchesWithoutCatchUp,
}}

// rewatch sends setWatches2 with the lists that are not nil.
func (c *conn) rewatch(request proto.SetWatchesRequest) {
	c.t.Helper()
	for _, list := range []*[]string{
		&request.Data, &request.Exist, &request.Child, &request.Persistent, &request.PersistentRecursive,
	} {
		if *list == nil {
			*list = []string{}
		}
	}
	if err := c.SetWatches(zk.OpSetWatches2, request); err != nil {
		c.t.Fatalf("setWatches2: %v", err)
	}
}

func setWatchesRegistersWhatHasNotChanged(t *T) {
	c, writer := t.open(), t.open()
	a, b, missing := c.create(t.path("a"), zk.ModePersistent), c.create(t.path("b"), zk.ModePersistent), t.path("missing")
	for _, op := range []zk.Op{zk.OpSetWatches, zk.OpSetWatches2} {
		now := c.ping()
		t.ok(c.SetWatches(op, proto.SetWatchesRequest{
			RelativeZxid: now, Data: []string{a}, Exist: []string{missing}, Child: []string{b},
			Persistent: []string{}, PersistentRecursive: []string{},
		}))
		c.noEvent()
		writer.set(a, "x")
		c.expectEvent(zk.EventNodeDataChanged, a)
		writer.create(b+"/child", zk.ModePersistent)
		c.expectEvent(zk.EventNodeChildrenChanged, b)
		writer.create(missing, zk.ModePersistent)
		c.expectEvent(zk.EventNodeCreated, missing)
		c.noEvent()
		writer.delete(b + "/child")
		writer.delete(missing)
	}
}

func setWatchesTellsOfChangedData(t *T) {
	c := t.open()
	changed := c.create(t.path("changed"), zk.ModePersistent)
	before := c.ping()
	c.set(changed, "x")
	c.rewatch(proto.SetWatchesRequest{RelativeZxid: before, Data: []string{changed}})
	c.expectEvent(zk.EventNodeDataChanged, changed)
	c.noEvent()
}

func setWatchesTellsOfDeletedNodes(t *T) {
	c, a, b := t.open(), t.path("a"), t.path("b")
	c.rewatch(proto.SetWatchesRequest{RelativeZxid: c.ping(), Data: []string{a}, Child: []string{b}})
	c.expectEvent(zk.EventNodeDeleted, a)
	c.expectEvent(zk.EventNodeDeleted, b)
	c.noEvent()
}

// An exist watch in setWatches means that there was no node.
func setWatchesTellsOfCreatedNodes(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.rewatch(proto.SetWatchesRequest{RelativeZxid: c.ping(), Exist: []string{p}})
	c.expectEvent(zk.EventNodeCreated, p)
	c.noEvent()
}

func setWatchesTellsOfChangedChildren(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	before := c.ping()
	c.set(p, "no child")
	c.rewatch(proto.SetWatchesRequest{RelativeZxid: before, Child: []string{p}})
	c.noEvent()
	c.Delete(c.create(p+"/child", zk.ModePersistent), -1)
	equal(t, "events", len(c.Events()), 1) // the watch was set
	c.rewatch(proto.SetWatchesRequest{RelativeZxid: before, Child: []string{p}})
	c.expectEvent(zk.EventNodeChildrenChanged, p)
	c.noEvent()
}

func setWatchesDoesNotRegisterWhatItTells(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.rewatch(proto.SetWatchesRequest{RelativeZxid: 0, Data: []string{p}})
	c.expectEvent(zk.EventNodeDataChanged, p)
	t.refused(c.CheckWatches(p, zk.WatcherAny), zk.ErrNoWatcher)
}

func setWatchesEventsComeBeforeTheReply(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.rewatch(proto.SetWatchesRequest{RelativeZxid: 0, Data: []string{p, t.path("gone")}})
	equal(t, "events before the reply", len(c.Events()), 2)
}

func setWatchesEventsHaveZxidMinusOne(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.rewatch(proto.SetWatchesRequest{RelativeZxid: 0, Data: []string{p}})
	equal(t, "zxid", c.event().Zxid, -1)
}

func setWatchesEventsAreNotFilteredByACL(t *T) {
	c, p := t.open(), t.lockedNode("locked")
	c.rewatch(proto.SetWatchesRequest{RelativeZxid: 0, Data: []string{p}})
	c.expectEvent(zk.EventNodeDataChanged, p)
}

func setWatches2RegistersPersistentWatchesWithoutCatchUp(t *T) {
	c, writer := t.open(), t.open()
	a, b := c.create(t.path("a"), zk.ModePersistent), c.create(t.path("b"), zk.ModePersistent)
	c.rewatch(proto.SetWatchesRequest{RelativeZxid: 0, Persistent: []string{a}, PersistentRecursive: []string{b}})
	c.noEvent()
	for range 2 {
		writer.set(a, "x")
		c.expectEvent(zk.EventNodeDataChanged, a)
		writer.create(b+"/child", zk.ModePersistent)
		c.expectEvent(zk.EventNodeCreated, b+"/child")
		writer.delete(b + "/child")
		c.expectEvent(zk.EventNodeDeleted, b+"/child")
	}
	c.noEvent()
}
