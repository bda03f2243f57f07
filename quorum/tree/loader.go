package tree

import (
	"bytes"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// ErrBadSnapshot says that what a Loader was given is no tree: a node without parent, listed
// twice, or no root. The error that wraps it names the node.
var ErrBadSnapshot = errors.New("tree: snapshot is inconsistent")

// Loader builds a tree from the parts of a snapshot, in the order of the file: sessions, lists of
// ACL, nodes. It keeps nothing of what it is given. A Loader makes one tree.
type Loader struct {
	tree *Tree
	acls map[int64][]proto.ACL
	// index leads from the ids of the snapshot to those of the tree, for lists that nodes have.
	index map[int64]uint32
	// The parent of the last node, because most nodes are their predecessor's siblings.
	parentPath []byte
	parent     NodeID
	touched    uint32 // see Expect
}

// NewLoader returns an empty Loader.
func NewLoader(opts Options) *Loader {
	return &Loader{
		tree:  newTree(opts),
		acls:  make(map[int64][]proto.ACL),
		index: map[int64]uint32{openFileID: openACL},
	}
}

// Session adds a session.
func (l *Loader) Session(id zk.SessionID, timeoutMillis int32) {
	l.tree.sessions.put(id, timeoutMillis)
}

// ACL adds a list of ACL that nodes refer to by id. A null list is an error, as for Java.
func (l *Loader) ACL(id int64, acl []proto.ACL) error {
	if acl == nil {
		return fmt.Errorf("%w: ACL %d is null", ErrBadSnapshot, id)
	}
	l.acls[id] = cloneACL(acl)
	return nil
}

// Expect says that a node comes soon. Its place in the index is somewhere in memory: where many are looked for in
// a row, a processor fetches them side by side, and Node finds them near.
func (l *Loader) Expect(path []byte) {
	b := l.tree.index.first(uint32(maphash.Bytes(l.tree.seed, path)))
	l.touched += b.used // the compiler must not see that nobody wants it
}

// Node adds a node: the root first, with path "", then parents before children. The id of its
// list of ACL may be unknown: Java's snapshots are fuzzy, and what the log holds may mend it.
func (l *Loader) Node(path []byte, data []byte, aclID int64, s *proto.StatPersisted) error {
	return l.Summed(path, data, aclID, s, SumsOf(path, data, s))
}

// Summed is Node for who knows the sums of the node, perhaps from another goroutine.
func (l *Loader) Summed(path []byte, data []byte, aclID int64, s *proto.StatPersisted, sums Sums) error {
	t := l.tree
	if len(path) == 0 {
		if t.nodeCount != 0 {
			return fmt.Errorf("%w: the root is not the first node", ErrBadSnapshot)
		}
		t.addSummed(0, "/", data, l.useACL(aclID), s, sums)
		l.parent = rootID
		return nil
	}
	slash := bytes.LastIndexByte(path, '/')
	if slash < 0 || t.nodeCount == 0 {
		return fmt.Errorf("%w: node %q before the root", ErrBadSnapshot, path)
	}
	if parentPath := path[:slash]; !bytes.Equal(parentPath, l.parentPath) {
		parent, ok := t.Find(string(parentPath))
		if !ok {
			return fmt.Errorf("%w: node %q has no parent", ErrBadSnapshot, path)
		}
		l.parentPath, l.parent = append(l.parentPath[:0], parentPath...), parent
	}
	p := asString(path)
	if _, ok := t.Find(p); ok {
		return fmt.Errorf("%w: node %q is listed twice", ErrBadSnapshot, path)
	}
	t.addSummed(l.parent, p, data, l.useACL(aclID), s, sums)
	return nil
}

func (l *Loader) useACL(id int64) uint32 {
	acls := &l.tree.acls
	if i, ok := l.index[id]; ok {
		acls.again(i)
		return i
	}
	list, ok := l.acls[id]
	var i uint32
	if ok {
		i = acls.use(list)
	} else {
		i = acls.useMissing(id)
	}
	l.index[id] = i
	return i
}

// Finish returns the tree, which stands at zxid. Quotas are looked up and their usage counted
// anew. A snapshot from before ZooKeeper 3.5 lacks /zookeeper/config, which is then added. Nodes
// whose ACL is unknown are remembered: see [Tree.CheckACLs].
func (l *Loader) Finish(zxid zk.Zxid) (*Tree, error) {
	t := l.tree
	if t.nodeCount == 0 {
		return nil, fmt.Errorf("%w: it has no root", ErrBadSnapshot)
	}
	for _, id := range slices.Sorted(maps.Keys(l.index)) {
		i := l.index[id]
		if list, ok := l.acls[id]; ok && t.acls.entries.at(i).missing {
			t.acls.supply(i, list)
		}
	}
	if _, ok := t.Find(zookeeperPath); ok {
		if _, ok := t.Find(configPath); !ok {
			t.addConfig()
		}
	}
	t.findQuotas()
	t.lastZxid = zxid
	*l = Loader{}
	return t, nil
}
