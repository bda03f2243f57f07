package conformance

import (
	"errors"
	"fmt"
	"time"

	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

var sequenceCases = group{name: "sequences", cases: []func(*T){
	sequenceHasTenDigitsFromZero,
	sequenceCountsEveryCreateBelowTheParent,
	sequenceIsNotMovedByDeletesAndRefusedCreates,
	sequenceMayStandAlone,
	sequenceOfEphemeralsIsTheSame,
	sequenceCountsUpInsideAMulti,
	sequenceIsCountedByParentNotByName,
}}

// createSequential returns what the server appended.
func (c *conn) createSequential(prefix string, mode zk.CreateMode) string {
	c.t.Helper()
	created := c.create(prefix, mode)
	equal(c.t, "prefix", created[:min(len(prefix), len(created))], prefix)
	return created[len(prefix):]
}

func sequenceHasTenDigitsFromZero(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	for i := range 12 {
		equal(t, "suffix", c.createSequential(p+"/n-", zk.ModePersistentSequential), fmt.Sprintf("%010d", i))
	}
}

func sequenceCountsEveryCreateBelowTheParent(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	c.create(p+"/plain", zk.ModePersistent)
	c.create(p+"/ephemeral", zk.ModeEphemeral)
	equal(t, "suffix", c.createSequential(p+"/n-", zk.ModePersistentSequential), "0000000002")
}

func sequenceIsNotMovedByDeletesAndRefusedCreates(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	c.delete(c.create(p+"/a", zk.ModePersistent))
	c.create(p+"/b", zk.ModePersistent)
	c.createFails(zk.ErrNodeExists, zk.OpCreate, proto.CreateRequest{Path: p + "/b", ACL: proto.OpenACL})
	equal(t, "suffix", c.createSequential(p+"/n-", zk.ModePersistentSequential), "0000000002")
	equal(t, "cversion", c.stat(p).Cversion, 4) // three creates, one delete
}

func sequenceMayStandAlone(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	equal(t, "created", c.create(p+"/", zk.ModePersistentSequential), p+"/0000000000")
}

func sequenceOfEphemeralsIsTheSame(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	equal(t, "suffix", c.createSequential(p+"/a-", zk.ModeEphemeralSequential), "0000000000")
	equal(t, "suffix", c.createSequential(p+"/b-", zk.ModePersistentSequential), "0000000001")
	equal(t, "owner", c.stat(p+"/a-0000000000").EphemeralOwner, int64(c.Session))
}

func sequenceCountsUpInsideAMulti(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	create := rawclient.CreateOp(zk.OpCreate, proto.CreateRequest{Path: p + "/n-", ACL: proto.OpenACL, Mode: zk.ModePersistentSequential})
	results, err := c.Multi(create, create, create)
	t.ok(err)
	for i, r := range results {
		equal(t, "path", r.Path, fmt.Sprintf("%s/n-%010d", p, i))
	}
}

func sequenceIsCountedByParentNotByName(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	equal(t, "suffix", c.createSequential(p+"/a", zk.ModePersistentSequential), "0000000000")
	equal(t, "suffix", c.createSequential(p+"/b", zk.ModePersistentSequential), "0000000001")
	equal(t, "suffix", c.createSequential(p+"/a", zk.ModePersistentSequential), "0000000002")
}

var ttlCases = group{name: "TTL", cases: []func(*T){
	ttlNodeIsCreatedWithoutTraces,
	ttlNodeIsReapedWhenItIsChildlessAndOld,
	ttlNodeWithChildrenStays,
	youngTTLNodeStays,
	setDataRenewsTheTTL,
	ttlOutOfRangeIsBadArguments,
	ttlModeInAPlainCreateIsBadArguments,
	ttlMayBeSequential,
}}

func (c *conn) createTTL(path string, ttlMillis int64) proto.Stat {
	c.t.Helper()
	_, stat, err := c.Create2(zk.OpCreateTTL, proto.CreateRequest{
		Path: path, ACL: proto.OpenACL, Mode: zk.ModePersistentTTL, TTLMillis: ttlMillis,
	})
	c.t.ok(err)
	return stat
}

func ttlNodeIsCreatedWithoutTraces(t *T) {
	c, p := t.open(), t.path("a")
	stat := c.createTTL(p, zk.MaxTTLMillis)
	equal(t, "stat", stat, c.stat(p))
	equal(t, "owner", stat.EphemeralOwner, 0)
	c.create(p+"/child", zk.ModePersistent)
}

func ttlNodeIsReapedWhenItIsChildlessAndOld(t *T) {
	c, p := t.open(), t.path("a")
	c.createTTL(p, 1)
	c.watchExists(p)
	c.expectEvent(zk.EventNodeDeleted, p)
	c.absent(p)
}

func ttlNodeWithChildrenStays(t *T) {
	c, p := t.open(), t.path("a")
	results, err := c.Multi(
		rawclient.CreateOp(zk.OpCreateTTL, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: zk.ModePersistentTTL, TTLMillis: 1}),
		rawclient.CreateOp(zk.OpCreate, proto.CreateRequest{Path: p + "/child", ACL: proto.OpenACL}),
	)
	t.ok(err)
	equal(t, "result", rawclient.FirstError(results), zk.OK)
	t.awaitReaper()
	c.stat(p)
	c.watchExists(p)
	c.delete(p + "/child")
	c.expectEvent(zk.EventNodeDeleted, p)
}

func youngTTLNodeStays(t *T) {
	c, p := t.open(), t.path("a")
	c.createTTL(p, 3600*1000)
	t.awaitReaper()
	c.stat(p)
}

// With a TTL of two seconds and a write each time the reaper has been round, the node outlives four
// seconds. Where a busy machine has kept the case from writing for a whole TTL the node may go, and the
// case begins anew.
func setDataRenewsTheTTL(t *T) {
	c := t.open()
	const ttl = 2 * time.Second
	for attempt := range 20 {
		p := t.path(fmt.Sprintf("a%d", attempt))
		sent := time.Now()
		stat := c.createTTL(p, ttl.Milliseconds())
		first := stat.CtimeMillis
		var err error
		for err == nil && stat.MtimeMillis < first+2*ttl.Milliseconds() {
			t.awaitReaper()
			before := sent
			sent = time.Now()
			stat, err = c.SetData(p, []byte("young again"), -1)
			if silent := time.Since(before); errors.Is(err, zk.ErrNoNode) && silent < ttl {
				t.Fatalf("gone %v after it was written, before its TTL of %v", silent, ttl)
			}
		}
		if err == nil {
			c.watchExists(p)
			c.expectEvent(zk.EventNodeDeleted, p)
			return
		}
		equal(t, "error", err, error(zk.ErrNoNode))
	}
	t.Fatal("the machine is too busy for this case")
}

func ttlOutOfRangeIsBadArguments(t *T) {
	c, p := t.open(), t.path("a")
	for _, ttl := range []int64{0, -1, -1 << 63, zk.MaxTTLMillis + 1, 1<<63 - 1} {
		for _, mode := range []zk.CreateMode{zk.ModePersistentTTL, zk.ModePersistentSequentialTTL} {
			c.createFails(zk.ErrBadArguments, zk.OpCreateTTL, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: mode, TTLMillis: ttl})
		}
	}
	c.absent(p)
}

func ttlModeInAPlainCreateIsBadArguments(t *T) {
	c, p := t.open(), t.path("a")
	for _, op := range []zk.Op{zk.OpCreate, zk.OpCreate2, zk.OpCreateContainer} {
		for _, mode := range []zk.CreateMode{zk.ModePersistentTTL, zk.ModePersistentSequentialTTL} {
			c.createFails(zk.ErrBadArguments, op, proto.CreateRequest{Path: p, ACL: proto.OpenACL, Mode: mode})
		}
	}
	c.absent(p)
}

func ttlMayBeSequential(t *T) {
	c, p := t.open(), t.path("n-")
	created, _, err := c.Create2(zk.OpCreateTTL, proto.CreateRequest{
		Path: p, ACL: proto.OpenACL, Mode: zk.ModePersistentSequentialTTL, TTLMillis: zk.MaxTTLMillis,
	})
	t.ok(err)
	equal(t, "path", created, p+"0000000000")
}
