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
