package prep

import (
	"slices"
	"strings"

	"zkd/quorum/proto"
	"zkd/quorum/zk"
)

// isOpen reports whether the session will be open when all pending txns are applied.
//
// ZooKeeper asks its session tracker here. Asking the replicated sessions makes an ephemeral node
// whose session is gone impossible, whatever the tracker of this server thinks.
func (p *pending) isOpen(s zk.SessionID) bool {
	if len(p.sessions) > 0 {
		if change, ok := p.sessions[s]; ok {
			return change.open
		}
	}
	_, ok := p.tree.SessionTimeout(s)
	return ok
}

func (p *pending) setOpen(c *call, open bool) {
	p.sessions[c.session] = sessionChange{open, p.sessions[c.session].touches + 1}
	p.touches.push(touch{zxid: c.zxid, session: c.session})
}

// openSession prepares a createSession. Code: ErrBadArguments for an id that cannot own nodes.
func (p *Prep) openSession(c *call, timeoutMillis int32, body *proto.TxnBody) zk.Code {
	if !p.canOwn(c.session) {
		return zk.ErrBadArguments
	}
	body.TimeoutMillis = timeoutMillis
	p.setOpen(c, true)
	return zk.OK
}

// canOwn reports whether a node whose owner is s is an ephemeral node of that session. Id 0 and
// the ids that mean a container or a TTL are none that a server gives out.
func (p *Prep) canOwn(s zk.SessionID) bool {
	return zk.KindOf(int64(s), p.cfg.ExtendedTypes) == zk.Ephemeral
}

// closeSession prepares the end of a session and returns the paths that go with it, sorted, never
// nil: the ephemeral nodes that it has in the tree and those that pending txns make, without those
// that pending txns delete. A session that is not open has none.
func (p *pending) closeSession(c *call) []string {
	paths := []string{}
	for path := range p.tree.Ephemerals(c.session) {
		if p.removeEphemeral(c, path) {
			paths = append(paths, path)
		}
	}
	for _, e := range p.ephemerals.all() {
		// What was deleted since, or listed above, does not exist any more.
		if e.session == c.session && e.rec.exists {
			if path := strings.Clone(e.rec.path); p.removeEphemeral(c, path) {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	p.setOpen(c, false)
	return paths
}

// removeEphemeral records the deletion of the node at path if it is the session's.
func (p *pending) removeEphemeral(c *call, path string) bool {
	var n, parent found
	if !p.lookup(path, &n) || n.stat.EphemeralOwner != int64(c.session) {
		return false
	}
	p.unlink(c, path, &n, &parent)
	return true
}

// unlink records the deletion of node n at path, which exists, and what it does to its parent.
func (p *pending) unlink(c *call, path string, n, parent *found) {
	parentPath, _ := parentOf(path)
	p.lookup(parentPath, parent)
	parent.children--
	parent.stat.Pzxid = max(parent.stat.Pzxid, c.zxid)
	p.put(c.zxid, parentPath, parent)
	p.remove(c.zxid, path, n)
}
