package tree

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// model is the tree as one would write it down: a map of paths. Tests compare the real one with it.
type model struct {
	nodes    map[string]*modelNode // the root is ""
	sessions map[zk.SessionID]int32
	extended bool
	lastZxid zk.Zxid
	births   int
}

type modelNode struct {
	born int // order of creation
	data []byte
	acl  []proto.ACL
	stat proto.StatPersisted
}

func newModel(extended bool) *model {
	m := &model{nodes: map[string]*modelNode{}, sessions: map[zk.SessionID]int32{}, extended: extended}
	for _, path := range []string{"", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"} {
		m.nodes[path] = &modelNode{data: []byte{}, acl: proto.OpenACL}
	}
	m.nodes["/zookeeper/config"].acl = proto.ReadACL
	m.nodes["/zookeeper/config"].stat.Aversion = -1
	return m
}

func (m *model) clone() *model {
	c := &model{map[string]*modelNode{}, maps.Clone(m.sessions), m.extended, m.lastZxid, m.births}
	for path, n := range m.nodes {
		c.nodes[path] = new(*n)
	}
	return c
}

func (m *model) children(path string) []string {
	var names []string
	for p := range m.nodes {
		if p != "" && parentOf(p) == path {
			names = append(names, nameOf(p))
		}
	}
	slices.Sort(names)
	return names
}

// ephemerals returns the paths in order of creation.
func (m *model) ephemerals(s zk.SessionID) []string {
	var paths []string
	for p, n := range m.nodes {
		if n.stat.EphemeralOwner == int64(s) && zk.KindOf(int64(s), m.extended) == zk.Ephemeral {
			paths = append(paths, p)
		}
	}
	slices.SortFunc(paths, func(a, b string) int { return cmp.Compare(m.nodes[a].born, m.nodes[b].born) })
	return paths
}

func (m *model) digest() uint64 {
	var sum uint64
	for path, n := range m.nodes {
		if strings.HasPrefix(path, "/zookeeper/") {
			continue
		}
		b := append([]byte(path), n.data...)
		for _, v := range []int64{int64(n.stat.Czxid), int64(n.stat.Mzxid), int64(n.stat.Pzxid), n.stat.CtimeMillis, n.stat.MtimeMillis} {
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		}
		for _, v := range []int32{n.stat.Version, n.stat.Cversion, n.stat.Aversion} {
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		}
		b = binary.BigEndian.AppendUint64(b, uint64(n.stat.EphemeralOwner))
		sum += uint64(crc32.ChecksumIEEE(b))
	}
	return sum
}

func (m *model) stat(path string) proto.Stat {
	n := m.nodes[path]
	children := int32(len(m.children(path)))
	s := proto.Stat{
		Czxid: n.stat.Czxid, Mzxid: n.stat.Mzxid, CtimeMillis: n.stat.CtimeMillis, MtimeMillis: n.stat.MtimeMillis,
		Version: n.stat.Version, Cversion: 2*n.stat.Cversion - children, Aversion: n.stat.Aversion,
		DataLength: int32(len(n.data)), NumChildren: children, Pzxid: n.stat.Pzxid,
	}
	if zk.KindOf(n.stat.EphemeralOwner, m.extended) == zk.Ephemeral {
		s.EphemeralOwner = n.stat.EphemeralOwner
	}
	return s
}

// apply applies a txn and returns the code and the events in the order in which they must fire.
func (m *model) apply(txn *proto.Txn) (zk.Code, []Event) {
	m.lastZxid = txn.Header.Zxid
	if txn.Body.Type != zk.OpMulti {
		return m.one(&txn.Header, &txn.Body)
	}
	var events []Event
	for i := range txn.Body.Sub {
		if txn.Body.Sub[i].Type == zk.OpError && txn.Body.Sub[i].Err != 0 {
			return txn.Body.Sub[i].Err, nil
		}
	}
	first := zk.OK
	for i := range txn.Body.Sub {
		code, e := m.one(&txn.Header, &txn.Body.Sub[i])
		if first == zk.OK {
			first = code
		}
		events = append(events, e...)
	}
	return first, events
}

func (m *model) one(h *proto.TxnHeader, b *proto.TxnBody) (zk.Code, []Event) {
	owner := int64(0)
	switch b.Type {
	case zk.OpCreateSession:
		m.sessions[h.ClientID] = b.TimeoutMillis
		return zk.OK, nil
	case zk.OpCloseSession:
		delete(m.sessions, h.ClientID)
		var events []Event
		for _, p := range append(slices.Clone(b.Paths), m.ephemerals(h.ClientID)...) {
			_, e := m.delete(h, p)
			events = append(events, e...)
		}
		return zk.OK, events
	case zk.OpError:
		return b.Err, nil
	case zk.OpCheck:
		return zk.OK, nil
	case zk.OpDelete, zk.OpDeleteContainer:
		return m.delete(h, b.Path)
	case zk.OpSetData, zk.OpReconfig:
		n := m.nodes[strings.TrimSuffix(b.Path, "/")]
		if n == nil {
			return zk.ErrNoNode, nil
		}
		n.data = b.Data
		n.stat.Mzxid, n.stat.MtimeMillis, n.stat.Version = h.Zxid, h.TimeMillis, b.Version
		return zk.OK, []Event{{zk.EventNodeDataChanged, b.Path, n.acl}}
	case zk.OpSetACL:
		n := m.nodes[strings.TrimSuffix(b.Path, "/")]
		if n == nil {
			return zk.ErrNoNode, nil
		}
		n.acl, n.stat.Aversion = orOpen(b.ACL), b.Version
		return zk.OK, nil
	case zk.OpCreate, zk.OpCreate2:
		if b.Ephemeral {
			owner = int64(h.ClientID)
		}
	case zk.OpCreateContainer:
		owner = zk.OwnerContainer
	case zk.OpCreateTTL:
		owner = zk.TTLOwner(b.TTLMillis)
	}
	parent := m.nodes[parentOf(b.Path)]
	if parent == nil {
		return zk.ErrNoNode, nil
	}
	if n := m.nodes[b.Path]; n != nil {
		n.acl = orOpen(b.ACL)
		if b.Type == zk.OpCreate {
			m.lift(parent, h, b)
		}
		return zk.ErrNodeExists, nil
	}
	m.lift(parent, h, b)
	m.births++
	m.nodes[b.Path] = &modelNode{m.births, b.Data, orOpen(b.ACL), proto.StatPersisted{
		Czxid: h.Zxid, Mzxid: h.Zxid, Pzxid: h.Zxid, CtimeMillis: h.TimeMillis, MtimeMillis: h.TimeMillis,
		EphemeralOwner: owner,
	}}
	return zk.OK, []Event{
		{zk.EventNodeCreated, b.Path, orOpen(b.ACL)},
		{zk.EventNodeChildrenChanged, clientPath(parentOf(b.Path)), parent.acl},
	}
}

func orOpen(acl []proto.ACL) []proto.ACL {
	if acl == nil {
		return proto.OpenACL
	}
	return acl
}

func (m *model) lift(parent *modelNode, h *proto.TxnHeader, b *proto.TxnBody) {
	v := b.ParentCversion
	if v == -1 {
		v = parent.stat.Cversion + 1
	}
	if v > parent.stat.Cversion {
		parent.stat.Cversion, parent.stat.Pzxid = v, h.Zxid
	}
}

func (m *model) delete(h *proto.TxnHeader, path string) (zk.Code, []Event) {
	parent := m.nodes[parentOf(path)]
	if parent == nil {
		return zk.ErrNoNode, nil
	}
	parent.stat.Pzxid = max(parent.stat.Pzxid, h.Zxid)
	n := m.nodes[path]
	if n == nil {
		return zk.ErrNoNode, nil
	}
	for p := range m.nodes {
		if strings.HasPrefix(p, path+"/") {
			delete(m.nodes, p)
		}
	}
	delete(m.nodes, path)
	return zk.OK, []Event{
		{zk.EventNodeDeleted, path, n.acl},
		{zk.EventNodeChildrenChanged, clientPath(parentOf(path)), parent.acl},
	}
}

// diff returns the first difference between the tree, by all its getters, and the model.
func (m *model) diff(t *Tree) error {
	if got, want := t.Digest(), m.digest(); got != want {
		return fmt.Errorf("digest %#x, want %#x", got, want)
	}
	if got, want := t.NodeCount(), len(m.nodes)+1; got != want {
		return fmt.Errorf("node count %d, want %d", got, want)
	}
	if t.LastZxid() != m.lastZxid {
		return fmt.Errorf("last zxid %v, want %v", t.LastZxid(), m.lastZxid)
	}
	units := int64(1)
	ephemerals, below := map[zk.SessionID]int{}, map[string]int{}
	for path, n := range m.nodes {
		if err := m.diffNode(t, path, n); err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		units += int64(len([]rune(path)) + len(n.data))
		if owner := n.stat.EphemeralOwner; zk.KindOf(owner, m.extended) == zk.Ephemeral {
			ephemerals[zk.SessionID(owner)]++
		}
		for p := path; p != ""; {
			p = parentOf(p)
			below[p]++
		}
	}
	if t.DataBytes() != units {
		return fmt.Errorf("data bytes %d, want %d", t.DataBytes(), units)
	}
	for path := range m.nodes {
		id, _ := t.Find(path)
		if got, want := t.CountDescendants(id), below[path]; got != want {
			return fmt.Errorf("%q: %d descendants, want %d", path, got, want)
		}
	}
	if got := maps.Collect(t.Sessions()); !maps.Equal(got, m.sessions) || t.SessionCount() != len(got) {
		return fmt.Errorf("sessions %v, want %v", got, m.sessions)
	}
	if got := maps.Collect(t.EphemeralOwners()); !maps.Equal(got, ephemerals) {
		return fmt.Errorf("owners of ephemerals %v, want %v", got, ephemerals)
	}
	for s := range ephemerals {
		if got, want := slices.Sorted(t.Ephemerals(s)), slices.Sorted(slices.Values(m.ephemerals(s))); !slices.Equal(got, want) {
			return fmt.Errorf("ephemerals of %v %v, want %v", s, got, want)
		}
	}
	return nil
}

func (m *model) diffNode(t *Tree, path string, n *modelNode) error {
	id, ok := t.Find(path)
	if !ok {
		return fmt.Errorf("is missing")
	}
	if got := string(t.AppendPath(nil, id)); got != clientPath(path) {
		return fmt.Errorf("path of its id is %q", got)
	}
	if got, want := t.Stat(id), m.stat(path); got != want {
		return fmt.Errorf("stat %+v, want %+v", got, want)
	}
	if got := t.Persisted(id); got != n.stat {
		return fmt.Errorf("stored stat %+v, want %+v", got, n.stat)
	}
	if got := t.Data(id); !slices.Equal(got, n.data) || (got == nil) != (n.data == nil) {
		return fmt.Errorf("data %q, want %q", got, n.data)
	}
	if got := t.ACL(id); !slices.Equal(got, n.acl) {
		return fmt.Errorf("acl %v, want %v", got, n.acl)
	}
	children := m.children(path)
	if got := slices.Sorted(t.Children(id)); !slices.Equal(got, children) || t.NumChildren(id) != len(got) {
		return fmt.Errorf("children %v, want %v", got, children)
	}
	if got := t.DigestPrefix(id); got != PathDataCRC(path, n.data) {
		return fmt.Errorf("CRC prefix %#x is not that of path and data", got)
	}
	if parent, _ := t.Find(parentOf(path)); path != "" && t.Parent(id) != parent {
		return fmt.Errorf("parent %d, want %d", t.Parent(id), parent)
	}
	return nil
}
