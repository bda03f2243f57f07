package tree

import (
	"iter"
	"slices"

	"zkd/quorum/jute"
)

// link makes id the last child of parent. The ring of children is closed: the first one's prev is
// the last.
func (t *Tree) link(parent, id NodeID) {
	e := t.mutExt(parent)
	first := e.child
	e.children++
	if first == 0 {
		e.child = id
		n := t.mutNode(id)
		n.parent, n.next, n.prev = parent, id, id
		return
	}
	last := t.node(first).prev
	n := t.mutNode(id)
	n.parent, n.next, n.prev = parent, first, last
	t.mutNode(last).next = id
	t.mutNode(first).prev = id
}

func (t *Tree) unlink(id NodeID) {
	n := *t.node(id)
	e := t.exts.mut(t.node(n.parent).ext)
	e.children--
	switch {
	case e.children == 0:
		e.child = 0
		return
	case e.child == id:
		e.child = n.next
	}
	t.mutNode(n.prev).next = n.next
	t.mutNode(n.next).prev = n.prev
}

// NumChildren returns the number of children.
func (t *Tree) NumChildren(id NodeID) int {
	e := t.extOf(t.node(id))
	return int(e.children)
}

// childIDs visits the children in order of creation.
func (s *store) childIDs(id NodeID) iter.Seq[NodeID] {
	return func(yield func(NodeID) bool) {
		e := s.extOf(s.node(id))
		first := e.child
		for child := first; child != 0; {
			if !yield(child) {
				return
			}
			if child = s.node(child).next; child == first {
				return
			}
		}
	}
}

// Children visits the names of the children, as copies.
func (t *Tree) Children(id NodeID) iter.Seq[string] {
	return func(yield func(string) bool) {
		for child := range t.childIDs(id) {
			if !yield(string(t.name(t.node(child)))) {
				return
			}
		}
	}
}

// AppendChildNames appends the name of each child as a ustring: the items, without the count
// before them, of the vector in a reply to getChildren.
func (t *Tree) AppendChildNames(b []byte, id NodeID) []byte {
	e := t.extOf(t.node(id))
	for child := e.child; child != 0; {
		n := t.node(child)
		b = jute.AppendBuffer(b, t.name(n))
		if child = n.next; child == e.child {
			break
		}
	}
	return b
}

// AppendPath appends the node's path, "/" for the root.
func (t *Tree) AppendPath(b []byte, id NodeID) []byte {
	if id == rootID {
		return append(b, '/')
	}
	size := 0
	for at := id; at != rootID; at = t.node(at).parent {
		size += 1 + int(t.node(at).nameLen)
	}
	end := len(b) + size
	b = slices.Grow(b, size)[:end]
	for at := id; at != rootID; at = t.node(at).parent {
		name := t.name(t.node(at))
		end -= len(name)
		copy(b[end:], name)
		end--
		b[end] = '/'
	}
	return b
}

// CountDescendants returns the number of nodes below a node, itself not included.
func (t *Tree) CountDescendants(id NodeID) int {
	if id == rootID {
		return t.nodeCount - 1
	}
	count := -1 // without the node itself
	for range t.below(id) {
		count++
	}
	return count
}

// below visits a node and all nodes under it, parents first.
func (s *store) below(top NodeID) iter.Seq[NodeID] {
	return func(yield func(NodeID) bool) {
		for id := top; ; {
			if !yield(id) {
				return
			}
			e := s.extOf(s.node(id))
			if e.child != 0 {
				id = e.child
				continue
			}
			for id != top && s.lastOfRing(id) {
				id = s.node(id).parent
			}
			if id == top {
				return
			}
			id = s.node(id).next
		}
	}
}

// lastOfRing reports whether id is its parent's last child.
func (s *store) lastOfRing(id NodeID) bool {
	n := s.node(id)
	return s.exts.at(s.node(n.parent).ext).child == n.next
}
