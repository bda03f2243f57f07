package conformance

import (
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var removeWatchesCases = group{name: "removeWatches", cases: []func(*T){
	checkWatchesFindsByType,
	checkWatchesLooksAtTheOwnConnection,
	removeWatchesRemovesByType,
	removeWatchesOfNothingIsNoWatcher,
	removeWatchesSendsNoEvent,
	removeWatchesAnyRemovesBoth,
	watcherTypeOutOfRangeIsMarshallingError,
	persistentWatchesHaveTypesOfTheirOwn,
	dataAndChildrenTypesLeavePersistentWatchesAlone,
	anyTypeCoversPersistentWatches,
}}

func checkWatchesFindsByType(t *T) {
	c := t.open()
	data, child := c.create(t.path("data"), zk.ModePersistent), c.create(t.path("child"), zk.ModePersistent)
	c.watchData(data)
	c.watchChildren(child)
	t.ok(c.CheckWatches(data, zk.WatcherData))
	t.ok(c.CheckWatches(data, zk.WatcherAny))
	t.refused(c.CheckWatches(data, zk.WatcherChildren), zk.ErrNoWatcher)
	t.ok(c.CheckWatches(child, zk.WatcherChildren))
	t.ok(c.CheckWatches(child, zk.WatcherAny))
	t.refused(c.CheckWatches(child, zk.WatcherData), zk.ErrNoWatcher)
	t.refused(c.CheckWatches(t.path("none"), zk.WatcherAny), zk.ErrNoWatcher)
}

func checkWatchesLooksAtTheOwnConnection(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	err := t.open().CheckWatches(p, zk.WatcherAny)
	if t.has(checkWatchesOfOthers) {
		t.refused(err, zk.ErrNoWatcher)
	} else {
		t.ok(err)
	}
}

func removeWatchesRemovesByType(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	c.watchChildren(p)
	t.ok(c.RemoveWatches(p, zk.WatcherData))
	c.set(p, "x")
	c.noEvent()
	c.create(p+"/child", zk.ModePersistent)
	equal(t, "events", len(c.Events()), 1)
}

func removeWatchesOfNothingIsNoWatcher(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	t.refused(c.RemoveWatches(p, zk.WatcherAny), zk.ErrNoWatcher)
	c.watchData(p)
	t.refused(c.RemoveWatches(p, zk.WatcherChildren), zk.ErrNoWatcher)
	t.ok(c.RemoveWatches(p, zk.WatcherData))
	t.refused(c.RemoveWatches(p, zk.WatcherData), zk.ErrNoWatcher)
}

func removeWatchesSendsNoEvent(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	t.ok(c.RemoveWatches(p, zk.WatcherAny))
	c.noEvent()
}

func removeWatchesAnyRemovesBoth(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	c.watchChildren(p)
	t.ok(c.RemoveWatches(p, zk.WatcherAny))
	c.set(p, "x")
	c.create(p+"/child", zk.ModePersistent)
	c.noEvent()
}

func watcherTypeOutOfRangeIsMarshallingError(t *T) {
	for _, op := range []zk.Op{zk.OpCheckWatches, zk.OpRemoveWatches} {
		for _, kind := range []int32{-1, 0, 6, 100} {
			t.marshallingError(op, (&proto.PathTypeRequest{Path: "/", Type: kind}).Append(nil))
		}
	}
}

func persistentWatchesHaveTypesOfTheirOwn(t *T) {
	if !t.needs(watcherTypes) {
		return
	}
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	t.ok(c.AddWatch(p, zk.WatchPersistent))
	t.ok(c.AddWatch(p, zk.WatchPersistentRecursive))
	t.ok(c.CheckWatches(p, zk.WatcherPersistent))
	t.ok(c.CheckWatches(p, zk.WatcherPersistentRecursive))
	t.ok(c.RemoveWatches(p, zk.WatcherPersistent))
	t.refused(c.CheckWatches(p, zk.WatcherPersistent), zk.ErrNoWatcher)
	t.ok(c.CheckWatches(p, zk.WatcherPersistentRecursive))
	writer.create(p+"/child", zk.ModePersistent)
	c.expectEvent(zk.EventNodeCreated, p+"/child")
	c.noEvent()
	t.ok(c.RemoveWatches(p, zk.WatcherPersistentRecursive))
	writer.set(p, "x")
	c.noEvent()
}

func dataAndChildrenTypesLeavePersistentWatchesAlone(t *T) {
	if !t.needs(watcherTypes) {
		return
	}
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	t.ok(c.AddWatch(p, zk.WatchPersistent))
	for _, kind := range []zk.WatcherType{zk.WatcherData, zk.WatcherChildren} {
		t.refused(c.CheckWatches(p, kind), zk.ErrNoWatcher)
		t.refused(c.RemoveWatches(p, kind), zk.ErrNoWatcher)
	}
	t.open().set(p, "x")
	c.expectEvent(zk.EventNodeDataChanged, p)
}

func anyTypeCoversPersistentWatches(t *T) {
	c := t.open()
	a, b := c.create(t.path("a"), zk.ModePersistent), c.create(t.path("b"), zk.ModePersistent)
	t.ok(c.AddWatch(a, zk.WatchPersistent))
	t.ok(c.AddWatch(b, zk.WatchPersistentRecursive))
	for _, p := range []string{a, b} {
		t.ok(c.CheckWatches(p, zk.WatcherAny))
		t.ok(c.RemoveWatches(p, zk.WatcherAny))
		t.refused(c.CheckWatches(p, zk.WatcherAny), zk.ErrNoWatcher)
	}
	writer := t.open()
	writer.set(a, "x")
	writer.set(b, "x")
	c.noEvent()
}
