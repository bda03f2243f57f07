package tree

import (
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// NodeID names a znode for as long as no txn is applied; 0 is none. Ids of deleted nodes are used
// again.
type NodeID uint32

// rootID is the root's id, always.
const rootID NodeID = 1

// node is what every znode has and what reading it takes: one cache line. A node that is neither
// the root nor has a parent is free.
type node struct {
	block        uint32 // name, then data
	nameLen      uint32
	dataLen      int32 // -1: null
	parent       NodeID
	ext          uint32 // 0: all fields of ext have their defaults
	acl          uint32 // index into aclTable
	prefix       uint32 // CRC32 over path and data
	version      int32
	czxid, mzxid zk.Zxid
	ctime, mtime int64
}

// ring links the children of one parent, in a circle in order of creation. Of a free node, next
// leads to the next free one.
type ring struct{ next, prev NodeID }

// blockSize returns the size of n's block.
func (n *node) blockSize() int { return int(n.nameLen) + max(int(n.dataLen), 0) }

// ext is what some znodes have beside: owned ones and those that have or had children.
type ext struct {
	owner                int64
	pzxid                zk.Zxid
	cversion, aversion   int32
	child                NodeID // first of the ring; free ext: the next free one
	children             uint32
	ownedPrev, ownedNext NodeID // ring of nodes of the same owner
}

// noExt returns the defaults that stand for the absent ext of n.
func (n *node) noExt() ext { return ext{pzxid: n.czxid} }

// extOf returns n's ext, or its defaults.
func (s *store) extOf(n *node) ext {
	if n.ext == 0 {
		return n.noExt()
	}
	return *s.exts.at(n.ext)
}

// store is what a view shares with the tree: nodes and their names and data.
type store struct {
	nodes slab[node]
	rings slab[ring] // by NodeID
	exts  slab[ext]
	arena arena
	// Heads of the lists of free nodes and exts.
	freeNode NodeID
	freeExt  uint32
	// What may be re-used only once the views that can reach it are gone.
	deferred deferredBlocks
	views    []*View // live, in order of freezing
}

func newStore() store {
	s := store{arena: newArena()}
	s.nodes.extend() // 0 is no node
	s.rings.extend()
	s.exts.extend() // 0 is no ext
	return s
}

func (s *store) node(id NodeID) *node { return s.nodes.at(uint32(id)) }

func (s *store) mutNode(id NodeID) *node { return s.nodes.mut(uint32(id)) }

func (s *store) ring(id NodeID) *ring { return s.rings.at(uint32(id)) }

func (s *store) mutRing(id NodeID) *ring { return s.rings.mut(uint32(id)) }

// name returns a view of n's name, "" for the root.
func (s *store) name(n *node) []byte {
	return s.arena.get(n.block, n.blockSize())[:n.nameLen]
}

// data returns a view of n's data, nil for null.
func (s *store) data(n *node) []byte {
	if n.dataLen < 0 {
		return nil
	}
	b := s.arena.get(n.block, n.blockSize())
	return b[n.nameLen:len(b):len(b)]
}

// newNode makes a node with that name and data. Its other fields are zero.
func (s *store) newNode(name string, data []byte) NodeID {
	id := s.freeNode
	if id != 0 {
		s.freeNode = s.ring(id).next
	} else {
		id = NodeID(s.nodes.extend())
		s.rings.extend()
		if id == 0 {
			panic("tree: more than 2^32 nodes")
		}
	}
	n := s.mutNode(id)
	*n = node{nameLen: uint32(len(name)), dataLen: int32(len(data))}
	if data == nil {
		n.dataLen = -1
	}
	n.block = s.arena.alloc(n.blockSize())
	b := s.arena.get(n.block, n.blockSize())
	copy(b[copy(b, name):], data)
	return id
}

// dropNode frees a node that nothing leads to any more, with its ext and block.
func (s *store) dropNode(id NodeID) {
	n := s.mutNode(id)
	s.dropBlock(id, n)
	if n.ext != 0 {
		*s.exts.mut(n.ext) = ext{child: NodeID(s.freeExt)}
		s.freeExt = n.ext
	}
	*n = node{}
	s.mutRing(id).next = s.freeNode
	s.freeNode = id
}

// replaceData gives a node other data; its name stays.
func (s *store) replaceData(id NodeID, data []byte) {
	n := s.mutNode(id)
	old := *n
	n.dataLen = int32(len(data))
	if data == nil {
		n.dataLen = -1
	}
	if sameBlock(old.blockSize(), n.blockSize()) && !s.viewed(id, &old) {
		copy(s.data(n), data)
		return
	}
	n.block = s.arena.alloc(n.blockSize())
	b := s.arena.get(n.block, n.blockSize())
	copy(b[copy(b, s.name(&old)):], data)
	s.dropBlock(id, &old)
}

// dropBlock frees the block of n, which is node id as it was, or puts that off if a view can
// reach it.
func (s *store) dropBlock(id NodeID, n *node) {
	size := n.blockSize()
	if s.viewed(id, n) {
		s.deferred.push(n.block, size, s.nodes.freezes)
		return
	}
	s.arena.release(n.block, size)
}

// viewed reports whether a live view can reach the block of n, which is node id. A block never
// changes hands between nodes while it is in use, so it does if the view's node of that id has the
// same block.
func (s *store) viewed(id NodeID, n *node) bool {
	for _, v := range s.views {
		if uint32(id) < v.used && v.node(id).block == n.block {
			return true
		}
	}
	return false
}

// mutExt returns the ext of node id for writing; it makes one if there is none.
func (s *store) mutExt(id NodeID) *ext {
	n := s.node(id)
	if n.ext != 0 {
		return s.exts.mut(n.ext)
	}
	i := s.freeExt
	if i != 0 {
		s.freeExt = uint32(s.exts.at(i).child)
	} else {
		i = s.exts.extend()
	}
	n = s.mutNode(id)
	n.ext = i
	e := s.exts.mut(i)
	*e = n.noExt()
	return e
}

// persisted returns the stored stat of n.
func (s *store) persisted(n *node) proto.StatPersisted {
	e := s.extOf(n)
	return persistedStat(n, &e)
}

func persistedStat(n *node, e *ext) proto.StatPersisted {
	return proto.StatPersisted{
		Czxid: n.czxid, Mzxid: n.mzxid, CtimeMillis: n.ctime, MtimeMillis: n.mtime,
		Version: n.version, Cversion: e.cversion, Aversion: e.aversion,
		EphemeralOwner: e.owner, Pzxid: e.pzxid,
	}
}
