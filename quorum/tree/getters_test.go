package tree

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"zkd/quorum/jute"
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

func TestReadsAllocateNothing(t *testing.T) {
	tree := benchTree(100)
	parent := mustFind(t, tree, "/bench")
	reply := make([]byte, 0, 4096)
	sink := 0
	allocs := testing.AllocsPerRun(100, func() {
		id, _ := tree.Find("/bench/k00000042")
		stat := tree.Stat(id)
		stored := tree.Persisted(id)
		sink += len(tree.Data(id)) + len(tree.ACL(id)) + int(stat.Version) + int(stored.Version)
		sink += tree.NumChildren(parent) + int(tree.DigestPrefix(id)) + tree.CountDescendants(parent)
		sink += len(tree.AppendChildNames(reply[:0], parent)) + len(tree.AppendPath(reply[:0], id))
		ms, _ := tree.SessionTimeout(1)
		sink += int(ms)
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// TestAZnodeCostsLessThan210Bytes: 100 bytes of data and a name of 9; BenchmarkBytesPerZnode
// measures the same on the heap.
func TestAZnodeCostsLessThan210Bytes(t *testing.T) {
	const nodes = 100_000
	empty := New(Options{}).MemoryBytes()
	if got := (benchTree(nodes).MemoryBytes() - empty) / nodes; got < 150 || got > 210 {
		t.Errorf("%d bytes", got)
	}
}

func TestChildNamesAreUstringsInOrderOfCreation(t *testing.T) {
	tree := New(Options{})
	for i, name := range []string{"b", "a", "ü", "c"} {
		apply(tree, zk.Zxid(i+1), proto.TxnBody{Type: zk.OpCreate, Path: "/" + name, ParentCversion: int32(i + 1)})
	}
	apply(tree, 9, proto.TxnBody{Type: zk.OpDelete, Path: "/a"})
	want := []string{"zookeeper", "b", "ü", "c"}
	root := mustFind(t, tree, "/")
	d := jute.NewDecoder(tree.AppendChildNames(jute.AppendInt(nil, 4), root))
	if got := d.Strings(); !slices.Equal(got, want) || d.Err() != nil || d.Len() != 0 {
		t.Errorf("names %q (%v), want %q", got, d.Err(), want)
	}
	if got := slices.Collect(tree.Children(root)); !slices.Equal(got, want) {
		t.Errorf("children %q, want %q", got, want)
	}
}

// TestCountOfDescendants: for "/" the count is nodes-2, the system nodes included: features 1.4.
func TestCountOfDescendants(t *testing.T) {
	tree := sample()
	apply(tree, 9, proto.TxnBody{Type: zk.OpCreate, Path: "/ab", ParentCversion: 9})
	for path, want := range map[string]int{"/": 7, "/a": 1, "/a/b": 0, "/zookeeper": 2} {
		if got := tree.CountDescendants(mustFind(t, tree, path)); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	if tree.NodeCount()-2 != 7 {
		t.Errorf("node count %d", tree.NodeCount())
	}
}

// TestDataBytesCountUTF16: features 5.1.
func TestDataBytesCountUTF16(t *testing.T) {
	for path, want := range map[string]int{"": 0, "/": 1, "/abc": 4, "/ü": 2, "/€": 2, "/😀": 3} {
		if got := pathUnits(path); got != want {
			t.Errorf("%q: %d units, want %d", path, got, want)
		}
	}
	tree := New(Options{})
	before := tree.DataBytes()
	apply(tree, 1, proto.TxnBody{Type: zk.OpCreate, Path: "/abc", Data: []byte("12345")})
	apply(tree, 2, proto.TxnBody{Type: zk.OpSetData, Path: "/abc", Data: []byte("12")})
	if got := tree.DataBytes() - before; got != 6 {
		t.Errorf("grew by %d, want 6", got)
	}
	apply(tree, 3, proto.TxnBody{Type: zk.OpDelete, Path: "/abc"})
	if got := tree.DataBytes(); got != before {
		t.Errorf("%d bytes, want %d", got, before)
	}
}

func TestSessionsAreListedInAscendingOrder(t *testing.T) {
	tree := New(Options{})
	for i, id := range []zk.SessionID{5, -3, 9, 1, 5} {
		tree.Apply(&proto.Txn{
			Header: proto.TxnHeader{ClientID: id, Zxid: zk.Zxid(i + 1)},
			Body:   proto.TxnBody{Type: zk.OpCreateSession, TimeoutMillis: int32(i)},
		}, nil)
	}
	tree.Apply(&proto.Txn{Header: proto.TxnHeader{ClientID: 9, Zxid: 7}, Body: proto.TxnBody{Type: zk.OpCloseSession}}, nil)
	tree.Apply(&proto.Txn{Header: proto.TxnHeader{ClientID: 77, Zxid: 8}, Body: proto.TxnBody{Type: zk.OpCloseSession}}, nil)
	var order []zk.SessionID
	for id := range tree.Sessions() {
		order = append(order, id)
	}
	want := map[zk.SessionID]int32{-3: 1, 1: 3, 5: 4}
	if !slices.Equal(order, []zk.SessionID{-3, 1, 5}) || !maps.Equal(maps.Collect(tree.Sessions()), want) {
		t.Errorf("sessions %v in order %v", maps.Collect(tree.Sessions()), order)
	}
	if ms, ok := tree.SessionTimeout(5); ms != 4 || !ok {
		t.Errorf("timeout %d %v: that of the later txn counts", ms, ok)
	}
}

// TestWhatIsDueToBeReaped: features 1.7.
func TestWhatIsDueToBeReaped(t *testing.T) {
	tree := New(Options{ExtendedTypes: true})
	create := func(zxid zk.Zxid, op zk.Op, path string) {
		apply(tree, zxid, proto.TxnBody{Type: op, Path: path, TTLMillis: 5000, ParentCversion: -1})
	}
	create(1, zk.OpCreateContainer, "/used")
	create(2, zk.OpCreate, "/used/child")
	create(3, zk.OpCreateContainer, "/emptied")
	create(4, zk.OpCreate, "/emptied/child")
	apply(tree, 5, proto.TxnBody{Type: zk.OpDelete, Path: "/emptied/child"})
	create(6, zk.OpCreateContainer, "/new")
	create(10, zk.OpCreateTTL, "/ttl")
	create(10, zk.OpCreateTTL, "/parent")
	create(11, zk.OpCreate, "/parent/child")
	for name, test := range map[string]struct {
		now, neverUsed int64
		limit          int
		want           []string
	}{
		"a container that lost its children":                 {7000, 0, 10, []string{"/emptied"}},
		"one that never had any, if asked for":               {7000, 999, 10, []string{"/emptied", "/new"}},
		"but only when it is older":                          {7000, 1000, 10, []string{"/emptied"}},
		"a TTL node at its TTL is not due":                   {15000, 0, 10, []string{"/emptied"}},
		"a TTL node past its TTL is, unless it has children": {15001, 0, 10, []string{"/emptied", "/ttl"}},
		"no more than asked for":                             {15001, 1, 2, []string{"/emptied", "/new"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tree.ReapCandidates(test.now, test.neverUsed, test.limit); !slices.Equal(got, test.want) {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
	apply(tree, 14, proto.TxnBody{Type: zk.OpSetData, Path: "/ttl"})
	if got := tree.ReapCandidates(15001, 0, 10); !slices.Equal(got, []string{"/emptied"}) {
		t.Errorf("%v: setData must begin the TTL anew", got)
	}
}

// TestWithoutExtendedTypesATTLOwnerIsASession: features 1.7.
func TestWithoutExtendedTypesATTLOwnerIsASession(t *testing.T) {
	for _, extended := range []bool{false, true} {
		tree := New(Options{ExtendedTypes: extended})
		apply(tree, 1, proto.TxnBody{Type: zk.OpCreateTTL, Path: "/t", TTLMillis: 1})
		session := zk.SessionID(zk.TTLOwner(1))
		got := slices.Collect(tree.Ephemerals(session))
		if want := !extended; slices.Equal(got, []string{"/t"}) != want || (tree.EphemeralCount() == 1) != want {
			t.Errorf("extended=%v: ephemerals %v", extended, got)
		}
		stat := tree.Stat(mustFind(t, tree, "/t"))
		if (stat.EphemeralOwner != 0) == extended {
			t.Errorf("extended=%v: clients see owner %#x", extended, stat.EphemeralOwner)
		}
	}
}

func TestEqualACLsAreOneAndIdsOfViewsAreNotUsedAgain(t *testing.T) {
	tree := New(Options{})
	acl := func(i int) []proto.ACL {
		return []proto.ACL{{Perms: zk.PermRead, ID: proto.ID{Scheme: "digest", ID: fmt.Sprint("u", i)}}}
	}
	zxid := zk.Zxid(0)
	set := func(path string, op zk.Op, i int) {
		zxid++
		apply(tree, zxid, proto.TxnBody{Type: op, Path: path, ACL: acl(i), ParentCversion: -1})
	}
	set("/a", zk.OpCreate, 1)
	set("/b", zk.OpCreate, 1)
	a, b := mustFind(t, tree, "/a"), mustFind(t, tree, "/b")
	if tree.node(a).acl != tree.node(b).acl {
		t.Error("equal lists have two indexes")
	}
	kept := tree.ACL(a)
	v := tree.Freeze()
	for i := range 50 { // the list of the view is dropped, and its index goes to other lists
		set("/a", zk.OpSetACL, 2+i)
		set("/b", zk.OpSetACL, 2+i)
	}
	if !slices.Equal(kept, acl(1)) {
		t.Errorf("a list that was handed out changed to %v", kept)
	}
	if lines, err := contents(v); err != nil || !slices.ContainsFunc(lines, func(s string) bool { return s == "/a 0 0 true "+fmt.Sprint(acl(1))+" {0x1 0x1 1000 1000 0 0 0 0 0x1}" }) {
		t.Errorf("view %q: %v", lines, err)
	}
	v.Release()
	if n := len(tree.acls.index); n != 2 {
		t.Errorf("%d lists are kept, want those of the config node and of /a and /b", n)
	}
	apply(tree, 900, proto.TxnBody{Type: zk.OpSetACL, Path: "/a", ACL: tree.ACL(a)})
	if !slices.Equal(tree.ACL(a), acl(51)) {
		t.Errorf("setting a node's own list made it %v", tree.ACL(a))
	}
	checkInvariants(t, tree)
}

func TestSetLastZxidBeginsAnEpoch(t *testing.T) {
	tree := New(Options{})
	tree.SetLastZxid(zk.MakeZxid(3, 0))
	if v := tree.Freeze(); tree.LastZxid() != zk.MakeZxid(3, 0) || v.Zxid() != tree.LastZxid() {
		t.Errorf("last zxid %v, of the view %v", tree.LastZxid(), v.Zxid())
	}
	apply(tree, 5, proto.TxnBody{Type: zk.OpError})
	if tree.LastZxid() != zk.MakeZxid(3, 0) {
		t.Errorf("an older txn moved the last zxid back to %v", tree.LastZxid())
	}
}
