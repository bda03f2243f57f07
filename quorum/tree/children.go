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
	t.mutNode(id).parent = parent
	if first == 0 {
		e.child = id
		*t.mutRing(id) = ring{id, id}
		return
	}
	last := t.ring(first).prev
	*t.mutRing(id) = ring{first, last}
	t.mutRing(last).next = id
	t.mutRing(first).prev = id
}

func (t *Tree) unlink(id NodeID) {
	r := *t.ring(id)
	e := t.exts.mut(t.node(t.node(id).parent).ext)
	e.children--
	switch {
	case e.children == 0:
		e.child = 0
		return
	case e.child == id:
		e.child = r.next
	}
	t.mutRing(r.prev).next = r.next
	t.mutRing(r.next).prev = r.prev
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
			if child = s.ring(child).next; child == first {
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
		b = jute.AppendBuffer(b, t.name(t.node(child)))
		if child = t.ring(child).next; child == e.child {
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
			id = s.ring(id).next
		}
	}
}

// lastOfRing reports whether id is its parent's last child.
func (s *store) lastOfRing(id NodeID) bool {
	parent := s.node(s.node(id).parent)
	return s.exts.at(parent.ext).child == s.ring(id).next
}
