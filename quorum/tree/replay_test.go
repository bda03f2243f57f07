package tree

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// fuzzyLoad loads what Java would write if it began a snapshot at states[0] and went through the
// nodes while the txns between the states were applied: the sessions and the ACL table are those
// of the beginning, each node is taken later than the one before.
func fuzzyLoad(t *testing.T, h *history, states []*model) *Tree {
	t.Helper()
	l := NewLoader(Options{ExtendedTypes: true})
	for _, s := range slices.Sorted(maps.Keys(states[0].sessions)) {
		l.Session(s, states[0].sessions[s])
	}
	ids := map[string]int64{fmt.Sprint(proto.OpenACL): -1}
	for i, m := range states {
		for _, path := range slices.Sorted(maps.Keys(m.nodes)) {
			key := fmt.Sprint(m.nodes[path].acl)
			if _, ok := ids[key]; ok {
				continue
			}
			ids[key] = int64(len(ids))
			if i == 0 {
				if err := l.ACL(ids[key], append([]proto.ACL{}, m.nodes[path].acl...)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	at := 0
	var visit func(path string)
	visit = func(path string) {
		n := states[at].nodes[path]
		if n == nil {
			return // deleted between its parent's turn and its own
		}
		if err := l.Node([]byte(path), n.data, ids[fmt.Sprint(n.acl)], &n.stat); err != nil {
			t.Fatal(err)
		}
		children := states[at].children(path)
		h.Shuffle(len(children), func(i, j int) { children[i], children[j] = children[j], children[i] })
		for _, name := range children {
			at = min(at+h.IntN(3), len(states)-1)
			visit(path + "/" + name)
		}
	}
	visit("")
	tree, err := l.Finish(states[0].lastZxid)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestReplayOverAFuzzySnapshotMakesTheTreeExact: quorum-protocol 7.1; known-bugs R15, R16.
func TestReplayOverAFuzzySnapshotMakesTheTreeExact(t *testing.T) {
	for seed := range uint64(300) {
		m := newModel(true)
		h := newHistory(seed, m)
		h.maxData = 30
		for range 30 {
			h.next()
		}
		states := []*model{m.clone()}
		var txns []*proto.Txn
		for range 60 {
			txn, _, _ := h.next()
			txns = append(txns, txn)
			states = append(states, m.clone())
		}
		tree := fuzzyLoad(t, h, states)
		for _, txn := range txns {
			if err := tree.Replay(txn); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.diff(tree); err != nil {
			t.Fatalf("seed=%#x: %v", seed, err)
		}
		if err := tree.CheckACLs(); err != nil {
			t.Fatalf("seed=%#x: %v", seed, err)
		}
		checkInvariants(t, tree)
	}
}

// TestReplayFromAnyPointAgainChangesNothing: the whole log over an exact snapshot of its end.
func TestReplayFromAnyPointAgainChangesNothing(t *testing.T) {
	for seed := range uint64(20) {
		m := newModel(true)
		h := newHistory(seed, m)
		h.maxData = 30
		tree := New(Options{ExtendedTypes: true})
		var txns []*proto.Txn
		for range 150 {
			txn, _, _ := h.next()
			txns = append(txns, txn)
			tree.Apply(txn, nil)
		}
		for _, txn := range txns[100:] {
			if err := tree.Replay(txn); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.diff(tree); err != nil {
			t.Fatalf("seed=%#x: %v", seed, err)
		}
	}
}

// What decoding lets through the tree must be able to apply: it is durable by then.
func TestEveryTypeThatDecodesIsApplied(t *testing.T) {
	decodes := func(body proto.TxnBody) (txn proto.Txn, ok bool) {
		defer func() { _ = recover() }() // of a type that cannot be encoded either
		made := proto.Txn{Header: proto.TxnHeader{Zxid: 5, Type: body.Type}, Body: body}
		return txn, proto.DecodeTxn(made.Append(nil), &txn) == nil
	}
	count := 0
	for op := zk.Op(-20); op < 130; op++ {
		one := proto.TxnBody{Type: op, Path: "/a", ACL: proto.OpenACL}
		for _, body := range []proto.TxnBody{one, {Type: zk.OpMulti, Sub: []proto.TxnBody{one}}} {
			txn, ok := decodes(body)
			if !ok {
				continue
			}
			count++
			New(Options{}).Apply(&txn, nil) // panics where it cannot
			if err := New(Options{}).Replay(&txn); err != nil {
				t.Error(err)
			}
		}
	}
	if want := 13 + 9; count != want {
		t.Errorf("%d types decode alone or in a multi, want %d", count, want)
	}
}

func TestReplayStopsAtWhatItCannotApply(t *testing.T) {
	for name, body := range map[string]proto.TxnBody{
		"check on its own":        {Type: zk.OpCheck, Path: "/"},
		"an unknown type":         {Type: 77},
		"a read":                  {Type: zk.OpGetData, Path: "/"},
		"multi in a multi":        {Type: zk.OpMulti, Sub: []proto.TxnBody{{Type: zk.OpMulti}}},
		"setACL in a multi":       {Type: zk.OpMulti, Sub: []proto.TxnBody{{Type: zk.OpSetACL, Path: "/"}}},
		"closeSession in a multi": {Type: zk.OpMulti, Sub: []proto.TxnBody{{Type: zk.OpCloseSession}}},
	} {
		t.Run(name, func(t *testing.T) {
			tree := New(Options{})
			err := tree.Replay(&proto.Txn{Header: proto.TxnHeader{Zxid: 5}, Body: body})
			if !errors.Is(err, proto.ErrUnknownTxn) {
				t.Errorf("error %v", err)
			}
			if tree.LastZxid() != 0 {
				t.Errorf("last zxid moved to %v", tree.LastZxid())
			}
		})
	}
}
