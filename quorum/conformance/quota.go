package conformance

import (
	"fmt"

	"zkd/quorum/proto"
	"zkd/quorum/rawclient"
	"zkd/quorum/zk"
)

var quotaCases = group{name: "quota", cases: []func(*T){
	quotaStatsCountNodesAndBytes,
	quotaStatsAreFilledInWhenTheStatsNodeIsCreated,
	quotaStatsChangeWithoutATransaction,
	hardCountLimitRefusesCreates,
	hardByteLimitRefusesCreateAndSetData,
	softLimitsRefuseNothing,
	hardLimitIsCheckedBeforeTheVersion,
	hardLimitHoldsInsideAMulti,
	nearestQuotaCounts,
	liftedQuotaNoLongerCounts,
	quotaWithoutStatsNodeRefusesNothing,
}}

const (
	limitsNode = "/zookeeper_limits"
	statsNode  = "/zookeeper_stats"
	noLimits   = "count=-1,bytes=-1"
)

// quota puts limits on path as a client does: it is the client that creates both nodes.
func (c *conn) quota(path, limits string) {
	c.t.Helper()
	below := "/zookeeper/quota"
	for _, part := range splitPath(path) {
		below += "/" + part
		if _, err := c.Create(below, nil, proto.OpenACL, zk.ModePersistent); err != nil && err != zk.ErrNodeExists {
			c.t.Fatalf("create %s: %v", below, err)
		}
	}
	c.createWith(below+limitsNode, []byte(limits), proto.OpenACL, zk.ModePersistent)
	c.createWith(below+statsNode, []byte("count=0,bytes=0"), proto.OpenACL, zk.ModePersistent)
}

func splitPath(path string) []string {
	var parts []string
	for start, i := 1, 1; i <= len(path); i++ {
		if i == len(path) || path[i] == '/' {
			parts = append(parts, path[start:i])
			start = i + 1
		}
	}
	return parts
}

// used returns the text of the stats node.
func (c *conn) used(path string) string {
	c.t.Helper()
	data, _, err := c.GetData("/zookeeper/quota"+path+statsNode, false)
	c.t.ok(err)
	return string(data)
}

func quotaStatsCountNodesAndBytes(t *T) {
	c := t.open()
	p := c.createWith(t.path("q"), []byte("12"), proto.OpenACL, zk.ModePersistent)
	c.quota(p, noLimits)
	equal(t, "stats", c.used(p), "count=1,bytes=2")
	c.createWith(p+"/a", []byte("345"), proto.OpenACL, zk.ModePersistent)
	equal(t, "stats after a create", c.used(p), "count=2,bytes=5")
	c.createWith(p+"/a/b", nil, proto.OpenACL, zk.ModeEphemeral)
	equal(t, "stats after a grandchild", c.used(p), "count=3,bytes=5")
	c.set(p+"/a", "1")
	equal(t, "stats after setData", c.used(p), "count=3,bytes=3")
	c.set(p, "")
	equal(t, "stats after setData on the node itself", c.used(p), "count=3,bytes=1")
	c.delete(p + "/a/b")
	c.delete(p + "/a")
	equal(t, "stats after the deletes", c.used(p), "count=1,bytes=0")
}

func quotaStatsAreFilledInWhenTheStatsNodeIsCreated(t *T) {
	c := t.open()
	p := c.createWith(t.path("q"), []byte("1"), proto.OpenACL, zk.ModePersistent)
	for i := range 5 {
		c.createWith(fmt.Sprintf("%s/%d", p, i), []byte("23"), proto.OpenACL, zk.ModePersistent)
	}
	c.quota(p, noLimits)
	equal(t, "stats", c.used(p), "count=6,bytes=11")
}

func quotaStatsChangeWithoutATransaction(t *T) {
	c := t.open()
	p := c.create(t.path("q"), zk.ModePersistent)
	c.quota(p, noLimits)
	before := c.stat("/zookeeper/quota" + p + statsNode)
	c.create(p+"/a", zk.ModePersistent)
	after := c.stat("/zookeeper/quota" + p + statsNode)
	equal(t, "version", after.Version, before.Version)
	equal(t, "mzxid", after.Mzxid, before.Mzxid)
}

func hardCountLimitRefusesCreates(t *T) {
	c := t.open()
	p := c.create(t.path("q"), zk.ModePersistent)
	c.quota(p, "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=2")
	c.create(p+"/a", zk.ModePersistent)
	c.createFails(zk.ErrQuotaExceeded, zk.OpCreate, proto.CreateRequest{Path: p + "/b", ACL: proto.OpenACL})
	c.createFails(zk.ErrQuotaExceeded, zk.OpCreate, proto.CreateRequest{Path: p + "/a/b", ACL: proto.OpenACL})
	c.set(p, "data is free")
	c.delete(p + "/a")
	c.create(p+"/b", zk.ModePersistent)
}

func hardByteLimitRefusesCreateAndSetData(t *T) {
	c := t.open()
	p := c.createWith(t.path("q"), []byte("12345"), proto.OpenACL, zk.ModePersistent)
	c.quota(p, "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=-1")
	c.createFails(zk.ErrQuotaExceeded, zk.OpCreate, proto.CreateRequest{Path: p + "/a", Data: []byte("123456"), ACL: proto.OpenACL})
	c.createWith(p+"/a", []byte("12345"), proto.OpenACL, zk.ModePersistent)
	_, err := c.SetData(p, []byte("123456"), -1)
	t.refused(err, zk.ErrQuotaExceeded)
	c.createWith(p+"/empty", nil, proto.OpenACL, zk.ModePersistent) // no bytes, no limit
	c.set(p, "1234")
	c.set(p+"/a", "123456")
}

func softLimitsRefuseNothing(t *T) {
	c := t.open()
	p := c.create(t.path("q"), zk.ModePersistent)
	c.quota(p, "count=1,bytes=1")
	c.create(p+"/a", zk.ModePersistent)
	c.set(p, "many more bytes than one")
}

func hardLimitIsCheckedBeforeTheVersion(t *T) {
	c := t.open()
	p := c.create(t.path("q"), zk.ModePersistent)
	c.quota(p, "count=-1,bytes=-1=;byteHardLimit=1;countHardLimit=-1")
	_, err := c.SetData(p, []byte("too many bytes"), 99)
	t.refused(err, zk.ErrQuotaExceeded)
}

func hardLimitHoldsInsideAMulti(t *T) {
	c := t.open()
	p := c.create(t.path("q"), zk.ModePersistent)
	c.quota(p, "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=1")
	c.multiFails([]zk.Code{zk.ErrQuotaExceeded, zk.ErrRuntimeInconsistency}, createOp(p+"/a"), rawclient.CheckOp(p, -1))
	c.absent(p + "/a")
}

func nearestQuotaCounts(t *T) {
	c := t.open()
	p := c.create(t.path("q"), zk.ModePersistent)
	inner := c.create(p+"/inner", zk.ModePersistent)
	c.quota(p, "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=2")
	c.quota(inner, "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3")
	c.create(inner+"/a", zk.ModePersistent)
	c.create(inner+"/b", zk.ModePersistent)
	c.createFails(zk.ErrQuotaExceeded, zk.OpCreate, proto.CreateRequest{Path: inner + "/c", ACL: proto.OpenACL})
	c.createFails(zk.ErrQuotaExceeded, zk.OpCreate, proto.CreateRequest{Path: p + "/c", ACL: proto.OpenACL})
}

func liftedQuotaNoLongerCounts(t *T) {
	c := t.open()
	p := c.create(t.path("q"), zk.ModePersistent)
	c.quota(p, "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=1")
	c.createFails(zk.ErrQuotaExceeded, zk.OpCreate, proto.CreateRequest{Path: p + "/a", ACL: proto.OpenACL})
	c.delete("/zookeeper/quota" + p + limitsNode)
	c.delete("/zookeeper/quota" + p + statsNode)
	c.create(p+"/a", zk.ModePersistent)
}

func quotaWithoutStatsNodeRefusesNothing(t *T) {
	c := t.open()
	p := c.create(t.path("q"), zk.ModePersistent)
	c.quota(p, "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=1")
	c.delete("/zookeeper/quota" + p + statsNode)
	c.create(p+"/a", zk.ModePersistent)
}
