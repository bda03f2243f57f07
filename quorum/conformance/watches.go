package conformance

import (
	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

var watchCases = group{name: "watches", cases: []func(*T){
	existsWatchSeesTheCreate,
	existsWatchSeesSetDataAndDelete,
	existsWatchStaysWhenThereIsNoNode,
	getDataWatchSeesSetDataAndDelete,
	getDataLeavesNoWatchOnNothing,
	childWatchSeesChildrenComeAndGo,
	childWatchSeesNothingOfGrandchildrenAndData,
	childWatchSeesItsOwnNodeDeleted,
	getChildrenLeavesNoWatchOnNothing,
	standardWatchFiresOnce,
	dataAndExistsWatchOnOnePathAreOne,
	deleteIsToldOnceToDataAndChildWatches,
	setACLFiresNothing,
	refusedWriteFiresNothing,
	readWithoutWatchLeavesTheWatchInPlace,
	eventComesBeforeTheReplyOfTheOwnWrite,
	eventComesBeforeTheReadThatShowsTheChange,
	eventCarriesTheZxidOfItsTransaction,
	multiFiresItsEventsTogether,
	failedMultiFiresNothing,
	closedSessionFiresForItsEphemerals,
	everyWatcherIsTold,
	watchesOfAClosedConnectionAreGone,
	watchesOfPipelinedReadsSeePipelinedWrites,
}}

func existsWatchSeesTheCreate(t *T) {
	c, p := t.open(), t.path("a")
	c.watchExists(p)
	t.open().create(p, zk.ModePersistent)
	c.expectEvent(zk.EventNodeCreated, p)
	c.noEvent()
}

func existsWatchSeesSetDataAndDelete(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchExists(p)
	writer.set(p, "x")
	c.expectEvent(zk.EventNodeDataChanged, p)
	c.watchExists(p)
	writer.delete(p)
	c.expectEvent(zk.EventNodeDeleted, p)
}

func existsWatchStaysWhenThereIsNoNode(t *T) {
	c, p := t.open(), t.path("a")
	_, err := c.Exists(p, true)
	t.refused(err, zk.ErrNoNode)
	t.ok(c.CheckWatches(p, zk.WatcherData))
}

func getDataWatchSeesSetDataAndDelete(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	writer.set(p, "x")
	c.expectEvent(zk.EventNodeDataChanged, p)
	c.watchData(p)
	writer.create(p+"/child", zk.ModePersistent)
	c.noEvent()
	writer.delete(p + "/child")
	writer.delete(p)
	c.expectEvent(zk.EventNodeDeleted, p)
}

func getDataLeavesNoWatchOnNothing(t *T) {
	c, p := t.open(), t.path("a")
	_, _, err := c.GetData(p, true)
	t.refused(err, zk.ErrNoNode)
	c.create(p, zk.ModePersistent)
	c.noEvent()
}

func childWatchSeesChildrenComeAndGo(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchChildren(p)
	writer.create(p+"/child", zk.ModePersistent)
	c.expectEvent(zk.EventNodeChildrenChanged, p)
	_, _, err := c.GetChildren2(p, true)
	t.ok(err)
	writer.delete(p + "/child")
	c.expectEvent(zk.EventNodeChildrenChanged, p)
	c.noEvent()
}

func childWatchSeesNothingOfGrandchildrenAndData(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	child := c.create(p+"/child", zk.ModePersistent)
	c.watchChildren(p)
	writer.create(child+"/grandchild", zk.ModePersistent)
	writer.set(p, "x")
	writer.set(child, "x")
	c.noEvent()
}

func childWatchSeesItsOwnNodeDeleted(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchChildren(p)
	t.open().delete(p)
	c.expectEvent(zk.EventNodeDeleted, p)
	c.noEvent()
}

func getChildrenLeavesNoWatchOnNothing(t *T) {
	c, p := t.open(), t.path("a")
	_, err := c.GetChildren(p, true)
	t.refused(err, zk.ErrNoNode)
	c.create(p, zk.ModePersistent)
	c.create(p+"/child", zk.ModePersistent)
	c.noEvent()
}

func standardWatchFiresOnce(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	c.watchData(p)
	writer.set(p, "1")
	writer.set(p, "2")
	c.expectEvent(zk.EventNodeDataChanged, p)
	c.noEvent()
}

func dataAndExistsWatchOnOnePathAreOne(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	c.watchExists(p)
	t.open().set(p, "x")
	c.expectEvent(zk.EventNodeDataChanged, p)
	c.noEvent()
}

func deleteIsToldOnceToDataAndChildWatches(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	c.watchChildren(p)
	t.open().delete(p)
	c.expectEvent(zk.EventNodeDeleted, p)
	c.noEvent()
}

func setACLFiresNothing(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	c.watchChildren(p)
	_, err := t.open().SetACL(p, []proto.ACL{worldACL(zk.PermRead)}, -1)
	t.ok(err)
	c.noEvent()
}

func refusedWriteFiresNothing(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.create(p+"/child", zk.ModePersistent)
	c.watchData(p)
	c.watchChildren(p)
	_, err := writer.SetData(p, nil, 9)
	t.refused(err, zk.ErrBadVersion)
	t.refused(writer.Delete(p, -1), zk.ErrNotEmpty)
	_, err = writer.Create(p+"/child", nil, proto.OpenACL, zk.ModePersistent)
	t.refused(err, zk.ErrNodeExists)
	c.noEvent()
}

func readWithoutWatchLeavesTheWatchInPlace(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	_, _, err := c.GetData(p, false)
	t.ok(err)
	t.open().set(p, "x")
	c.expectEvent(zk.EventNodeDataChanged, p)
}

func eventComesBeforeTheReplyOfTheOwnWrite(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	c.watchChildren(p)
	c.set(p, "x")
	events := c.Events()
	equal(t, "events before the reply of setData", len(events), 1)
	c.create(p+"/child", zk.ModePersistent)
	events = c.Events()
	equal(t, "events before the reply of create", len(events), 1)
	equal(t, "type", events[0].Type, zk.EventNodeChildrenChanged)
}

// The watcher reads in a loop while another client writes: it must never see the new value before
// the event.
func eventComesBeforeTheReadThatShowsTheChange(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	for i := range 20 {
		c.watchData(p)
		set := proto.SetDataRequest{Path: p, Data: []byte{byte(i)}, Version: -1}
		_, err := writer.Send(zk.OpSetData, set.Append(nil))
		t.ok(err)
		for {
			data, _, err := c.GetData(p, false)
			t.ok(err)
			events := c.Events()
			if len(data) == 1 && data[0] == byte(i) {
				equal(t, "events before the read that shows the change", len(events), 1)
				break
			}
			if len(events) > 0 {
				// The event may be early by one read, but not lost.
				data, _, err = c.GetData(p, false)
				t.ok(err)
				equal(t, "data after the event", string(data), string([]byte{byte(i)}))
				break
			}
		}
		_, err = writer.Reply()
		t.ok(err)
	}
}

func eventCarriesTheZxidOfItsTransaction(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	writer.set(p, "x")
	event := c.expectEvent(zk.EventNodeDataChanged, p)
	want := zk.Zxid(-1)
	if t.has(notificationZxid) {
		want = writer.LastZxid
	}
	equal(t, "zxid of the notification", event.Zxid, want)
}

func multiFiresItsEventsTogether(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	gone := c.create(p+"/gone", zk.ModePersistent)
	c.watchData(p)
	c.watchChildren(p)
	c.watchData(gone)
	c.watchExists(p + "/new")
	writer.multi(rawclient.SetDataOp(p, nil, -1), createOp(p+"/new"), rawclient.DeleteOp(gone, -1))
	c.expectEvent(zk.EventNodeDataChanged, p)
	c.expectEvent(zk.EventNodeCreated, p+"/new")
	c.expectEvent(zk.EventNodeChildrenChanged, p)
	event := c.expectEvent(zk.EventNodeDeleted, gone)
	if t.has(notificationZxid) {
		equal(t, "zxid of the last event", event.Zxid, writer.LastZxid)
	}
	c.noEvent()
}

func failedMultiFiresNothing(t *T) {
	c, writer := t.open(), t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	c.watchData(p)
	writer.multiFails([]zk.Code{zk.OK, zk.ErrNoNode}, rawclient.SetDataOp(p, nil, -1), rawclient.DeleteOp(p+"/x", -1))
	c.noEvent()
}

func closedSessionFiresForItsEphemerals(t *T) {
	c, owner := t.open(), t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	a := owner.create(p+"/a", zk.ModeEphemeral)
	c.watchData(a)
	c.watchChildren(p)
	t.ok(owner.CloseSession())
	event := c.expectEvent(zk.EventNodeDeleted, a)
	if t.has(notificationZxid) {
		equal(t, "zxid", event.Zxid, owner.LastZxid)
	}
	c.expectEvent(zk.EventNodeChildrenChanged, p)
	c.noEvent()
}

func everyWatcherIsTold(t *T) {
	p := t.open().create(t.path("a"), zk.ModePersistent)
	var watchers []*conn
	for range 20 {
		c := t.open()
		c.watchData(p)
		watchers = append(watchers, c)
	}
	t.open().set(p, "x")
	for _, c := range watchers {
		c.expectEvent(zk.EventNodeDataChanged, p)
		c.noEvent()
	}
}

func watchesOfAClosedConnectionAreGone(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	c.watchData(p)
	resumed := t.resume(c)
	t.refused(resumed.CheckWatches(p, zk.WatcherAny), zk.ErrNoWatcher)
	resumed.watchData(p)
	t.open().set(p, "x")
	resumed.expectEvent(zk.EventNodeDataChanged, p)
	resumed.noEvent()
}

func watchesOfPipelinedReadsSeePipelinedWrites(t *T) {
	c := t.open()
	p := c.create(t.path("a"), zk.ModePersistent)
	read := (&proto.PathWatchRequest{Path: p, Watch: true}).Append(nil)
	var b []byte
	for i := range int32(10) {
		set := proto.SetDataRequest{Path: p, Data: []byte{byte(i)}, Version: -1}
		b = rawclient.AppendRequest(b, 2*i, zk.OpGetData, read)
		b = rawclient.AppendRequest(b, 2*i+1, zk.OpSetData, set.Append(nil))
	}
	t.ok(c.WriteRaw(b))
	for i := range int32(10) {
		c.readReply(2 * i)
		equal(t, "events before the write", len(c.Events()), 0)
		c.readReply(2*i + 1)
		equal(t, "events of the write", len(c.Events()), 1)
	}
}

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
