package prep

import (
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

func TestDeleteChecksInOrder(t *testing.T) {
	run(t, testConfig(), []step{
		{"set up", persistent("/a"), zk.OK},
		{"set up", withACL("/a/mine", bobs), zk.OK},
		{"set up", withACL("/closed", readOnly), zk.OK},
		{"a session that is not open", remove("/a", -1).by(bob + 7), zk.ErrSessionExpired},
		{"an empty path", remove("", -1), zk.ErrBadArguments},
		{"the root stays", remove("/", -1), zk.ErrBadArguments},
		{"/zookeeper stays", remove("/zookeeper", -1), zk.ErrBadArguments},
		{"/zookeeper/quota stays", remove("/zookeeper/quota", -1), zk.ErrBadArguments},
		{"/zookeeper/config stays", remove("/zookeeper/config", -1), zk.ErrBadArguments},
		{"no parent", remove("/b/c", -1), zk.ErrNoNode},
		{"the parent's ACL comes before the node", remove("/closed/c", -1), zk.ErrNoAuth},
		{"no node", remove("/b", -1), zk.ErrNoNode},
		{"a path that no node can have", remove("/a/", -1), zk.ErrNoNode},
		{"a version comes before the children", remove("/a", 3), zk.ErrBadVersion},
		{"a node with a pending child", remove("/a", 0), zk.ErrNotEmpty},
		{"the node's own ACL does not count", remove("/a/mine", 0), zk.OK},
		{"a node whose last child's delete is pending", remove("/a", 0), zk.OK},
		{"a node whose delete is pending", remove("/a", -1), zk.ErrNoNode},
		{"nothing is made below it", persistent("/a/b"), zk.ErrNoNode},
		{"it can be made again", persistent("/a"), zk.OK},
	})
}

func TestSetDataChecksInOrderAndCountsVersions(t *testing.T) {
	run(t, testConfig(), []step{
		{"set up", persistent("/a"), zk.OK},
		{"set up", withACL("/closed", readOnly), zk.OK},
		{"a session that is not open", set("x", "", -1).by(bob + 7), zk.ErrSessionExpired},
		{"a path that may not be", set("/a/", "", -1), zk.ErrBadArguments},
		{"no node", set("/b", "", -1), zk.ErrNoNode},
		{"no permission comes before the version", set("/closed", "", 9), zk.ErrNoAuth},
		{"a wrong version", set("/a", "", 1), zk.ErrBadVersion},
		{"the right one", set("/a", "x", 0), zk.OK},
		{"which is then pending", set("/a", "x", 0), zk.ErrBadVersion},
		{"any version", set("/a", "y", -1), zk.OK},
		{"two pending", set("/a", "z", 2), zk.OK},
		{"the root has data too", set("/", "z", 0), zk.OK},
	})
}

func TestSetACLChecksInOrder(t *testing.T) {
	run(t, testConfig(), []step{
		{"set up", persistent("/a"), zk.OK},
		{"set up", withACL("/closed", readOnly), zk.OK},
		{"a session that is not open", setACL("x", nil, -1).by(bob + 7), zk.ErrSessionExpired},
		{"a path that may not be", setACL("/a/", nil, -1), zk.ErrBadArguments},
		{"an ACL comes before the node", setACL("/b", nil, -1), zk.ErrInvalidACL},
		{"no node", setACL("/b", proto.OpenACL, -1), zk.ErrNoNode},
		{"ADMIN is needed", setACL("/closed", proto.OpenACL, 5), zk.ErrNoAuth},
		{"a wrong version", setACL("/a", proto.OpenACL, 1), zk.ErrBadVersion},
		{"a version of the data does not count", set("/a", "x", 0), zk.OK},
		{"the right one", setACL("/a", bobs, 0), zk.OK},
		{"the pending ACL counts", set("/a", "x", -1), zk.ErrNoAuth},
		{"for its owner too", set("/a", "x", -1).as(bobID), zk.OK},
		{"the version went up", setACL("/a", proto.OpenACL, 1).as(bobID), zk.OK},
	})
}

func TestCheckIsForMultisOnly(t *testing.T) {
	run(t, testConfig(), []step{
		{"set up", persistent("/a"), zk.OK},
		{"set up", withACL("/closed", bobs), zk.OK},
		{"by itself", check("/a", 0), zk.ErrUnimplemented},
		{"the right version", multi(check("/a", 0)), zk.OK},
		{"any version", multi(check("/a", -1)), zk.OK},
		{"a wrong version", multi(check("/a", 1)), zk.ErrBadVersion},
		{"READ is needed", multi(check("/closed", 0)), zk.ErrNoAuth},
		{"a path that may not be", multi(check("a", 0)), zk.ErrBadArguments},
		{"no node", multi(check("/b", -1)), zk.ErrNoNode},
	})
}

func TestTheReaperDeletesOnlyWhatIsStillDue(t *testing.T) {
	cfg := testConfig()
	cfg.ContainerNeverUsedMillis = 25 // the clock of a world moves by 10 with each request
	ttl := func(path string) *Request {
		return createAs(zk.OpCreateTTL, proto.CreateRequest{Path: path, ACL: proto.OpenACL, Mode: zk.ModePersistentTTL, TTLMillis: 25})
	}
	container := func(path string) *Request { return create(zk.OpCreateContainer, path, zk.ModeContainer) }
	run(t, cfg, []step{
		{"set up", container("/used"), zk.OK},
		{"set up", persistent("/used/child"), zk.OK},
		{"set up", withACL("/plain", bobs), zk.OK},
		{"a client may not", reap("/used").by(alice), zk.ErrUnimplemented},
		{"with a child", reap("/used"), zk.ErrNotEmpty},
		{"set up", remove("/used/child", -1), zk.OK},
		{"a container that had a child", reap("/used"), zk.OK},
		{"is gone then", reap("/used"), zk.ErrNoNode},
		{"a node of another kind", reap("/plain"), zk.ErrBadVersion},
		{"a path without slash", reap("plain"), zk.ErrBadArguments},
		{"a node that must stay", reap("/zookeeper"), zk.ErrBadArguments},
		{"set up", container("/fresh"), zk.OK},
		{"a container that is new", reap("/fresh"), zk.ErrBadVersion},
		{"set up", ttl("/ttl"), zk.OK},
		{"a container that is old and unused", reap("/fresh"), zk.OK},
		{"a TTL that has not passed", reap("/ttl"), zk.ErrBadVersion},
		{"a TTL that has passed", reap("/ttl"), zk.OK},
	})
}

func TestReconfigAnswersAsAStandaloneServer(t *testing.T) {
	reconfig := func() *Request {
		r := proto.ReconfigRequest{ConfigID: -1}
		return &Request{Session: alice, Op: zk.OpReconfig, Body: r.Append(nil)}
	}
	run(t, testConfig(), []step{
		{"disabled", reconfig(), zk.ErrReconfigDisabled},
		{"undecodable", &Request{Session: alice, Op: zk.OpReconfig}, zk.ErrMarshalling},
	})
	cfg := testConfig()
	cfg.ReconfigEnabled = true
	run(t, cfg, []step{
		{"enabled", reconfig(), zk.ErrUnimplemented},
		{"a session that is not open", reconfig().by(bob + 7), zk.ErrSessionExpired},
	})
}

func TestQuotasWithHardLimitsRefuse(t *testing.T) {
	w := newWorld(t, testConfig())
	quota := func(path, limits string) {
		for _, p := range []string{"/zookeeper/quota" + path, "/zookeeper/quota" + path + "/zookeeper_limits", "/zookeeper/quota" + path + "/zookeeper_stats"} {
			r := proto.CreateRequest{Path: p, Data: []byte("count=0,bytes=0"), ACL: proto.OpenACL}
			if p[len(p)-6:] == "limits" {
				r.Data = []byte(limits)
			}
			w.must(createAs(zk.OpCreate, r))
		}
	}
	w.must(persistent("/hard"))
	w.must(persistent("/soft"))
	quota("/hard", "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3")
	quota("/soft", "count=1,bytes=1=;byteHardLimit=-1;countHardLimit=-1")
	w.settle()
	for _, s := range []step{
		{"two of three nodes", persistent("/hard/a"), zk.OK},
		{"three of three", persistent("/hard/a/b"), zk.OK},
		{"one too many", persistent("/hard/c"), zk.ErrQuotaExceeded},
		{"in a multi too", multi(persistent("/hard/c")), zk.ErrQuotaExceeded},
		{"ten of ten bytes", set("/hard/a", "0123456789", -1), zk.OK},
		{"another node's byte is one too many", set("/hard/a/b", "x", -1), zk.ErrQuotaExceeded},
		{"the same length changes nothing", set("/hard/a", "9876543210", -1), zk.OK},
		{"the quota comes before the version", set("/hard/a", "0123456789x", 99), zk.ErrQuotaExceeded},
		{"less is allowed", set("/hard/a", "012", -1), zk.OK},
		{"a soft limit does not refuse", persistent("/soft/a"), zk.OK},
		{"nor for bytes", set("/soft/a", "0123456789", -1), zk.OK},
		{"outside there is no limit", persistent("/free"), zk.OK},
	} {
		if got := w.code(s.r); got != s.want {
			t.Errorf("%s: %v, want %v", s.name, got, s.want)
		}
		w.settle() // usage counts what is applied
	}
	w.prep.cfg.EnforceQuota = false
	w.must(persistent("/hard/c"))
	w.settle()
}
