package tree

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// reload takes the tree through a snapshot.
func reload(t *testing.T, tree *Tree) *Tree {
	t.Helper()
	l := NewLoader(tree.opts)
	v := tree.Freeze()
	defer v.Release()
	err := errors.Join(
		v.Sessions(func(id zk.SessionID, timeoutMillis int32) error { l.Session(id, timeoutMillis); return nil }),
		v.ACLs(l.ACL), v.Nodes(l.Node))
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := l.Finish(v.Zxid())
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func TestASnapshotHoldsAllThatTheTreeHolds(t *testing.T) {
	for seed := range uint64(10) {
		m := newModel(true)
		h := newHistory(seed, m)
		tree := New(Options{ExtendedTypes: true})
		for range 300 {
			txn, _, _ := h.next()
			tree.Apply(txn, nil)
		}
		loaded := reload(t, tree)
		for range 100 { // it works on as the original does
			if err := m.diff(loaded); err != nil {
				t.Fatalf("seed=%#x: %v", seed, err)
			}
			txn, _, _ := h.next()
			loaded.Apply(txn, nil)
		}
		checkInvariants(t, loaded)
	}
}

func TestLoaderRefusesWhatIsNoTree(t *testing.T) {
	stat := &proto.StatPersisted{}
	for name, test := range map[string]struct {
		paths []string
		want  string
	}{
		"no root":               {nil, "no root"},
		"a node before it":      {[]string{"/a"}, `"/a" before the root`},
		"the root twice":        {[]string{"", ""}, "root is not the first"},
		"a node without parent": {[]string{"", "/a/b"}, `"/a/b" has no parent`},
		"a node twice":          {[]string{"", "/a", "/b", "/a"}, `"/a" is listed twice`},
		"no slash":              {[]string{"", "a"}, `"a" before the root`},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLoader(Options{})
			var err error
			for _, path := range test.paths {
				if err == nil {
					err = l.Node([]byte(path), nil, -1, stat)
				}
			}
			if err == nil {
				_, err = l.Finish(1)
			}
			if !errors.Is(err, ErrBadSnapshot) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	if err := NewLoader(Options{}).ACL(1, nil); !errors.Is(err, ErrBadSnapshot) {
		t.Errorf("null ACL: %v", err)
	}
}

func TestASnapshotOfBefore35GetsAConfigNode(t *testing.T) {
	l := NewLoader(Options{})
	for _, path := range []string{"", "/zookeeper", "/zookeeper/quota"} {
		if err := l.Node([]byte(path), []byte{}, -1, &proto.StatPersisted{}); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := l.Finish(9)
	if err != nil {
		t.Fatal(err)
	}
	m := newModel(false)
	m.lastZxid = 9
	if err := m.diff(tree); err != nil {
		t.Error(err)
	}
}

// loadWithACL returns a tree with a node /n whose ACL the snapshot calls number 5, and number 5
// only if list is not nil.
func loadWithACL(t *testing.T, list []proto.ACL, late bool) *Tree {
	t.Helper()
	l := NewLoader(Options{})
	add := func() {
		if list != nil {
			if err := l.ACL(5, list); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !late {
		add()
	}
	node := func(path string, acl int64) {
		if err := l.Node([]byte(path), nil, acl, &proto.StatPersisted{}); err != nil {
			t.Fatal(err)
		}
	}
	node("", -1)
	node("/n", 5)
	node("/n/m", 5)
	if late {
		add()
	}
	tree, err := l.Finish(1)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestAMissingACLMustBeMendedByTheLog: known-bugs R16.
func TestAMissingACLMustBeMendedByTheLog(t *testing.T) {
	for name, test := range map[string]struct {
		replay []proto.TxnBody
		left   string // path in the error, "" if none
	}{
		"nothing mends it":       {nil, "/n"},
		"one of two is mended":   {[]proto.TxnBody{{Type: zk.OpSetACL, Path: "/n", ACL: onlyBob}}, "/n/m"},
		"setACL mends it":        {[]proto.TxnBody{{Type: zk.OpSetACL, Path: "/n"}, {Type: zk.OpSetACL, Path: "/n/m"}}, ""},
		"so does another create": {[]proto.TxnBody{{Type: zk.OpCreate, Path: "/n", ACL: onlyBob}, {Type: zk.OpCreate2, Path: "/n/m", ACL: onlyBob}}, ""},
		"and a delete":           {[]proto.TxnBody{{Type: zk.OpDelete, Path: "/n"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tree := loadWithACL(t, nil, false)
			if acl := tree.ACL(mustFind(t, tree, "/n")); len(acl) != 1 || acl[0].Perms != 0 {
				t.Errorf("a node with unknown ACL must allow nothing, has %v", acl)
			}
			for _, body := range test.replay {
				if err := tree.Replay(&proto.Txn{Header: proto.TxnHeader{Zxid: 2}, Body: body}); err != nil {
					t.Fatal(err)
				}
			}
			err := tree.CheckACLs()
			missing, ok := err.(*MissingACLError)
			switch {
			case test.left == "" && err != nil:
				t.Errorf("error %v", err)
			case test.left != "" && (!ok || missing.Path != test.left || missing.ID != 5 || missing.Lists != 1 || !strings.Contains(err.Error(), test.left)):
				t.Errorf("error %v, want one that names %s", err, test.left)
			}
			checkInvariants(t, tree)
		})
	}
}

func TestACLsMayFollowTheNodes(t *testing.T) {
	for _, late := range []bool{false, true} {
		tree := loadWithACL(t, onlyBob, late)
		if got := tree.ACL(mustFind(t, tree, "/n")); !slices.Equal(got, onlyBob) {
			t.Errorf("late=%v: ACL %v", late, got)
		}
		if err := tree.CheckACLs(); err != nil {
			t.Errorf("late=%v: %v", late, err)
		}
		checkInvariants(t, tree)
	}
}
