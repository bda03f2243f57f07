package tree

import (
	"fmt"
	"strings"

	"zkd/quorum/proto"
)

// openACL is the index of world:anyone with all permissions, which files write as -1.
const openACL uint32 = 0

// openFileID is the id of openACL in snapshots.
const openFileID int64 = -1

// aclEntry is one distinct list of ACL and how many nodes have it.
type aclEntry struct {
	list []proto.ACL // never changed; nodes and events of long ago may still have it
	refs uint64
	// missing marks a list that the snapshot refers to but does not have; fileID is its id there.
	missing bool
	fileID  int64
}

// aclTable interns lists of ACL. An index is used again only when no node and no view has it, so
// that it can serve as id in a snapshot.
type aclTable struct {
	entries slab[aclEntry]
	index   map[string]uint32 // by the list's jute encoding
	free    []uint32
	missing int    // entries marked so
	key     []byte // scratch
}

func newACLTable() aclTable {
	t := aclTable{index: make(map[string]uint32)}
	t.entries.extend()
	t.entries.mut(openACL).list = proto.OpenACL
	return t
}

func isOpen(list []proto.ACL) bool {
	return list == nil || len(list) == 1 && list[0] == proto.OpenACL[0]
}

// use interns list for one more node. nil is world:anyone with all permissions, as for Java; an
// empty list is a list of its own.
func (t *aclTable) use(list []proto.ACL) uint32 {
	if isOpen(list) {
		return openACL
	}
	t.key = proto.AppendACLs(t.key[:0], list)
	if i, ok := t.index[string(t.key)]; ok {
		t.entries.mut(i).refs++
		return i
	}
	i := t.newEntry()
	*t.entries.mut(i) = aclEntry{list: cloneACL(list), refs: 1}
	t.index[string(t.key)] = i
	return i
}

// useMissing makes an entry for a list that the snapshot lacks. Until a txn replaces it, it
// allows nobody anything.
func (t *aclTable) useMissing(fileID int64) uint32 {
	i := t.newEntry()
	nobody := []proto.ACL{{Perms: 0, ID: proto.OpenACL[0].ID}}
	*t.entries.mut(i) = aclEntry{list: nobody, refs: 1, missing: true, fileID: fileID}
	t.missing++
	return i
}

// supply fills in an entry that useMissing made.
func (t *aclTable) supply(i uint32, list []proto.ACL) {
	e := t.entries.mut(i)
	e.list, e.missing, e.fileID = cloneACL(list), false, 0
	t.missing--
	t.key = proto.AppendACLs(t.key[:0], e.list)
	if _, taken := t.index[string(t.key)]; !taken {
		t.index[string(t.key)] = i
	}
}

func (t *aclTable) newEntry() uint32 {
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		return i
	}
	return t.entries.extend()
}

// again counts one more node with the list of index i.
func (t *aclTable) again(i uint32) {
	if i != openACL {
		t.entries.mut(i).refs++
	}
}

// drop counts one node less with the list of index i, and frees it behind the last.
func (t *aclTable) drop(i uint32) {
	if i == openACL {
		return
	}
	e := t.entries.mut(i)
	e.refs--
	if e.refs > 0 {
		return
	}
	if e.missing {
		t.missing--
	} else {
		t.key = proto.AppendACLs(t.key[:0], e.list)
		if t.index[string(t.key)] == i {
			delete(t.index, string(t.key))
		}
	}
	*e = aclEntry{}
	t.free = append(t.free, i)
}

func (t *aclTable) list(i uint32) []proto.ACL { return t.entries.at(i).list }

// fileID returns the id that snapshots give to index i.
func fileID(i uint32) int64 {
	if i == openACL {
		return openFileID
	}
	return int64(i)
}

func cloneACL(list []proto.ACL) []proto.ACL {
	c := make([]proto.ACL, len(list))
	for i, a := range list {
		c[i] = proto.ACL{
			Perms: a.Perms,
			ID:    proto.ID{Scheme: strings.Clone(a.ID.Scheme), ID: strings.Clone(a.ID.ID)},
		}
	}
	return c
}

// MissingACLError says that a snapshot refers to a list of ACL that neither the snapshot nor the
// log behind it has. Nobody could tell who may use the node, so the server must not serve it.
type MissingACLError struct {
	Path  string // one of the nodes
	ID    int64  // of the list in the snapshot
	Lists int    // how many lists are missing
	Nodes uint64 // how many nodes have the list ID
}

// Error names a node and what is missing.
func (e *MissingACLError) Error() string {
	return fmt.Sprintf("tree: %s: its ACL, number %d of the snapshot, is in neither the snapshot nor the log "+
		"(%d nodes have it, %d lists are missing)", e.Path, e.ID, e.Nodes, e.Lists)
}

// CheckACLs returns a *MissingACLError if a node still has an ACL that the snapshot lacked. It is
// to be called when the log is replayed: Java's snapshots are fuzzy, a txn in the log may have set
// the node's ACL, or deleted the node. Source: ZOOKEEPER-3306, ZOOKEEPER-4846.
func (t *Tree) CheckACLs() error {
	if t.acls.missing == 0 {
		return nil
	}
	for id := rootID; id < NodeID(t.nodes.used); id++ {
		n := t.node(id)
		if id != rootID && n.parent == 0 {
			continue
		}
		if e := t.acls.entries.at(n.acl); e.missing {
			return &MissingACLError{string(t.AppendPath(nil, id)), e.fileID, t.acls.missing, e.refs}
		}
	}
	panic(fmt.Sprintf("tree: %d missing lists of ACL, but no node has one", t.acls.missing))
}

// ACL returns the node's ACL. It is shared: it may be kept and must not be changed.
func (t *Tree) ACL(id NodeID) []proto.ACL { return t.acls.list(t.node(id).acl) }

// setNodeACL replaces a node's ACL; the digest does not cover it.
func (t *Tree) setNodeACL(id NodeID, list []proto.ACL) {
	i := t.acls.use(list) // before drop: the list may be that of the node itself
	n := t.mutNode(id)
	t.acls.drop(n.acl)
	n.acl = i
}
