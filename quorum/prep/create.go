package prep

import (
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// create prepares create, create2, createContainer and createTTL. Codes, in the order of the
// checks: those of ownerOf; ErrSessionExpired; ErrBadArguments for a path without a slash or with
// a NUL; ErrInvalidACL; ErrNoNode and ErrNoAuth (CREATE) of the parent; ErrBadArguments for a path
// that may not be; ErrNodeExists; ErrNoChildrenForEphemerals; ErrQuotaExceeded.
func (p *Prep) create(c *call, q *request, body *proto.TxnBody) zk.Code {
	owner, code := p.ownerOf(c, q)
	if code != zk.OK {
		return code
	}
	if !p.isOpen(c.session) {
		return zk.ErrSessionExpired
	}
	parentPath, ok := parentOf(q.path)
	if !ok {
		return zk.ErrBadArguments
	}
	acl, code := p.auth.Fixup(q.acl, c.ids)
	if code != zk.OK {
		return code
	}
	var parent, child found
	if !p.lookup(parentPath, &parent) {
		return zk.ErrNoNode
	}
	if !p.auth.Allowed(parent.acl, zk.PermCreate, c.ids) {
		return zk.ErrNoAuth
	}
	path := q.path
	if q.mode.Sequential() {
		path = sequenceName(path, parent.stat.Cversion)
	}
	if code := CheckPath(path, false); code != zk.OK {
		return code
	}
	if p.lookup(path, &child) {
		return zk.ErrNodeExists
	}
	if zk.KindOf(parent.stat.EphemeralOwner, p.cfg.ExtendedTypes) == zk.Ephemeral {
		return zk.ErrNoChildrenForEphemerals
	}
	if code := p.checkQuota(path, int64(len(q.data)), 1); code != zk.OK {
		return code
	}

	*body = proto.TxnBody{
		Type: q.op, Path: path, Data: q.data, ACL: acl, Ephemeral: q.mode.Ephemeral(),
		ParentCversion: parent.stat.Cversion + 1, TTLMillis: q.ttlMillis,
	}
	countChild(c, &parent, body.ParentCversion)
	p.put(c.zxid, parentPath, &parent)

	child.node = node{acl: acl, stat: proto.StatPersisted{
		Czxid: c.zxid, Mzxid: c.zxid, Pzxid: c.zxid,
		CtimeMillis: c.nowMillis, MtimeMillis: c.nowMillis,
		EphemeralOwner: owner,
	}}
	p.pending.setData(path, &child, q.data)
	p.put(c.zxid, path, &child)
	if body.Ephemeral {
		p.ephemerals.push(ephemeral{c.zxid, c.session, child.rec})
		p.ephemeralsAdded++
	}
	return zk.OK
}

// countChild does to the parent what applying a create does. Appliers never lower the counter, so
// that replaying an old txn does no harm; at 2^31-1 the counter and pzxid therefore stay for good.
// Source: DataTree.createNode.
func countChild(c *call, parent *found, cversion int32) {
	parent.children++
	if cversion > parent.stat.Cversion {
		parent.stat.Cversion = cversion
		parent.stat.Pzxid = c.zxid
	}
}

// ownerOf returns the owner that the new node will have, by operation and mode. Codes:
//
//   - ErrBadArguments for an unknown mode;
//   - ErrUnimplemented for a TTL mode while TTL nodes are not enabled;
//   - ErrBadArguments for a TTL out of range, for createTTL with a mode without TTL (its txn would
//     stop Java's appliers) and for a TTL mode with any other operation;
//   - ErrBadArguments for the container mode with create or create2, of which ZooKeeper makes a
//     persistent node and a wrong digest, and for an ephemeral mode with createContainer;
//   - ErrBadArguments for an ephemeral mode where the session's id cannot be an owner.
func (p *Prep) ownerOf(c *call, q *request) (owner int64, code zk.Code) {
	withTTL := q.op == zk.OpCreateTTL
	container := q.op == zk.OpCreateContainer
	switch {
	case !q.mode.Valid():
		return 0, zk.ErrBadArguments
	case q.mode.TTL() && !p.cfg.ExtendedTypes:
		return 0, zk.ErrUnimplemented
	case q.mode.TTL() != withTTL,
		withTTL && (q.ttlMillis <= 0 || q.ttlMillis > zk.MaxTTLMillis),
		q.mode == zk.ModeContainer && !container,
		q.mode.Ephemeral() && container:
		return 0, zk.ErrBadArguments
	case withTTL:
		return zk.TTLOwner(q.ttlMillis), zk.OK
	case container:
		return zk.OwnerContainer, zk.OK
	case q.mode.Ephemeral() && !p.canOwn(c.session):
		return 0, zk.ErrBadArguments
	case q.mode.Ephemeral():
		return int64(c.session), zk.OK
	}
	return zk.OwnerNone, zk.OK
}
