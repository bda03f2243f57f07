package tree

import (
	"iter"
	"maps"
	"slices"

	"zkd/quorum/zk"
)

// ownedList is a ring of nodes with the same kind of owner, through ext.ownedPrev and ownedNext,
// in order of creation.
type ownedList struct {
	first NodeID
	count uint32
}

// owners leads from an owner to its nodes.
type owners struct {
	sessions   map[zk.SessionID]ownedList
	ephemerals int // in all of them
	containers ownedList
	ttls       ownedList
}

func newOwners() owners { return owners{sessions: make(map[zk.SessionID]ownedList)} }

// own puts a node on the list of its owner.
func (t *Tree) own(id NodeID, owner int64) {
	switch zk.KindOf(owner, t.opts.ExtendedTypes) {
	case zk.Ephemeral:
		s := zk.SessionID(owner)
		list := t.owners.sessions[s]
		t.linkOwned(&list, id)
		t.owners.sessions[s] = list
		t.owners.ephemerals++
	case zk.Container:
		t.linkOwned(&t.owners.containers, id)
	case zk.TTL:
		t.linkOwned(&t.owners.ttls, id)
	}
}

// disown takes a node off the list of its owner.
func (t *Tree) disown(id NodeID, owner int64) {
	switch zk.KindOf(owner, t.opts.ExtendedTypes) {
	case zk.Ephemeral:
		s := zk.SessionID(owner)
		list := t.owners.sessions[s]
		t.unlinkOwned(&list, id)
		if list.count == 0 {
			delete(t.owners.sessions, s)
		} else {
			t.owners.sessions[s] = list
		}
		t.owners.ephemerals--
	case zk.Container:
		t.unlinkOwned(&t.owners.containers, id)
	case zk.TTL:
		t.unlinkOwned(&t.owners.ttls, id)
	}
}

func (t *Tree) linkOwned(list *ownedList, id NodeID) {
	list.count++
	if list.first == 0 {
		list.first = id
		e := t.mutExt(id)
		e.ownedPrev, e.ownedNext = id, id
		return
	}
	first := t.mutExt(list.first)
	last := first.ownedPrev
	first.ownedPrev = id
	t.mutExt(last).ownedNext = id
	e := t.mutExt(id)
	e.ownedPrev, e.ownedNext = last, list.first
}

func (t *Tree) unlinkOwned(list *ownedList, id NodeID) {
	e := *t.mutExt(id)
	list.count--
	if list.count == 0 {
		list.first = 0
		return
	}
	t.mutExt(e.ownedPrev).ownedNext = e.ownedNext
	t.mutExt(e.ownedNext).ownedPrev = e.ownedPrev
	if list.first == id {
		list.first = e.ownedNext
	}
}

// ownedIDs visits the nodes on a list.
func (t *Tree) ownedIDs(list ownedList) iter.Seq[NodeID] {
	return func(yield func(NodeID) bool) {
		for id, n := list.first, list.count; n > 0; n-- {
			if !yield(id) {
				return
			}
			e := t.extOf(t.node(id))
			id = e.ownedNext
		}
	}
}

// Ephemerals visits the paths of a session's ephemeral nodes in order of creation (behind a
// snapshot: in its order).
func (t *Tree) Ephemerals(s zk.SessionID) iter.Seq[string] {
	return func(yield func(string) bool) {
		for id := range t.ownedIDs(t.owners.sessions[s]) {
			if !yield(string(t.AppendPath(nil, id))) {
				return
			}
		}
	}
}

// EphemeralOwners visits the sessions that have ephemeral nodes, in ascending order, with how
// many they have. A session that is no longer open may be among them: known-bugs R17.
func (t *Tree) EphemeralOwners() iter.Seq2[zk.SessionID, int] {
	return func(yield func(zk.SessionID, int) bool) {
		for _, s := range slices.Sorted(maps.Keys(t.owners.sessions)) {
			if !yield(s, int(t.owners.sessions[s].count)) {
				return
			}
		}
	}
}

// EphemeralCount returns the number of ephemeral nodes.
func (t *Tree) EphemeralCount() int { return t.owners.ephemerals }

// ReapCandidates returns up to limit paths of childless nodes that are due at nowMillis, wall clock:
// containers that had children once, containers that never had any and are older than
// neverUsedMillis (0: those stay), and TTL nodes whose data is older than their TTL. The time it
// takes grows with the number of containers and TTL nodes, not of nodes.
// Source: ContainerManager.getCandidates.
func (t *Tree) ReapCandidates(nowMillis int64, neverUsedMillis int64, limit int) []string {
	var paths []string
	collect := func(list ownedList, due func(age int64, e *ext) bool) {
		for id := range t.ownedIDs(list) {
			if len(paths) >= limit {
				return
			}
			n := t.node(id)
			e := t.extOf(n)
			if e.children == 0 && due(nowMillis-n.mtime, &e) {
				paths = append(paths, string(t.AppendPath(nil, id)))
			}
		}
	}
	collect(t.owners.containers, func(age int64, e *ext) bool {
		return e.cversion > 0 || neverUsedMillis != 0 && age > neverUsedMillis
	})
	collect(t.owners.ttls, func(age int64, e *ext) bool {
		ttl := zk.OwnerTTLMillis(e.owner)
		return ttl != 0 && age > ttl
	})
	return paths
}
