package tree

import (
	"slices"
	"unsafe"
)

const (
	pageShift = 8
	pageItems = 1 << pageShift
	pageMask  = pageItems - 1
)

// page is the unit of copy-on-write.
type page[T any] [pageItems]T

// slab is an array of items that grows by pages and can be frozen: a frozen page is copied before
// the first write to it. Items never move within their page, so an index stays valid; a pointer
// from at is only for reading and ends at the next mut.
type slab[T any] struct {
	pages []*page[T]
	// made[p] is the number of freezes that had happened when pages[p] was made or last copied.
	made []uint32
	// freezes counts the freezes so far; shared is the number of the newest one that a live view
	// holds, or 0. A page is shared with a view if it was made before that.
	freezes, shared uint32
	// used is how many indexes were ever handed out.
	used uint32
}

// at returns item i for reading.
func (s *slab[T]) at(i uint32) *T { return &s.pages[i>>pageShift][i&pageMask] }

// mut returns item i for writing, in a page that no view shares.
func (s *slab[T]) mut(i uint32) *T {
	p := i >> pageShift
	if s.made[p] < s.shared {
		s.pages[p] = new(*s.pages[p])
		s.made[p] = s.freezes
	}
	return &s.pages[p][i&pageMask]
}

// extend hands out the next index that was never used.
func (s *slab[T]) extend() uint32 {
	if int(s.used>>pageShift) == len(s.pages) {
		s.pages = append(s.pages, new(page[T]))
		s.made = append(s.made, s.freezes)
	}
	s.used++
	return s.used - 1
}

// freeze returns the pages as they are and marks them as shared.
func (s *slab[T]) freeze() []*page[T] {
	s.freezes++
	s.shared = s.freezes
	return slices.Clone(s.pages)
}

func (s *slab[T]) memoryBytes() int64 {
	return int64(len(s.pages))*int64(unsafe.Sizeof(page[T]{})) + int64(cap(s.pages))*8 + int64(cap(s.made))*4
}
