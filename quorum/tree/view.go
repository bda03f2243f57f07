package tree

import (
	"slices"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// View is the tree at one zxid, unchanged by what is applied later. It may be read from one other
// goroutine without a lock until it is released.
type View struct {
	store // tables of pages and chunks only
	tree  *Tree
	// number is the number of the freeze that made the view; 0 once it is released.
	number uint32
	used   uint32 // NodeIDs below it are in the view

	acls     slab[aclEntry]
	sessions []session

	zxid      zk.Zxid
	digest    uint64
	nodeCount int
}

// Freeze returns a view of the tree as it is. It copies page tables and sessions: some 100 µs with
// 10 million nodes. Until the view is released every change of a page copies it first, once.
func (t *Tree) Freeze() *View {
	v := &View{
		store: store{
			nodes: slab[node]{pages: t.nodes.freeze()},
			rings: slab[ring]{pages: t.rings.freeze()},
			exts:  slab[ext]{pages: t.exts.freeze()},
			arena: arena{blocks: blocks{slices.Clone(t.arena.chunks), slices.Clone(t.arena.large)}},
		},
		tree:      t,
		number:    t.nodes.freezes,
		used:      t.nodes.used,
		acls:      slab[aclEntry]{pages: t.acls.entries.freeze(), used: t.acls.entries.used},
		sessions:  slices.Clone(t.sessions.all),
		zxid:      t.lastZxid,
		digest:    t.digest,
		nodeCount: t.NodeCount(),
	}
	t.views = append(t.views, v)
	return v
}

// Release ends the view. The tree's owner calls it, under the lock that Apply is called under,
// when nobody reads the view any more. A second call does nothing.
func (v *View) Release() {
	t := v.tree
	i := slices.Index(t.views, v)
	if i < 0 {
		return
	}
	t.views = slices.Delete(t.views, i, i+1)
	shared := uint32(0)
	if n := len(t.views); n > 0 {
		shared = t.views[n-1].number
	}
	t.nodes.shared, t.rings.shared = shared, shared
	t.exts.shared, t.acls.entries.shared = shared, shared
	*v = View{tree: t}
}

// Zxid returns the zxid of the last txn in the view.
func (v *View) Zxid() zk.Zxid { return v.zxid }

// Digest returns the digest of the view, version 2.
func (v *View) Digest() uint64 { return v.digest }

// NodeCount returns the number of nodes as [Tree.NodeCount] does: one more than Nodes visits.
func (v *View) NodeCount() int { return v.nodeCount }

// Sessions calls f for every session in ascending order of id, until f fails.
func (v *View) Sessions(f func(id zk.SessionID, timeoutMillis int32) error) error {
	all := slices.Clone(v.sessions)
	sortSessions(all)
	for _, s := range all {
		if err := f(s.id, s.timeoutMillis); err != nil {
			return err
		}
	}
	return nil
}

// ACLs calls f for every list of ACL that a node of the view has, in ascending order of id, until
// f fails. World:anyone with all permissions, whose id is -1, is left out.
func (v *View) ACLs(f func(id int64, acl []proto.ACL) error) error {
	for i := openACL + 1; i < v.acls.used; i++ {
		e := v.acls.at(i)
		if e.refs == 0 {
			continue
		}
		if err := f(fileID(i), e.list); err != nil {
			return err
		}
	}
	return nil
}

// Nodes calls f for every node, until f fails: parents before children, the root first with path
// "". What f gets is valid during the call only.
func (v *View) Nodes(f func(path []byte, data []byte, aclID int64, s *proto.StatPersisted) error) error {
	var (
		path []byte
		ends []int // ends[d] is where the path of the ancestor at depth d ends
		stat proto.StatPersisted
	)
	for id := rootID; ; {
		n := v.node(id)
		stat = v.persisted(n)
		if err := f(path, v.data(n), fileID(n.acl), &stat); err != nil {
			return err
		}
		e := v.extOf(n)
		if e.child != 0 {
			ends = append(ends, len(path))
			id = e.child
		} else {
			for id != rootID && v.lastOfRing(id) {
				id = v.node(id).parent
				ends = ends[:len(ends)-1]
			}
			if id == rootID {
				return nil
			}
			id = v.ring(id).next
		}
		path = append(path[:ends[len(ends)-1]], '/')
		path = append(path, v.name(v.node(id))...)
	}
}
