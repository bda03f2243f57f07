package tree

import (
	"hash/maphash"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// Options are the settings that decide what a txn means. They must be equal on all servers.
type Options struct {
	// ExtendedTypes enables TTL nodes (extendedTypesEnabled). Without it an owner whose top byte
	// is 0xff is a session.
	ExtendedTypes bool
}

// Paths that exist in every tree.
const (
	zookeeperPath = "/zookeeper"
	quotaPath     = "/zookeeper/quota"
	configPath    = "/zookeeper/config"
)

// Tree is the replicated state. See the package comment for who may call what when.
type Tree struct {
	store
	opts  Options
	index index
	// seed makes it impossible for clients to choose paths that share a bucket. Nothing that
	// leaves the tree depends on it.
	seed maphash.Seed
	acls aclTable

	sessions sessionTable
	owners   owners
	quotas   map[string]quotaNodes // by the path that is limited

	lastZxid  zk.Zxid
	digest    uint64
	nodeCount int
	dataBytes int64
	scratch   []byte
}

// New returns the tree of a new ensemble: the root, /zookeeper, /zookeeper/quota and
// /zookeeper/config, with all stat fields 0 but the aversion of the last, whose ACL is world:anyone
// READ. Source: the constructor of DataTree.
func New(opts Options) *Tree {
	t := newTree(opts)
	t.add(0, "/", []byte{}, openACL, &proto.StatPersisted{})
	for _, path := range []string{zookeeperPath, quotaPath} {
		t.addSystem(path, &proto.StatPersisted{})
	}
	t.addConfig()
	return t
}

func newTree(opts Options) *Tree {
	return &Tree{
		store:    newStore(),
		opts:     opts,
		index:    newIndex(),
		seed:     maphash.MakeSeed(),
		acls:     newACLTable(),
		sessions: newSessionTable(),
		owners:   newOwners(),
		quotas:   make(map[string]quotaNodes),
	}
}

func (t *Tree) addSystem(path string, stat *proto.StatPersisted) {
	parent, _ := t.Find(parentOf(path))
	t.add(parent, path, []byte{}, openACL, stat)
}

func (t *Tree) addConfig() {
	t.addSystem(configPath, &proto.StatPersisted{Aversion: -1})
	id, _ := t.Find(configPath)
	t.setNodeACL(id, proto.ReadACL)
}

// add makes a node with that stat below parent, which is 0 for the root only, and counts it. acl
// was counted by the caller. The parent's stat does not change.
func (t *Tree) add(parent NodeID, path string, data []byte, acl uint32, stat *proto.StatPersisted) NodeID {
	prefix := PathDataCRC(path, data)
	return t.addSummed(parent, path, data, acl, stat, Sums{prefix, NodeDigest(path, prefix, stat)})
}

// addSummed is add for a node whose sums are known. It keeps nothing of path and data.
func (t *Tree) addSummed(parent NodeID, path string, data []byte, acl uint32, stat *proto.StatPersisted, sums Sums) NodeID {
	id := t.newNode(nameOf(path), data)
	n := t.mutNode(id)
	n.czxid, n.mzxid = stat.Czxid, stat.Mzxid
	n.ctime, n.mtime = stat.CtimeMillis, stat.MtimeMillis
	n.version, n.acl = stat.Version, acl
	n.prefix = sums.Prefix
	if stat.EphemeralOwner != 0 || stat.Cversion != 0 || stat.Aversion != 0 || stat.Pzxid != stat.Czxid {
		e := t.mutExt(id)
		e.owner, e.pzxid = stat.EphemeralOwner, stat.Pzxid
		e.cversion, e.aversion = stat.Cversion, stat.Aversion
	}
	if parent != 0 {
		t.link(parent, id)
	}
	if stat.EphemeralOwner != 0 {
		t.own(id, stat.EphemeralOwner)
	}
	t.index.insert(id, t.hash(path))
	t.digest += sums.Digest
	t.nodeCount++
	t.dataBytes += int64(pathUnits(path) + len(data))
	return id
}

// remove takes out a childless node that is not the root. The parent's stat does not change.
func (t *Tree) remove(id NodeID, path string) {
	n := t.node(id)
	e := t.extOf(n)
	stat := persistedStat(n, &e)
	t.digest -= NodeDigest(path, n.prefix, &stat)
	t.nodeCount--
	t.dataBytes -= int64(pathUnits(path) + max(int(n.dataLen), 0))
	t.index.remove(id, t.hash(path))
	if e.owner != 0 {
		t.disown(id, e.owner)
	}
	t.acls.drop(n.acl)
	t.unlink(id)
	t.dropNode(id)
}

func (t *Tree) hash(path string) uint32 { return uint32(maphash.String(t.seed, path)) }

// Find returns the node at path; "" is the root, as "/" is.
func (t *Tree) Find(path string) (NodeID, bool) {
	if path == "" || path == "/" {
		return rootID, true
	}
	h := t.hash(path)
	for b := t.index.first(h); b != nil; b = t.index.after(b) {
		for i := range b.used {
			if s := &b.slots[i]; s.hash == h && t.isAt(s.id, path) {
				return s.id, true
			}
		}
	}
	return 0, false
}

// isAt reports whether path leads to node id.
func (t *Tree) isAt(id NodeID, path string) bool {
	for id != rootID {
		n := t.node(id)
		cut := len(path) - int(n.nameLen) - 1
		if cut < 0 || path[cut] != '/' || path[cut+1:] != string(t.name(n)) {
			return false
		}
		path, id = path[:cut], n.parent
	}
	return path == ""
}

// Stat returns the stat that clients see: cversion counts creates and deletes of children, and
// only a session shows as owner. Source: DataNode.copyStat.
func (t *Tree) Stat(id NodeID) proto.Stat {
	n := t.node(id)
	e := t.extOf(n)
	s := proto.Stat{
		Czxid: n.czxid, Mzxid: n.mzxid, CtimeMillis: n.ctime, MtimeMillis: n.mtime,
		Version: n.version, Cversion: 2*e.cversion - int32(e.children), Aversion: e.aversion,
		DataLength: max(n.dataLen, 0), NumChildren: int32(e.children), Pzxid: e.pzxid,
	}
	if zk.KindOf(e.owner, t.opts.ExtendedTypes) == zk.Ephemeral {
		s.EphemeralOwner = e.owner
	}
	return s
}

// Persisted returns the stored stat, as snapshots and the digest have it.
func (t *Tree) Persisted(id NodeID) proto.StatPersisted { return t.persisted(t.node(id)) }

// Data returns a view of the node's data that is valid until the next Apply; nil is null.
func (t *Tree) Data(id NodeID) []byte { return t.data(t.node(id)) }

// Parent returns the node's parent, 0 for the root.
func (t *Tree) Parent(id NodeID) NodeID { return t.node(id).parent }

// DigestPrefix returns PathDataCRC of the node.
func (t *Tree) DigestPrefix(id NodeID) uint32 { return t.node(id).prefix }

// Digest returns the digest of the whole tree, version 2.
func (t *Tree) Digest() uint64 { return t.digest }

// LastZxid returns the zxid of the last txn applied.
func (t *Tree) LastZxid() zk.Zxid { return t.lastZxid }

// SetLastZxid sets the zxid that the tree stands at without a txn: a new epoch has begun.
func (t *Tree) SetLastZxid(z zk.Zxid) { t.lastZxid = z }

// NodeCount returns the number of nodes as ZooKeeper's znode_count does: the root counts twice,
// so that an empty tree has 5.
func (t *Tree) NodeCount() int { return t.nodeCount + 1 }

// DataBytes returns the sum of the lengths of all paths, in UTF-16 units, and of all data, in
// bytes: ZooKeeper's approximate_data_size. The root's path counts once.
func (t *Tree) DataBytes() int64 { return t.dataBytes }

// MemoryBytes returns about how much memory the tree holds, without what views hold beside.
func (t *Tree) MemoryBytes() int64 {
	const mapEntry = 40 // of the small maps, a guess
	return t.nodes.memoryBytes() + t.rings.memoryBytes() + t.exts.memoryBytes() + t.acls.entries.memoryBytes() +
		t.arena.memoryBytes() + t.index.memoryBytes() +
		int64(len(t.acls.index)+t.sessions.len()+len(t.owners.sessions)+len(t.quotas))*mapEntry
}
