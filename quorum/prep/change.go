package prep

import (
	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// delete prepares a delete. Codes, in the order of the checks: ErrSessionExpired; ErrBadArguments
// for a path without a slash, with a NUL, or of a node that must stay; ErrNoNode and ErrNoAuth
// (DELETE) of the parent: the ACL of the node itself does not count; ErrNoNode; ErrBadVersion;
// ErrNotEmpty.
func (p *Prep) delete(c *call, q *request, body *proto.TxnBody) zk.Code {
	if !p.isOpen(c.session) {
		return zk.ErrSessionExpired
	}
	parentPath, ok := parentOf(q.path)
	if !ok || isSpecial(q.path) {
		return zk.ErrBadArguments
	}
	var n, parent found
	if !p.lookup(parentPath, &parent) {
		return zk.ErrNoNode
	}
	if !p.auth.Allowed(parent.acl, zk.PermDelete, c.ids) {
		return zk.ErrNoAuth
	}
	if !p.lookup(q.path, &n) {
		return zk.ErrNoNode
	}
	if q.version != anyVersion && q.version != n.stat.Version {
		return zk.ErrBadVersion
	}
	if n.children > 0 {
		return zk.ErrNotEmpty
	}
	*body = proto.TxnBody{Type: q.op, Path: q.path}
	p.unlink(c, q.path, &n, &parent)
	return zk.OK
}

// deleteContainer prepares the deletion of a container or TTL node that the reaper found to be
// due. The node may have changed since: it must still be due. Codes: ErrBadArguments, ErrNoNode,
// ErrNotEmpty, ErrBadVersion where the node is not due or of another kind.
func (p *Prep) deleteContainer(c *call, q *request, body *proto.TxnBody) zk.Code {
	if _, ok := parentOf(q.path); !ok || isSpecial(q.path) {
		return zk.ErrBadArguments
	}
	var n, parent found
	if !p.lookup(q.path, &n) {
		return zk.ErrNoNode
	}
	if n.children > 0 {
		return zk.ErrNotEmpty
	}
	if !p.isDue(&n.stat, c.nowMillis) {
		return zk.ErrBadVersion
	}
	*body = proto.TxnBody{Type: q.op, Path: q.path}
	p.unlink(c, q.path, &n, &parent)
	return zk.OK
}

// isDue reports whether a childless node with that stat is to be reaped: a container that had a
// child or is old enough, or a node whose TTL has passed since its last setData.
func (p *Prep) isDue(stat *proto.StatPersisted, nowMillis int64) bool {
	age := nowMillis - stat.MtimeMillis
	switch zk.KindOf(stat.EphemeralOwner, p.cfg.ExtendedTypes) {
	case zk.Container:
		neverUsed := p.cfg.ContainerNeverUsedMillis
		return stat.Cversion > 0 || neverUsed > 0 && age > neverUsed
	case zk.TTL:
		return age > zk.OwnerTTLMillis(stat.EphemeralOwner)
	}
	return false
}

// anyVersion in a request matches every version of a node.
const anyVersion = -1

// setData prepares a setData. Codes, in the order of the checks: ErrSessionExpired,
// ErrBadArguments for the path, ErrNoNode, ErrNoAuth (WRITE), ErrQuotaExceeded, ErrBadVersion.
func (p *Prep) setData(c *call, q *request, body *proto.TxnBody) zk.Code {
	var n found
	if code := p.find(c, q.path, &n); code != zk.OK {
		return code
	}
	if !p.auth.Allowed(n.acl, zk.PermWrite, c.ids) {
		return zk.ErrNoAuth
	}
	if code := p.checkQuota(q.path, int64(len(q.data))-int64(n.dataLen), 0); code != zk.OK {
		return code
	}
	if q.version != anyVersion && q.version != n.stat.Version {
		return zk.ErrBadVersion
	}
	n.stat.Version++
	n.stat.MtimeMillis = c.nowMillis
	n.stat.Mzxid = c.zxid
	*body = proto.TxnBody{Type: q.op, Path: q.path, Data: q.data, Version: n.stat.Version}
	p.pending.setData(q.path, &n, q.data)
	p.put(c.zxid, q.path, &n)
	return zk.OK
}

// setACL prepares a setACL. Codes, in the order of the checks: ErrSessionExpired, ErrBadArguments
// for the path, ErrInvalidACL, ErrNoNode, ErrNoAuth (ADMIN), ErrBadVersion.
func (p *Prep) setACL(c *call, q *request, body *proto.TxnBody) zk.Code {
	if !p.isOpen(c.session) {
		return zk.ErrSessionExpired
	}
	if code := CheckPath(q.path, false); code != zk.OK {
		return code
	}
	acl, code := p.auth.Fixup(q.acl, c.ids)
	if code != zk.OK {
		return code
	}
	var n found
	if !p.lookup(q.path, &n) {
		return zk.ErrNoNode
	}
	if !p.auth.Allowed(n.acl, zk.PermAdmin, c.ids) {
		return zk.ErrNoAuth
	}
	if q.version != anyVersion && q.version != n.stat.Aversion {
		return zk.ErrBadVersion
	}
	n.stat.Aversion++
	n.acl = acl // ZooKeeper judges by the old one until the txn is applied
	*body = proto.TxnBody{Type: q.op, Path: q.path, ACL: acl, Version: n.stat.Aversion}
	p.put(c.zxid, q.path, &n)
	return zk.OK
}

// check prepares a check, which changes nothing; only a multi may hold one. Codes, in the order of
// the checks: ErrSessionExpired, ErrBadArguments for the path, ErrNoNode, ErrNoAuth (READ),
// ErrBadVersion.
func (p *Prep) check(c *call, q *request, body *proto.TxnBody) zk.Code {
	var n found
	if code := p.find(c, q.path, &n); code != zk.OK {
		return code
	}
	if !p.auth.Allowed(n.acl, zk.PermRead, c.ids) {
		return zk.ErrNoAuth
	}
	if q.version != anyVersion && q.version != n.stat.Version {
		return zk.ErrBadVersion
	}
	*body = proto.TxnBody{Type: q.op, Path: q.path, Version: n.stat.Version + 1}
	return zk.OK
}

// find begins setData and check: the session is open, the path is valid, and the node exists.
func (p *Prep) find(c *call, path string, n *found) zk.Code {
	if !p.isOpen(c.session) {
		return zk.ErrSessionExpired
	}
	if code := CheckPath(path, false); code != zk.OK {
		return code
	}
	if !p.lookup(path, n) {
		return zk.ErrNoNode
	}
	return zk.OK
}
