package tree

import (
	"slices"
	"strings"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// apply applies a txn of session 7 with that zxid, made at millisecond 1000 times the zxid.
func apply(t *Tree, zxid zk.Zxid, body proto.TxnBody) (Result, []Event) {
	return t.Apply(&proto.Txn{
		Header: proto.TxnHeader{ClientID: 7, Zxid: zxid, TimeMillis: 1000 * int64(zxid), Type: body.Type},
		Body:   body,
	}, nil)
}

// mustFind returns the node at path, which must exist.
func mustFind(t *testing.T, tree *Tree, path string) NodeID {
	t.Helper()
	id, ok := tree.Find(path)
	if !ok {
		t.Fatalf("%s is missing", path)
	}
	return id
}

// onlyBob is an ACL that is neither open nor that of the config node.
var onlyBob = []proto.ACL{{Perms: zk.PermAll, ID: proto.ID{Scheme: "digest", ID: "bob:hash"}}}

// sample returns a tree with /a (container), /a/b (data "12", cversion 3) and /e (ephemeral of
// session 7), made by txns 1 to 4.
func sample() *Tree {
	tree := New(Options{ExtendedTypes: true})
	apply(tree, 1, proto.TxnBody{Type: zk.OpCreateSession, TimeoutMillis: 30_000})
	apply(tree, 2, proto.TxnBody{Type: zk.OpCreateContainer, Path: "/a", ParentCversion: 1})
	apply(tree, 3, proto.TxnBody{Type: zk.OpCreate2, Path: "/a/b", Data: []byte("12"), ACL: onlyBob, ParentCversion: 3})
	apply(tree, 4, proto.TxnBody{Type: zk.OpCreate, Path: "/e", Ephemeral: true, ParentCversion: 2})
	return tree
}

// TestStoredStatAfterEachTxn: what each type of txn does to the node and to its parent.
func TestStoredStatAfterEachTxn(t *testing.T) {
	tests := map[string]struct {
		body         proto.TxnBody // txn 9 at 9000 ms
		path         string
		node, parent proto.StatPersisted
		err          zk.Code
	}{
		"create sets all zxids and times to the txn's, and the parent's count and pzxid": {
			body: proto.TxnBody{Type: zk.OpCreate, Path: "/a/n", ParentCversion: 4},
			path: "/a/n",
			node: proto.StatPersisted{Czxid: 9, Mzxid: 9, CtimeMillis: 9000, MtimeMillis: 9000, Pzxid: 9},
			parent: proto.StatPersisted{Czxid: 2, Mzxid: 2, CtimeMillis: 2000, MtimeMillis: 2000, Pzxid: 9,
				Cversion: 4, EphemeralOwner: zk.OwnerContainer},
		},
		"create of ZooKeeper 3.3, parentCversion -1, counts one more": {
			body: proto.TxnBody{Type: zk.OpCreate, Path: "/a/n", ParentCversion: -1},
			path: "/a/n",
			node: proto.StatPersisted{Czxid: 9, Mzxid: 9, CtimeMillis: 9000, MtimeMillis: 9000, Pzxid: 9},
			parent: proto.StatPersisted{Czxid: 2, Mzxid: 2, CtimeMillis: 2000, MtimeMillis: 2000, Pzxid: 9,
				Cversion: 4, EphemeralOwner: zk.OwnerContainer},
		},
		"create leaves a parent that is ahead alone": {
			body: proto.TxnBody{Type: zk.OpCreate, Path: "/a/n", ParentCversion: 3},
			path: "/a/n",
			node: proto.StatPersisted{Czxid: 9, Mzxid: 9, CtimeMillis: 9000, MtimeMillis: 9000, Pzxid: 9},
			parent: proto.StatPersisted{Czxid: 2, Mzxid: 2, CtimeMillis: 2000, MtimeMillis: 2000, Pzxid: 3,
				Cversion: 3, EphemeralOwner: zk.OwnerContainer},
		},
		"create of an ephemeral has the header's session as owner": {
			body: proto.TxnBody{Type: zk.OpCreate2, Path: "/n", Ephemeral: true, ParentCversion: 3},
			path: "/n",
			node: proto.StatPersisted{Czxid: 9, Mzxid: 9, CtimeMillis: 9000, MtimeMillis: 9000, Pzxid: 9,
				EphemeralOwner: 7},
			parent: proto.StatPersisted{Pzxid: 9, Cversion: 3},
		},
		"createTTL has the TTL in the owner": {
			body: proto.TxnBody{Type: zk.OpCreateTTL, Path: "/n", TTLMillis: 0x1234, ParentCversion: 3},
			path: "/n",
			node: proto.StatPersisted{Czxid: 9, Mzxid: 9, CtimeMillis: 9000, MtimeMillis: 9000, Pzxid: 9,
				EphemeralOwner: -0x100000000000000 + 0x1234},
			parent: proto.StatPersisted{Pzxid: 9, Cversion: 3},
		},
		"create of an existing node lifts the parent": {
			body: proto.TxnBody{Type: zk.OpCreate, Path: "/a/b", ParentCversion: 8}, err: zk.ErrNodeExists,
			path: "/a/b",
			node: proto.StatPersisted{Czxid: 3, Mzxid: 3, CtimeMillis: 3000, MtimeMillis: 3000, Pzxid: 3},
			parent: proto.StatPersisted{Czxid: 2, Mzxid: 2, CtimeMillis: 2000, MtimeMillis: 2000, Pzxid: 9,
				Cversion: 8, EphemeralOwner: zk.OwnerContainer},
		},
		"create2 of an existing node does not": {
			body: proto.TxnBody{Type: zk.OpCreate2, Path: "/a/b", ParentCversion: 8}, err: zk.ErrNodeExists,
			path: "/a/b",
			node: proto.StatPersisted{Czxid: 3, Mzxid: 3, CtimeMillis: 3000, MtimeMillis: 3000, Pzxid: 3},
			parent: proto.StatPersisted{Czxid: 2, Mzxid: 2, CtimeMillis: 2000, MtimeMillis: 2000, Pzxid: 3,
				Cversion: 3, EphemeralOwner: zk.OwnerContainer},
		},
		"setData sets version, mzxid and mtime, and leaves the parent alone": {
			body: proto.TxnBody{Type: zk.OpSetData, Path: "/a/b", Data: []byte("x"), Version: 5},
			path: "/a/b",
			node: proto.StatPersisted{Czxid: 3, Mzxid: 9, CtimeMillis: 3000, MtimeMillis: 9000, Pzxid: 3, Version: 5},
			parent: proto.StatPersisted{Czxid: 2, Mzxid: 2, CtimeMillis: 2000, MtimeMillis: 2000, Pzxid: 3,
				Cversion: 3, EphemeralOwner: zk.OwnerContainer},
		},
		"setACL sets aversion alone": {
			body: proto.TxnBody{Type: zk.OpSetACL, Path: "/a/b", ACL: proto.ReadACL, Version: 6},
			path: "/a/b",
			node: proto.StatPersisted{Czxid: 3, Mzxid: 3, CtimeMillis: 3000, MtimeMillis: 3000, Pzxid: 3, Aversion: 6},
			parent: proto.StatPersisted{Czxid: 2, Mzxid: 2, CtimeMillis: 2000, MtimeMillis: 2000, Pzxid: 3,
				Cversion: 3, EphemeralOwner: zk.OwnerContainer},
		},
		"reconfig sets the data of the config node": {
			body: proto.TxnBody{Type: zk.OpReconfig, Path: "/zookeeper/config", Data: []byte("x"), Version: -1},
			path: "/zookeeper/config",
			node: proto.StatPersisted{Mzxid: 9, MtimeMillis: 9000, Version: -1, Aversion: -1},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tree := sample()
			result, _ := apply(tree, 9, test.body)
			if result.Err != test.err || result.Type != test.body.Type || result.Path != test.path {
				t.Errorf("result %+v, want code %v", result, test.err)
			}
			id := mustFind(t, tree, test.path)
			if got := tree.Persisted(id); got != test.node {
				t.Errorf("node %+v\nwant %+v", got, test.node)
			}
			if got := tree.Persisted(tree.Parent(id)); got != test.parent {
				t.Errorf("parent %+v\nwant %+v", got, test.parent)
			}
			if result.Err == zk.OK && result.Stat != tree.Stat(id) {
				t.Errorf("result has stat %+v, the node %+v", result.Stat, tree.Stat(id))
			}
			if tree.LastZxid() != 9 {
				t.Errorf("last zxid %v", tree.LastZxid())
			}
		})
	}
}

func TestDeleteMovesOnlyThePzxidOfTheParent(t *testing.T) {
	for name, test := range map[string]struct {
		zxid, pzxid zk.Zxid
		path        string
		err         zk.Code
	}{
		"forward":                                 {9, 9, "/a/b", zk.OK},
		"never back":                              {1, 3, "/a/b", zk.OK},
		"also where the node is gone already":     {9, 9, "/a/gone", zk.ErrNoNode},
		"but not where the parent is gone":        {9, 3, "/gone/b", zk.ErrNoNode},
		"and not that of the grandparent's child": {9, 3, "/e", zk.OK},
	} {
		t.Run(name, func(t *testing.T) {
			tree := sample()
			result, _ := apply(tree, test.zxid, proto.TxnBody{Type: zk.OpDelete, Path: test.path})
			stat := tree.Persisted(mustFind(t, tree, "/a"))
			if result.Err != test.err || stat.Pzxid != test.pzxid || stat.Cversion != 3 {
				t.Errorf("code %v, pzxid %v, cversion %d", result.Err, stat.Pzxid, stat.Cversion)
			}
		})
	}
}

func TestClientsSeeChangesOfChildrenAndNoOwnerButSessions(t *testing.T) {
	tree := sample()
	apply(tree, 5, proto.TxnBody{Type: zk.OpCreateTTL, Path: "/t", TTLMillis: 5, ParentCversion: 3})
	apply(tree, 6, proto.TxnBody{Type: zk.OpDelete, Path: "/a/b"})
	for path, want := range map[string]proto.Stat{
		"/":  {Cversion: 2*3 - 4, NumChildren: 4, Pzxid: 5},
		"/a": {Cversion: 2*3 - 0, Czxid: 2, Mzxid: 2, CtimeMillis: 2000, MtimeMillis: 2000, Pzxid: 6},
		"/e": {EphemeralOwner: 7, Czxid: 4, Mzxid: 4, CtimeMillis: 4000, MtimeMillis: 4000, Pzxid: 4},
		"/t": {Czxid: 5, Mzxid: 5, CtimeMillis: 5000, MtimeMillis: 5000, Pzxid: 5},
	} {
		if got := tree.Stat(mustFind(t, tree, path)); got != want {
			t.Errorf("%s: %+v\nwant %+v", path, got, want)
		}
	}
}

// TestEventsCarryTheACLToCheck: features 1.6, CVE-2024-23944.
func TestEventsCarryTheACLToCheck(t *testing.T) {
	al := []proto.ACL{{Perms: zk.PermRead, ID: proto.ID{Scheme: "digest", ID: "al:hash"}}}
	tests := map[string]struct {
		body proto.TxnBody
		want []Event
	}{
		"create": {
			proto.TxnBody{Type: zk.OpCreate, Path: "/a/b/c", ACL: al, ParentCversion: 1},
			[]Event{{zk.EventNodeCreated, "/a/b/c", al}, {zk.EventNodeChildrenChanged, "/a/b", onlyBob}},
		},
		"create under the root": {
			proto.TxnBody{Type: zk.OpCreate, Path: "/c", ACL: al, ParentCversion: 9},
			[]Event{{zk.EventNodeCreated, "/c", al}, {zk.EventNodeChildrenChanged, "/", proto.OpenACL}},
		},
		"delete": {
			proto.TxnBody{Type: zk.OpDelete, Path: "/a/b"},
			[]Event{{zk.EventNodeDeleted, "/a/b", onlyBob}, {zk.EventNodeChildrenChanged, "/a", proto.OpenACL}},
		},
		"deleteContainer": {
			proto.TxnBody{Type: zk.OpDeleteContainer, Path: "/a/b"},
			[]Event{{zk.EventNodeDeleted, "/a/b", onlyBob}, {zk.EventNodeChildrenChanged, "/a", proto.OpenACL}},
		},
		"setData": {
			proto.TxnBody{Type: zk.OpSetData, Path: "/a/b"},
			[]Event{{zk.EventNodeDataChanged, "/a/b", onlyBob}},
		},
		"reconfig": {
			proto.TxnBody{Type: zk.OpReconfig, Path: "/zookeeper/config"},
			[]Event{{zk.EventNodeDataChanged, "/zookeeper/config", proto.ReadACL}},
		},
		"setACL, create of an existing node and delete of a missing one have none": {
			proto.TxnBody{Type: zk.OpMulti, Sub: []proto.TxnBody{
				{Type: zk.OpCreate, Path: "/a/b", ACL: onlyBob}, {Type: zk.OpDelete, Path: "/gone"}, {Type: zk.OpSetData, Path: "/gone"},
			}},
			nil,
		},
		"multi has all of them, in order": {
			proto.TxnBody{Type: zk.OpMulti, Sub: []proto.TxnBody{
				{Type: zk.OpSetData, Path: "/a/b"}, {Type: zk.OpCheck, Path: "/a"}, {Type: zk.OpDelete, Path: "/e"},
			}},
			[]Event{{zk.EventNodeDataChanged, "/a/b", onlyBob}, {zk.EventNodeDeleted, "/e", proto.OpenACL}, {zk.EventNodeChildrenChanged, "/", proto.OpenACL}},
		},
		"closeSession": {
			proto.TxnBody{Type: zk.OpCloseSession, Paths: []string{"/e"}},
			[]Event{{zk.EventNodeDeleted, "/e", proto.OpenACL}, {zk.EventNodeChildrenChanged, "/", proto.OpenACL}},
		},
		"createSession": {proto.TxnBody{Type: zk.OpCreateSession}, nil},
		"error":         {proto.TxnBody{Type: zk.OpError, Err: zk.ErrNoNode}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, got := apply(sample(), 9, test.body); !equalEvents(got, test.want) {
				t.Errorf("events %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestMultiAnswersForEveryOperation(t *testing.T) {
	tree := sample()
	result, _ := apply(tree, 9, proto.TxnBody{Type: zk.OpMulti, Sub: []proto.TxnBody{
		{Type: zk.OpCreate2, Path: "/a/n", ParentCversion: 4},
		{Type: zk.OpCheck, Path: "/a/b"},
		{Type: zk.OpSetData, Path: "/a/n", Data: []byte("xyz"), Version: 1},
		{Type: zk.OpDelete, Path: "/a/b"},
	}})
	want := []Result{
		{Type: zk.OpCreate2, Path: "/a/n"}, {Type: zk.OpCheck, Path: "/a/b"},
		{Type: zk.OpSetData, Path: "/a/n"}, {Type: zk.OpDelete, Path: "/a/b"},
	}
	want[0].Stat = proto.Stat{Czxid: 9, Mzxid: 9, CtimeMillis: 9000, MtimeMillis: 9000, Pzxid: 9}
	want[2].Stat = want[0].Stat
	want[2].Stat.Version, want[2].Stat.DataLength = 1, 3
	if len(result.Multi) != len(want) || result.Err != zk.OK {
		t.Fatalf("result %+v", result)
	}
	for i := range want {
		if got := result.Multi[i]; got.Type != want[i].Type || got.Path != want[i].Path || got.Stat != want[i].Stat || got.Err != zk.OK {
			t.Errorf("operation %d: %+v\nwant %+v", i, got, want[i])
		}
	}
}

// TestFailedMultiChangesNothing: features 1.8; the codes before, at and behind the failed operation.
func TestFailedMultiChangesNothing(t *testing.T) {
	tree := sample()
	digest, count := tree.Digest(), tree.NodeCount()
	result, events := apply(tree, 9, proto.TxnBody{Type: zk.OpMulti, Sub: []proto.TxnBody{
		{Type: zk.OpCreate, Path: "/x", ParentCversion: 9},
		{Type: zk.OpError, Err: zk.ErrNoNode},
		{Type: zk.OpError, Err: zk.ErrRuntimeInconsistency},
		{Type: zk.OpDelete, Path: "/e"},
	}})
	want := []zk.Code{zk.OK, zk.ErrNoNode, zk.ErrRuntimeInconsistency, zk.ErrRuntimeInconsistency}
	for i, code := range want {
		if got := result.Multi[i]; got.Err != code || got.Type != zk.OpError {
			t.Errorf("operation %d: %+v, want code %v", i, got, code)
		}
	}
	if result.Err != zk.ErrNoNode || len(events) != 0 || tree.Digest() != digest || tree.NodeCount() != count {
		t.Errorf("code %v, events %v", result.Err, events)
	}
	if tree.LastZxid() != 9 {
		t.Errorf("last zxid %v: a failed multi consumes one too", tree.LastZxid())
	}
}

func TestCloseSessionDeletesWhatIsListedAndWhatIsLeft(t *testing.T) {
	for name, paths := range map[string][]string{
		"no list, as before 3.6":         nil,
		"an empty list":                  {},
		"all of them":                    {"/e", "/a/e2"},
		"one of them":                    {"/a/e2"},
		"one that is gone":               {"/gone", "/gone/e", "/e"},
		"twice the same":                 {"/e", "/e"},
		"and one of nobody's, as listed": {"/a/b"},
	} {
		t.Run(name, func(t *testing.T) {
			tree := sample()
			apply(tree, 5, proto.TxnBody{Type: zk.OpCreate, Path: "/a/e2", Ephemeral: true, ParentCversion: 4})
			if got := slices.Collect(tree.Ephemerals(7)); !slices.Equal(got, []string{"/e", "/a/e2"}) || tree.EphemeralCount() != 2 {
				t.Fatalf("ephemerals %v", got)
			}
			apply(tree, 9, proto.TxnBody{Type: zk.OpCloseSession, Paths: paths})
			if got := slices.Collect(tree.Ephemerals(7)); len(got) != 0 || tree.EphemeralCount() != 0 {
				t.Errorf("ephemerals left: %v", got)
			}
			if _, ok := tree.SessionTimeout(7); ok || tree.SessionCount() != 0 {
				t.Error("the session is still open")
			}
			for _, path := range []string{"/e", "/a/e2"} {
				if _, ok := tree.Find(path); ok {
					t.Errorf("%s is still there", path)
				}
			}
			if _, ok := tree.Find("/a/b"); ok == slices.Contains(paths, "/a/b") {
				t.Errorf("/a/b exists: %v", ok)
			}
		})
	}
}

func TestWhatApplyReturnsMayBeKept(t *testing.T) {
	tree := New(Options{})
	frame := (&proto.Txn{
		Header: proto.TxnHeader{Zxid: 1, Type: zk.OpCreate},
		Body:   proto.TxnBody{Type: zk.OpCreate, Path: "/kept", Data: []byte("data"), ACL: onlyBob, ParentCversion: 1},
	}).Append(nil)
	var txn proto.Txn
	if err := proto.DecodeTxn(frame, &txn); err != nil {
		t.Fatal(err)
	}
	result, events := tree.Apply(&txn, nil)
	clear(frame)
	id := mustFind(t, tree, "/kept")
	if result.Path != "/kept" || events[0].Path != "/kept" || string(tree.Data(id)) != "data" {
		t.Errorf("result %+v, events %+v, data %q", result, events, tree.Data(id))
	}
	if !slices.Equal(tree.ACL(id), onlyBob) || !slices.Equal(events[0].ACL, onlyBob) {
		t.Errorf("ACL %v, in the event %v", tree.ACL(id), events[0].ACL)
	}
}

func TestPathsThatNoClientMaySendDoNoHarm(t *testing.T) {
	for _, path := range []string{"", "/", "a", "//", "/a/", "/a//b", "a/b", "/\x00", "/\xff\xfe", "/" + strings.Repeat("n", 70_000)} {
		tree := sample()
		for i, op := range []zk.Op{zk.OpCreate, zk.OpSetData, zk.OpSetACL, zk.OpDelete, zk.OpDelete} {
			apply(tree, 9+zk.Zxid(i), proto.TxnBody{Type: op, Path: path, Data: []byte("x")})
			checkInvariants(t, tree)
		}
		if _, ok := tree.Find("/a/b"); !ok {
			t.Errorf("%.20q: /a/b is gone", path)
		}
	}
}

func TestApplyOfAnUnknownTypePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	apply(New(Options{}), 1, proto.TxnBody{Type: zk.OpGetData})
}
