package tree

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// history makes up txns that a leader could have made, one after the other, on its own model.
type history struct {
	*rand.Rand
	m    *model
	zxid zk.Zxid
	// maxData bounds the data of a node, in bytes.
	maxData int
	// failures says whether some txns name nodes that are missing or exist, as only a replay
	// over a fuzzy snapshot meets them.
	failures bool
	// counting says whether some creates leave it to the tree to count, as those of ZooKeeper 3.3
	// do. They cannot be replayed exactly.
	counting bool
}

func newHistory(seed uint64, m *model) *history {
	return &history{Rand: rand.New(rand.NewPCG(seed, 0)), m: m, zxid: 0x1_0000_0000, maxData: 300}
}

var someACLs = [][]proto.ACL{
	proto.OpenACL, proto.ReadACL, nil, {},
	{{Perms: zk.PermAll, ID: proto.ID{Scheme: "digest", ID: "bob:hash"}}},
	{{Perms: zk.PermAll, ID: proto.ID{Scheme: "digest", ID: "al:hash"}}, {Perms: zk.PermRead, ID: proto.ID{Scheme: "ip", ID: "10.0.0.0/8"}}},
}

// next returns a txn and applies it to the model; code and events are what must come of it.
func (h *history) next() (txn *proto.Txn, code zk.Code, events []Event) {
	h.zxid++
	txn = &proto.Txn{Header: proto.TxnHeader{
		ClientID: h.session(), Cxid: h.Int32(), Zxid: h.zxid, TimeMillis: 1_700_000_000_000 + int64(h.zxid&0xffff)*10,
	}}
	switch n := h.IntN(100); {
	case n < 4:
		txn.Header.ClientID = zk.SessionID(1 + h.IntN(6))
		txn.Body = proto.TxnBody{Type: zk.OpCreateSession, TimeoutMillis: h.Int32N(40000)}
	case n < 8:
		txn.Body = proto.TxnBody{Type: zk.OpCloseSession, Paths: h.m.ephemerals(txn.Header.ClientID)}
		if h.IntN(4) == 0 {
			txn.Body.Paths = nil
		} else if h.IntN(4) == 0 && len(txn.Body.Paths) > 0 {
			txn.Body.Paths = txn.Body.Paths[1:]
		}
	case n < 10:
		txn.Body = proto.TxnBody{Type: zk.OpError, Err: zk.ErrBadVersion}
	case n < 20:
		txn.Body = h.multi(txn.Header)
	default:
		txn.Body = h.op(h.m)
	}
	txn.Header.Type = txn.Body.Type
	code, events = h.m.apply(txn)
	return txn, code, events
}

func (h *history) session() zk.SessionID {
	ids := slices.Sorted(maps.Keys(h.m.sessions))
	if len(ids) == 0 {
		return 99
	}
	return ids[h.IntN(len(ids))]
}

func (h *history) multi(header proto.TxnHeader) proto.TxnBody {
	body := proto.TxnBody{Type: zk.OpMulti}
	scratch := h.m.clone()
	for range h.IntN(5) {
		op := h.op(scratch)
		if op.Type == zk.OpSetACL || op.Type == zk.OpReconfig {
			op = proto.TxnBody{Type: zk.OpCheck, Path: op.Path, Version: op.Version}
		}
		scratch.one(&header, &op)
		body.Sub = append(body.Sub, op)
	}
	if h.IntN(4) == 0 && len(body.Sub) > 1 {
		at := h.IntN(len(body.Sub))
		for i := at; i < len(body.Sub); i++ {
			body.Sub[i] = proto.TxnBody{Type: zk.OpError, Err: zk.ErrRuntimeInconsistency}
		}
		body.Sub[at].Err = zk.ErrNoNode
	}
	return body
}

// op makes up an operation on one node of m.
func (h *history) op(m *model) proto.TxnBody {
	path := h.path(m)
	if h.failures && h.IntN(10) == 0 {
		path = fmt.Sprintf("/gone%d/x", h.IntN(3))
	}
	switch n := h.IntN(10); {
	case n < 5:
		return h.create(m, path)
	case n < 7:
		if path == "/" || len(m.children(path)) > 0 {
			return h.create(m, path)
		}
		return proto.TxnBody{Type: []zk.Op{zk.OpDelete, zk.OpDeleteContainer}[h.IntN(2)], Path: path}
	case n < 9:
		version := int32(7)
		if n := m.nodes[path]; n != nil {
			version = n.stat.Version + 1
		}
		return proto.TxnBody{Type: zk.OpSetData, Path: path, Data: h.data(), Version: version}
	default:
		if h.IntN(4) == 0 {
			return proto.TxnBody{Type: zk.OpReconfig, Path: "/zookeeper/config", Data: h.data(), Version: -1}
		}
		return proto.TxnBody{Type: zk.OpSetACL, Path: path, ACL: someACLs[h.IntN(len(someACLs))], Version: h.Int32N(9)}
	}
}

func (h *history) create(m *model, parent string) proto.TxnBody {
	if n := m.nodes[parent]; n != nil && zk.KindOf(n.stat.EphemeralOwner, m.extended) == zk.Ephemeral {
		parent = "/"
	}
	if parent == "/" {
		parent = ""
	}
	b := proto.TxnBody{
		Path: parent + "/" + fmt.Sprintf("ünode-%d", h.IntN(12)),
		Data: h.data(), ACL: someACLs[h.IntN(len(someACLs))], ParentCversion: -1,
	}
	if m.nodes[b.Path] != nil && !h.failures {
		b.Path += fmt.Sprint("-", h.Uint32())
	}
	if p := m.nodes[parent]; p != nil && (!h.counting || h.IntN(10) > 0) {
		b.ParentCversion = p.stat.Cversion + 1
	}
	switch h.IntN(8) {
	case 0:
		b.Type = zk.OpCreateContainer
	case 1:
		b.Type, b.TTLMillis = zk.OpCreateTTL, 1+h.Int64N(1e9)
	case 2, 3:
		b.Type, b.Ephemeral = zk.OpCreate2, h.IntN(2) == 0
	default:
		b.Type, b.Ephemeral = zk.OpCreate, h.IntN(2) == 0
	}
	return b
}

func (h *history) data() []byte {
	switch h.IntN(8) {
	case 0:
		return nil
	case 1:
		return []byte{}
	}
	b := make([]byte, h.IntN(h.maxData))
	for i := range b {
		b[i] = byte(h.Uint32())
	}
	return b
}

// path returns the path of some node of m that clients may touch.
func (h *history) path(m *model) string {
	paths := slices.Sorted(maps.Keys(m.nodes))
	paths = slices.DeleteFunc(paths, func(p string) bool {
		return strings.HasPrefix(p, "/zookeeper")
	})
	return clientPath(paths[h.IntN(len(paths))])
}

func equalEvents(got, want []Event) bool {
	return slices.EqualFunc(got, want, func(a, b Event) bool {
		return a.Type == b.Type && a.Path == b.Path && slices.Equal(a.ACL, b.ACL)
	})
}

// TestEveryGetterAgreesWithANaiveTree applies random histories to the tree and to a map of paths.
func TestEveryGetterAgreesWithANaiveTree(t *testing.T) {
	for seed := range uint64(6) {
		extended := seed%2 == 0
		m, tree := newModel(extended), New(Options{ExtendedTypes: extended})
		h := newHistory(seed, m)
		h.failures, h.counting = seed%3 == 0, true
		if seed == 4 {
			h.maxData = 40_000 // beyond the size classes
		}
		for step := range 1200 {
			txn, code, want := h.next()
			// What the tree keeps must be copies: the bytes of the txn change after Apply.
			frame := txn.Append(nil)
			var decoded proto.Txn
			if err := proto.DecodeTxn(frame, &decoded); err != nil {
				t.Fatalf("seed=%#x step %d: %v", seed, step, err)
			}
			result, events := tree.Apply(&decoded, nil)
			clear(frame)
			if !equalEvents(events, want) {
				t.Fatalf("seed=%#x step %d: %+v: events\n%+v, want\n%+v", seed, step, txn.Body, events, want)
			}
			if result.Err != code || result.Type != txn.Body.Type || len(result.Multi) != len(txn.Body.Sub) {
				t.Fatalf("seed=%#x step %d: %+v: result %+v, want code %v", seed, step, txn.Body, result, code)
			}
			if tree.Digest() != m.digest() || step%50 == 0 {
				if err := m.diff(tree); err != nil {
					t.Fatalf("seed=%#x step %d: %+v: %v", seed, step, txn.Body, err)
				}
			}
		}
		if err := m.diff(tree); err != nil {
			t.Fatalf("seed=%#x: %v", seed, err)
		}
		checkInvariants(t, tree)
	}
}

// checkInvariants counts what the tree holds and compares it with what it counted.
func checkInvariants(t *testing.T, tree *Tree) {
	t.Helper()
	refs := map[uint32]uint64{}
	nodes, owned := 0, 0
	for id := range tree.below(rootID) {
		n := tree.node(id)
		if n.acl != openACL {
			refs[n.acl]++
		}
		if e := tree.extOf(n); e.owner != 0 {
			owned++
		}
		nodes++
	}
	if int(tree.index.count) != nodes || tree.nodeCount != nodes {
		t.Errorf("%d nodes, but %d in the index and %d counted", nodes, tree.index.count, tree.nodeCount)
	}
	if n := tree.owners.ephemerals + int(tree.owners.containers.count+tree.owners.ttls.count); n != owned {
		t.Errorf("%d nodes with owner, but %d on lists", owned, n)
	}
	for i := openACL + 1; i < tree.acls.entries.used; i++ {
		if e := tree.acls.entries.at(i); e.refs != refs[i] {
			t.Errorf("ACL %d is counted %d times, want %d", i, e.refs, refs[i])
		}
	}
	if len(tree.views) == 0 {
		for len(tree.deferred.batches) > 0 {
			tree.reclaim()
		}
		used := 0
		for c, s := range tree.arena.state {
			if tree.arena.chunks[c] != nil {
				used += int(s.used)
			}
		}
		small := 0
		for id := range tree.below(rootID) {
			if size := tree.node(id).blockSize(); size > 0 && size <= maxSmallBytes {
				small++
			}
		}
		if used != small {
			t.Errorf("%d blocks in use, but %d nodes have one", used, small)
		}
	}
}
