package conformance

import (
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

var childrenCases = group{name: "children", cases: []func(*T){
	getChildrenAnswersWithNamesOnly,
	getChildrenOfALeafIsEmptyAndNotNull,
	getChildrenOfNothingIsNoNode,
	getChildrenNeedsRead,
	getAllChildrenNumberCountsDescendants,
	getAllChildrenNumberOfNothingIsNoNode,
	getAllChildrenNumberNeedsReadOnTheNodeOnly,
	getEphemeralsFiltersByRawPrefix,
	getEphemeralsShowsOnlyTheOwnSession,
	getEphemeralsIsNotHeldBackByACLs,
}}

func getChildrenAnswersWithNamesOnly(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	c.create(p+"/b", zk.ModePersistent)
	c.create(p+"/a", zk.ModeEphemeral)
	c.create(p+"/a-longer-name", zk.ModePersistent)
	c.create(p+"/b/deeper", zk.ModePersistent)
	names, err := c.GetChildren(p, false)
	t.ok(err)
	sameItems(t, "names", names, "a", "a-longer-name", "b")
	names, stat, err := c.GetChildren2(p, false)
	t.ok(err)
	sameItems(t, "names", names, "a", "a-longer-name", "b")
	equal(t, "children", stat.NumChildren, 3)
}

func getChildrenOfALeafIsEmptyAndNotNull(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	names, err := c.GetChildren(p, false)
	t.ok(err)
	if names == nil || len(names) > 0 {
		t.Fatalf("got %v, want empty and not null", names)
	}
}

func getChildrenOfNothingIsNoNode(t *T) {
	c := t.open()
	_, err := c.GetChildren(t.path("a"), false)
	t.refused(err, zk.ErrNoNode)
	_, _, err = c.GetChildren2(t.path("a"), false)
	t.refused(err, zk.ErrNoNode)
}

func getChildrenNeedsRead(t *T) {
	c := t.open()
	p := c.createWith(t.path("a"), nil, []proto.ACL{worldACL(zk.PermAll &^ zk.PermRead)}, zk.ModePersistent)
	_, err := c.GetChildren(p, false)
	t.refused(err, zk.ErrNoAuth)
	_, _, err = c.GetChildren2(p, false)
	t.refused(err, zk.ErrNoAuth)
}

func getAllChildrenNumberCountsDescendants(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	for _, name := range []string{"/a", "/a/b", "/a/b/c", "/d"} {
		c.create(p+name, zk.ModePersistent)
	}
	c.create(t.path("pq"), zk.ModePersistent) // shares the prefix, is no descendant
	for path, want := range map[string]int32{p: 4, p + "/a": 2, p + "/d": 0} {
		n, err := c.GetAllChildrenNumber(path)
		t.ok(err)
		equal(t, path, n, want)
	}
}

func getAllChildrenNumberOfNothingIsNoNode(t *T) {
	c := t.open()
	_, err := c.GetAllChildrenNumber(t.path("a"))
	t.refused(err, zk.ErrNoNode)
}

func getAllChildrenNumberNeedsReadOnTheNodeOnly(t *T) {
	c := t.open()
	locked := t.lockedNode("locked")
	_, err := c.GetAllChildrenNumber(locked)
	t.refused(err, zk.ErrNoAuth)
	n, err := c.GetAllChildrenNumber(t.path("locked")[:strings.LastIndexByte(locked, '/')])
	t.ok(err)
	equal(t, "descendants", n, 1)
}

func getEphemeralsFiltersByRawPrefix(t *T) {
	c := t.open()
	p := c.create(t.path("p"), zk.ModePersistent)
	a, ab, b := p+"/a", p+"/ab", p+"/b"
	for _, path := range []string{a, ab, b} {
		c.create(path, zk.ModeEphemeral)
	}
	c.create(p+"/persistent", zk.ModePersistent)
	for prefix, want := range map[string][]string{
		"": {a, ab, b}, "/": {a, ab, b}, p: {a, ab, b}, a: {a, ab}, ab: {ab}, a + "/": {}, "/nothing": {},
	} {
		paths, err := c.GetEphemerals(prefix)
		t.ok(err)
		sameItems(t, "ephemerals below "+prefix, paths, want...)
	}
}

func getEphemeralsShowsOnlyTheOwnSession(t *T) {
	c, other := t.open(), t.open()
	p := c.create(t.path("e"), zk.ModeEphemeral)
	paths, err := other.GetEphemerals("")
	t.ok(err)
	equal(t, "paths of another session", len(paths), 0)
	paths, err = c.GetEphemerals("")
	t.ok(err)
	sameItems(t, "own paths", paths, p)
}

func getEphemeralsIsNotHeldBackByACLs(t *T) {
	c := t.open()
	p := c.createWith(t.path("e"), nil, []proto.ACL{digestACL(zk.PermAll, "nobody:knows")}, zk.ModeEphemeral)
	paths, err := c.GetEphemerals("/")
	t.ok(err)
	sameItems(t, "paths", paths, p)
}

var systemNodeCases = group{name: "system nodes", serial: true, cases: []func(*T){
	rootAndSystemNodesExistFromTheStart,
	rootCountsAllNodesButTwo,
	rootTakesSequentialChildren,
	configNodeIsReadOnlyToTheWorld,
	clientsMayWriteBelowTheQuotaNode,
}}

func rootAndSystemNodesExistFromTheStart(t *T) {
	c := t.open()
	names, err := c.GetChildren("/zookeeper", false)
	t.ok(err)
	sameItems(t, "children of /zookeeper", names, "config", "quota")
	equal(t, "czxid of /", c.stat("/").Czxid, 0)
	equal(t, "czxid of /zookeeper", c.stat("/zookeeper").Czxid, 0)
	data, _, err := c.GetData("/", false)
	t.ok(err)
	equal(t, "bytes in /", len(data), 0)
	equal(t, "ctime of /", c.stat("/").CtimeMillis, 0)
}

func rootCountsAllNodesButTwo(t *T) {
	c := t.open()
	before, err := c.GetAllChildrenNumber("/")
	t.ok(err)
	names, err := c.GetChildren("/", false)
	t.ok(err)
	want := int32(len(names)) + 2 // /zookeeper has two children
	for _, name := range names {
		if name != "zookeeper" {
			n, err := c.GetAllChildrenNumber("/" + name)
			t.ok(err)
			want += n
		}
	}
	equal(t, "descendants of /", before, want)
}

func rootTakesSequentialChildren(t *T) {
	c := t.open()
	created := c.create("/", zk.ModePersistentSequential)
	equal(t, "bytes of the path", len(created), len("/0000000000"))
	c.delete(created)
}

func configNodeIsReadOnlyToTheWorld(t *T) {
	c := t.open()
	acl, _, err := c.GetACL("/zookeeper/config")
	t.ok(err)
	equalSlices(t, "ACL", acl, proto.ReadACL)
	_, err = c.SetData("/zookeeper/config", []byte("x"), -1)
	t.refused(err, zk.ErrNoAuth)
	equal(t, "version", c.stat("/zookeeper/config").Version, 0)
}

func clientsMayWriteBelowTheQuotaNode(t *T) {
	c := t.open()
	p := c.create("/zookeeper/quota/conformance", zk.ModePersistent)
	c.set(p, "anything")
	c.delete(p)
}
