package prep

import (
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

var readOnly = []proto.ACL{{Perms: zk.PermRead, ID: proto.ID{Scheme: "world", ID: "anyone"}}}

// step is a request and the code it is to get; rows of a table run in order in one world, nothing
// of which is applied before the end.
type step struct {
	name string
	r    *Request
	want zk.Code
}

func run(t *testing.T, cfg Config, steps []step) {
	t.Helper()
	w := newWorld(t, cfg)
	for _, s := range steps {
		if got := w.code(s.r); got != s.want {
			t.Errorf("%s: %v, want %v", s.name, got, s.want)
		}
	}
	w.settle()
}

func TestCreateChecksInOrder(t *testing.T) {
	badACL := []proto.ACL{{Perms: zk.PermAll, ID: proto.ID{Scheme: "nobody knows"}}}
	run(t, testConfig(), []step{
		{"set up", persistent("/open"), zk.OK},
		{"set up", withACL("/closed", readOnly), zk.OK},
		{"set up", create(zk.OpCreate, "/ephemeral", zk.ModeEphemeral), zk.OK},
		{"a session that is not open comes before the path", persistent("nowhere").by(bob + 7), zk.ErrSessionExpired},
		{"a mode comes before the session", create(zk.OpCreate, "/x", 7).by(bob + 7), zk.ErrBadArguments},
		{"a path without slash comes before the ACL", withACL("x", badACL), zk.ErrBadArguments},
		{"a NUL comes before the ACL", withACL("/missing/\x00", badACL), zk.ErrBadArguments},
		{"an ACL comes before the parent", withACL("/missing/x", badACL), zk.ErrInvalidACL},
		{"a null ACL is invalid", withACL("/x", nil), zk.ErrInvalidACL},
		{"the parent comes before the path rules", persistent("/missing//x"), zk.ErrNoNode},
		{"a permission comes before the path rules", persistent("/closed/.."), zk.ErrNoAuth},
		{"the path rules", persistent("/open/.."), zk.ErrBadArguments},
		{"a slash at the end", persistent("/open/"), zk.ErrBadArguments},
		{"an empty path", persistent(""), zk.ErrBadArguments},
		{"the root exists", persistent("/"), zk.ErrNodeExists},
		{"existing comes before the kind of parent", persistent("/ephemeral"), zk.ErrNodeExists},
		{"an ephemeral has no children", persistent("/ephemeral/x"), zk.ErrNoChildrenForEphemerals},
		{"not even ephemeral ones", create(zk.OpCreate, "/ephemeral/x", zk.ModeEphemeral), zk.ErrNoChildrenForEphemerals},
		{"CREATE on the parent is enough", persistent("/open/x"), zk.OK},
	})
}

func TestModesAndOperations(t *testing.T) {
	ttl := func(mode zk.CreateMode, millis int64) *Request {
		return createAs(zk.OpCreateTTL, proto.CreateRequest{Path: "/ttl", ACL: proto.OpenACL, Mode: mode, TTLMillis: millis})
	}
	run(t, testConfig(), []step{
		{"an unknown mode", create(zk.OpCreate, "/x", -1), zk.ErrBadArguments},
		{"the container mode with create", create(zk.OpCreate, "/x", zk.ModeContainer), zk.ErrBadArguments},
		{"the container mode with create2", create(zk.OpCreate2, "/x", zk.ModeContainer), zk.ErrBadArguments},
		{"a TTL mode with create", create(zk.OpCreate, "/x", zk.ModePersistentTTL), zk.ErrBadArguments},
		{"a TTL mode with createContainer", create(zk.OpCreateContainer, "/x", zk.ModePersistentTTL), zk.ErrBadArguments},
		{"an ephemeral container", create(zk.OpCreateContainer, "/x", zk.ModeEphemeral), zk.ErrBadArguments},
		{"a mode without TTL with createTTL", ttl(zk.ModePersistent, -1), zk.ErrBadArguments},
		{"TTL 0", ttl(zk.ModePersistentTTL, 0), zk.ErrBadArguments},
		{"a negative TTL", ttl(zk.ModePersistentTTL, -1), zk.ErrBadArguments},
		{"a TTL that is too long", ttl(zk.ModePersistentTTL, zk.MaxTTLMillis+1), zk.ErrBadArguments},
		{"the longest TTL", ttl(zk.ModePersistentTTL, zk.MaxTTLMillis), zk.OK},
		{"a sequential TTL node", ttl(zk.ModePersistentSequentialTTL, 5), zk.OK},
		{"a container", create(zk.OpCreateContainer, "/container", zk.ModeContainer), zk.OK},
		{"createContainer with mode 0", create(zk.OpCreateContainer, "/container2", zk.ModePersistent), zk.OK},
	})
	off := testConfig()
	off.ExtendedTypes = false
	run(t, off, []step{
		{"TTL nodes are off", ttl(zk.ModePersistentTTL, 5), zk.ErrUnimplemented},
		{"for every operation", create(zk.OpCreate, "/x", zk.ModePersistentTTL), zk.ErrUnimplemented},
		{"a container needs no extended types", create(zk.OpCreateContainer, "/c", zk.ModeContainer), zk.OK},
	})
}

func TestACreateStatesItsResult(t *testing.T) {
	w := newWorld(t, testConfig())
	r := proto.CreateRequest{Path: "/b", Data: []byte("hello"), ACL: proto.OpenACL, Mode: zk.ModeEphemeral}
	got := w.must(createAs(zk.OpCreate2, r)).Body
	if got.Type != zk.OpCreate2 || got.Path != "/b" || string(got.Data) != "hello" || !got.Ephemeral || got.ParentCversion != 1 {
		t.Errorf("txn %+v", got)
	}
	w.settle()
	id, _ := w.tree.Find("/b")
	if stat := w.tree.Stat(id); stat.EphemeralOwner != int64(alice) || stat.Czxid != w.zxid || stat.CtimeMillis != w.nowMillis {
		t.Errorf("stat %+v", stat)
	}
}

func TestSequenceNumbersCountCreatesOfThePendingParent(t *testing.T) {
	w := newWorld(t, testConfig())
	sequential := func(want string) {
		t.Helper()
		if got := w.must(create(zk.OpCreate, "/q/n-", zk.ModePersistentSequential)).Body.Path; got != want {
			t.Errorf("created %s, want %s", got, want)
		}
	}
	w.must(persistent("/q"))
	sequential("/q/n-0000000000")
	sequential("/q/n-0000000001")
	w.must(persistent("/q/plain")) // counts too
	sequential("/q/n-0000000003")
	w.must(remove("/q/n-0000000003", -1)) // does not
	sequential("/q/n-0000000004")
	w.settle()
	sequential("/q/n-0000000005")
	// A failed multi gives its numbers back (ZOOKEEPER-1624).
	w.do(multi(create(zk.OpCreate, "/q/n-", zk.ModePersistentSequential), remove("/missing", -1)))
	sequential("/q/n-0000000006")
	got := w.must(multi(
		create(zk.OpCreate, "/q/n-", zk.ModePersistentSequential),
		create(zk.OpCreate2, "/q/n-", zk.ModeEphemeralSequential))).Body
	if got.Sub[0].Path != "/q/n-0000000007" || got.Sub[1].Path != "/q/n-0000000008" || got.Sub[1].ParentCversion != 9 {
		t.Errorf("a multi created %+v", got.Sub)
	}
	if got := w.must(create(zk.OpCreate, "/q/", zk.ModePersistentSequential)).Body.Path; got != "/q/0000000009" {
		t.Errorf("without a name: %s", got)
	}
	w.settle()
}

// The counter never goes from 2147483647 to -2147483648 in any server's tree, for appliers only ever
// raise it; the number is then taken for good. Trees of older servers may hold negative counters.
func TestSequenceNumbersAtTheEndOfTheirRange(t *testing.T) {
	tests := map[string]struct {
		cversion int32
		want     []string // "" for node exists
	}{
		"the last number comes once":   {2147483646, []string{"/q/2147483646", "/q/2147483647", ""}},
		"negative numbers count up":    {-2147483648, []string{"/q/-2147483648", "/q/-2147483647"}},
		"ten characters with the sign": {-3, []string{"/q/-000000003", "/q/-000000002", "/q/-000000001", "/q/0000000000"}},
	}
	for name, tt := range tests {
		for _, piled := range []bool{false, true} {
			w := newWorld(t, testConfig())
			l := tree.NewLoader(tree.Options{ExtendedTypes: true})
			l.Session(alice, 4000)
			for _, n := range []struct {
				path string
				stat proto.StatPersisted
			}{{"", proto.StatPersisted{Cversion: 2}}, {"/zookeeper", proto.StatPersisted{}}, {"/q", proto.StatPersisted{Czxid: 1, Cversion: tt.cversion}}} {
				if err := l.Node([]byte(n.path), nil, -1, &n.stat); err != nil {
					t.Fatal(err)
				}
			}
			loaded, err := l.Finish(w.zxid)
			if err != nil {
				t.Fatal(err)
			}
			w.tree = loaded
			w.prep.Reset(loaded)
			for _, want := range tt.want {
				txn := w.do(create(zk.OpCreate, "/q/", zk.ModePersistentSequential))
				if txn.Body.Path != want || (txn.Body.Err == zk.ErrNodeExists) != (want == "") {
					t.Errorf("%s: %q %v, want %q", name, txn.Body.Path, txn.Body.Err, want)
				}
				if !piled {
					w.settle()
				}
			}
			w.settle()
		}
	}
}
