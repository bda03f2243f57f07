package prep

import (
	"unsafe"

	"zkd/quorum/proto"
	"zkd/quorum/tree"
	"zkd/quorum/zk"
)

// node is what requests are judged by: a znode as it will be when all pending txns are applied.
type node struct {
	stat     proto.StatPersisted
	acl      []proto.ACL
	digest   uint64 // what it adds to the digest of the tree
	prefix   uint32 // CRC over path and data, of which the digest is made
	children int32
	dataLen  int32
}

// record is a node that pending txns change.
type record struct {
	node
	exists  bool
	touches int32  // how many changes are pending; with the last one the record goes
	path    string // a view of buf
	buf     []byte
}

// found is the result of a look-up.
type found struct {
	node
	rec *record // nil if no change of the node is pending
}

// touch says that the txn with that zxid changes a record or a session.
type touch struct {
	zxid    zk.Zxid
	rec     *record // nil: a session
	session zk.SessionID
}

// sessionChange is a session that pending txns open or close.
type sessionChange struct {
	open    bool
	touches int32
}

// ephemeral is the pending creation of an ephemeral node.
type ephemeral struct {
	zxid    zk.Zxid
	session zk.SessionID
	rec     *record
}

// undoStep says what a record was before a change of the current request.
type undoStep struct {
	rec    *record
	before node
	exists bool
}

// pending is the tree with the changes of all txns that are prepared and not applied yet. Records
// and their memory are used again, so that a steady flow of requests allocates nothing here.
type pending struct {
	tree       *tree.Tree
	digesting  bool
	digest     uint64 // of the tree after all pending txns
	records    map[string]*record
	sessions   map[zk.SessionID]sessionChange
	touches    queue[touch]
	ephemerals queue[ephemeral]

	// Of the current request, to roll it back.
	undo            []undoStep
	digestBefore    uint64
	ephemeralsAdded int

	free []*record
}

// Bounds of the memory that is kept for re-use.
const (
	maxFreeRecords  = 4096
	maxFreePathCap  = 512
	maxKeptUndo     = 1024
	maxKeptRequests = 1024
)

func (p *pending) reset(t *tree.Tree, digesting bool) {
	*p = pending{
		tree:      t,
		digesting: digesting,
		records:   make(map[string]*record),
		sessions:  make(map[zk.SessionID]sessionChange),
	}
}

// begin starts a request: what changes from here on can be rolled back.
func (p *pending) begin() {
	if p.touches.len() == 0 && p.digesting {
		p.digest = p.tree.Digest()
	}
	if cap(p.undo) > maxKeptUndo {
		p.undo = nil
	}
	p.undo = p.undo[:0]
	p.digestBefore = p.digest
	p.ephemeralsAdded = 0
}

// rollback takes back all changes of nodes since begin. Changes of sessions stay: requests that
// make them do not fail.
func (p *pending) rollback() {
	for i := len(p.undo) - 1; i >= 0; i-- {
		step := &p.undo[i]
		step.rec.node, step.rec.exists = step.before, step.exists
		p.touches.unpush()
		p.release(step.rec)
	}
	for range p.ephemeralsAdded {
		p.ephemerals.unpush()
	}
	p.undo = p.undo[:0]
	p.ephemeralsAdded = 0
	p.digest = p.digestBefore
}

// lookup finds the node at path; f is changed either way, for put.
func (p *pending) lookup(path string, f *found) bool {
	if rec := p.records[path]; rec != nil {
		f.node, f.rec = rec.node, rec
		return rec.exists
	}
	f.rec = nil
	id, ok := p.tree.Find(path)
	if !ok {
		f.node = node{}
		return false
	}
	f.node = node{
		stat:     p.tree.Persisted(id),
		acl:      p.tree.ACL(id),
		children: int32(p.tree.NumChildren(id)),
		dataLen:  int32(len(p.tree.Data(id))),
	}
	if p.digesting {
		f.prefix = p.tree.DigestPrefix(id)
		f.digest = tree.NodeDigest(path, f.prefix, &f.stat)
	}
	return true
}

// put records that the txn with that zxid makes the node at path what f says; f comes from lookup.
// Where the data is new, the caller has set the prefix with setData.
func (p *pending) put(zxid zk.Zxid, path string, f *found) {
	before := f.digest
	if p.digesting {
		f.digest = tree.NodeDigest(path, f.prefix, &f.stat)
	}
	rec := p.change(zxid, path, f.rec)
	p.digest += f.digest - before
	rec.node, rec.exists, f.rec = f.node, true, rec
}

// remove records that the txn with that zxid deletes the node at path; f comes from lookup.
func (p *pending) remove(zxid zk.Zxid, path string, f *found) {
	rec := p.change(zxid, path, f.rec)
	p.digest -= f.digest
	f.node = node{}
	rec.node, rec.exists, f.rec = f.node, false, rec
}

// setData puts data into f, the node at path.
func (p *pending) setData(path string, f *found, data []byte) {
	f.dataLen = int32(len(data))
	if p.digesting {
		f.prefix = tree.PathDataCRC(path, data)
	}
}

// change returns the record of path, which is rec unless that is nil, with one more change pending.
func (p *pending) change(zxid zk.Zxid, path string, rec *record) *record {
	if rec == nil {
		rec = p.take(path)
		p.records[rec.path] = rec
	}
	p.undo = append(p.undo, undoStep{rec, rec.node, rec.exists})
	rec.touches++
	p.touches.push(touch{zxid: zxid, rec: rec})
	return rec
}

// take returns an empty record for path.
func (p *pending) take(path string) *record {
	var rec *record
	if n := len(p.free); n > 0 {
		rec, p.free = p.free[n-1], p.free[:n-1]
	} else {
		rec = new(record)
	}
	// The path is a view of a request that may be gone before the record is. No map holds rec.path
	// while buf changes: release removes the record first.
	rec.buf = append(rec.buf[:0], path...)
	rec.path = unsafe.String(unsafe.SliceData(rec.buf), len(rec.buf))
	return rec
}

// release takes back one pending change of rec and forgets the record with the last one.
func (p *pending) release(rec *record) {
	rec.touches--
	if rec.touches > 0 {
		return
	}
	delete(p.records, rec.path)
	buf := rec.buf
	if cap(buf) > maxFreePathCap {
		buf = nil
	}
	*rec = record{buf: buf}
	if len(p.free) < maxFreeRecords {
		p.free = append(p.free, rec)
	}
}

// forget forgets the changes up to zxid: the tree has them.
func (p *pending) forget(zxid zk.Zxid) {
	for p.ephemerals.len() > 0 && p.ephemerals.all()[0].zxid <= zxid {
		p.ephemerals.pop()
	}
	for p.touches.len() > 0 {
		first := p.touches.all()[0]
		if first.zxid > zxid {
			break
		}
		p.touches.pop()
		if first.rec != nil {
			p.release(first.rec)
			continue
		}
		change := p.sessions[first.session]
		if change.touches--; change.touches == 0 {
			delete(p.sessions, first.session)
		} else {
			p.sessions[first.session] = change
		}
	}
}
