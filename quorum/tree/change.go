package tree

import (
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// change is one txn on its way into the tree.
type change struct {
	*Tree
	header *proto.TxnHeader
	// emit asks for events and for results that may be kept; recovery needs neither.
	emit   bool
	events []Event
}

// digestOf returns what node id, which is at path, adds to the digest as it is now.
func (t *Tree) digestOf(id NodeID, path string) uint64 {
	n := t.node(id)
	stat := t.persisted(n)
	return NodeDigest(path, n.prefix, &stat)
}

// putData replaces a node's data, with its CRC and the count of bytes. The caller accounts for
// the digest.
func (t *Tree) putData(id NodeID, path string, data []byte) {
	t.dataBytes += int64(len(data)) - int64(max(t.node(id).dataLen, 0))
	t.replaceData(id, data)
	t.mutNode(id).prefix = PathDataCRC(path, data)
}

// countCreate makes cversion the number of children ever created under the node, and zxid its
// pzxid, unless it was so already: a fuzzy snapshot may be ahead of the txn. cversion -1, of
// ZooKeeper 3.3, means one more. Source: DataTree.createNode, setCversionPzxid.
func (c *change) countCreate(id NodeID, path string, cversion int32) {
	stored := c.Persisted(id).Cversion
	if cversion == -1 {
		cversion = stored + 1
	}
	if cversion <= stored {
		return
	}
	before := c.digestOf(id, path)
	e := c.mutExt(id)
	e.cversion, e.pzxid = cversion, c.header.Zxid
	c.digest += c.digestOf(id, path) - before
}

// create makes the node of b with that owner. The rules for a node that exists already matter to
// replay over a fuzzy snapshot only. Source: DataTree.createNode, processTxn.
func (c *change) create(path string, b *proto.TxnBody, owner int64) (NodeID, zk.Code) {
	parentPath := parentOf(path)
	parent, ok := c.Find(parentPath)
	if !ok || path == "" || path[0] != '/' {
		return 0, zk.ErrNoNode
	}
	if id, ok := c.Find(path); ok {
		c.setNodeACL(id, b.ACL)
		if b.Type == zk.OpCreate {
			c.countCreate(parent, parentPath, b.ParentCversion)
		}
		return 0, zk.ErrNodeExists
	}
	c.countCreate(parent, parentPath, b.ParentCversion)
	h := c.header
	id := c.add(parent, path, b.Data, c.acls.use(b.ACL), &proto.StatPersisted{
		Czxid: h.Zxid, Mzxid: h.Zxid, Pzxid: h.Zxid,
		CtimeMillis: h.TimeMillis, MtimeMillis: h.TimeMillis, EphemeralOwner: owner,
	})
	c.quotaCreated(path, len(b.Data))
	c.event(zk.EventNodeCreated, path, id)
	c.event(zk.EventNodeChildrenChanged, clientPath(parentPath), parent)
	return id, zk.OK
}

// delete takes out the node at path. The parent's pzxid moves even if the node is gone already.
//
// A node with children can be met only over a fuzzy snapshot: the children are then of a later
// incarnation of the node, whose txns follow, and go with it. (Java leaves them unreachable.)
// Source: DataTree.deleteNode.
func (c *change) delete(path string) zk.Code {
	parentPath := parentOf(path)
	parent, ok := c.Find(parentPath)
	if !ok || path == "" || path[0] != '/' {
		return zk.ErrNoNode
	}
	if c.Persisted(parent).Pzxid < c.header.Zxid {
		before := c.digestOf(parent, parentPath)
		c.mutExt(parent).pzxid = c.header.Zxid
		c.digest += c.digestOf(parent, parentPath) - before
	}
	id, ok := c.Find(path)
	if !ok || id == rootID {
		return zk.ErrNoNode
	}
	c.event(zk.EventNodeDeleted, path, id)
	c.event(zk.EventNodeChildrenChanged, clientPath(parentPath), parent)
	for leaf := c.leafBelow(id); leaf != id; leaf = c.leafBelow(id) {
		c.removeCounted(leaf, string(c.AppendPath(nil, leaf)))
	}
	c.removeCounted(id, path)
	return zk.OK
}

func (c *change) removeCounted(id NodeID, path string) {
	size := max(int(c.node(id).dataLen), 0)
	c.remove(id, path)
	c.quotaDeleted(path, size)
}

// leafBelow returns the node that following first children from id ends at; id if it has none.
func (c *change) leafBelow(id NodeID) NodeID {
	for {
		e := c.extOf(c.node(id))
		if e.child == 0 {
			return id
		}
		id = e.child
	}
}

// setData replaces a node's data. Source: DataTree.setData.
func (c *change) setData(path string, b *proto.TxnBody) (NodeID, zk.Code) {
	id, ok := c.Find(path)
	if !ok {
		return 0, zk.ErrNoNode
	}
	grown := len(b.Data) - max(int(c.node(id).dataLen), 0)
	before := c.digestOf(id, path)
	c.putData(id, path, b.Data)
	n := c.mutNode(id)
	n.mzxid, n.mtime, n.version = c.header.Zxid, c.header.TimeMillis, b.Version
	c.digest += c.digestOf(id, path) - before
	c.account(path, int64(grown), 0)
	c.event(zk.EventNodeDataChanged, path, id)
	return id, zk.OK
}

// setACL replaces a node's ACL. No watch fires. Source: DataTree.setACL.
func (c *change) setACL(path string, b *proto.TxnBody) (NodeID, zk.Code) {
	id, ok := c.Find(path)
	if !ok {
		return 0, zk.ErrNoNode
	}
	before := c.digestOf(id, path)
	c.mutExt(id).aversion = b.Version
	c.digest += c.digestOf(id, path) - before
	c.setNodeACL(id, b.ACL)
	return id, zk.OK
}

// closeSession ends a session: first the paths that the txn lists go, then whatever the session
// still owns here. Source: DataTree.killSession.
func (c *change) closeSession(paths []string) {
	s := c.header.ClientID
	c.sessions.remove(s)
	for _, path := range paths {
		c.delete(c.keep(path))
	}
	for {
		list, ok := c.owners.sessions[s]
		if !ok {
			return
		}
		c.delete(string(c.AppendPath(nil, list.first)))
	}
}

// keep returns path, which is a view of the txn, as the events and the result may have it.
func (c *change) keep(path string) string {
	if c.emit {
		return strings.Clone(path)
	}
	return path
}

func (c *change) event(t zk.EventType, path string, aclOf NodeID) {
	if c.emit {
		c.events = append(c.events, Event{t, path, c.ACL(aclOf)})
	}
}
