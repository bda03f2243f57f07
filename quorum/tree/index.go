package tree

const (
	bucketSlots  = 7
	segmentShift = 7
	segmentItems = 1 << segmentShift
	segmentMask  = segmentItems - 1
	// A bucket is split in turn when there are more than bucketLoad nodes per bucket.
	bucketLoad = 5
)

// indexSlot is a node in the index.
type indexSlot struct {
	hash uint32
	id   NodeID
}

// bucket is one cache line, so that most lookups touch just one before they come to the node.
type bucket struct {
	slots [bucketSlots]indexSlot
	used  uint32 // slots in use; all of them if next is not 0
	next  uint32 // overflow bucket, 0 if none
}

// segment is the unit in which the index grows: 8 KiB.
type segment [segmentItems]bucket

// index finds nodes by the hash of their path. It is a linear hash table: inserts split one bucket
// after the other in turn, so that it grows without a pause. What does not fit into a bucket goes
// to overflow buckets. It never shrinks.
type index struct {
	primary []*segment
	// overflow holds the overflow buckets; number 0 is none.
	overflow     []*segment
	usedOverflow uint32
	freeOverflow uint32 // head of a list through next
	// Buckets 0..mask+split exist. Those below split, and those they were split into, are
	// addressed with one bit more than mask has.
	mask, split uint32
	count       uint32
	scratch     []indexSlot
}

func newIndex() index {
	return index{primary: []*segment{new(segment)}, mask: segmentMask, usedOverflow: 1}
}

// first returns the bucket in which a node with that hash is, unless it is in one behind it.
func (ix *index) first(hash uint32) *bucket {
	b := hash & ix.mask
	if b < ix.split {
		b = hash & (ix.mask<<1 | 1)
	}
	return &ix.primary[b>>segmentShift][b&segmentMask]
}

// after returns the overflow bucket behind b, nil if there is none.
func (ix *index) after(b *bucket) *bucket {
	if b.next == 0 {
		return nil
	}
	return ix.at(b.next)
}

func (ix *index) at(overflow uint32) *bucket {
	return &ix.overflow[overflow>>segmentShift][overflow&segmentMask]
}

// insert adds a node that is not in the index.
func (ix *index) insert(id NodeID, hash uint32) {
	ix.put(ix.first(hash), indexSlot{hash, id})
	ix.count++
	if ix.count > bucketLoad*(ix.mask+1+ix.split) {
		ix.splitNext()
	}
}

func (ix *index) put(b *bucket, s indexSlot) {
	for b.used == bucketSlots {
		if b.next == 0 {
			b.next = ix.newOverflow()
		}
		b = ix.at(b.next)
	}
	b.slots[b.used] = s
	b.used++
}

// remove takes out a node, which must be in. Its slot goes to the last one of the bucket's chain.
func (ix *index) remove(id NodeID, hash uint32) {
	var hole *indexSlot
	b := ix.first(hash)
	var before *bucket
	for {
		for i := range b.used {
			if b.slots[i].id == id {
				hole = &b.slots[i]
			}
		}
		if b.next == 0 {
			break
		}
		before, b = b, ix.at(b.next)
	}
	b.used--
	*hole = b.slots[b.used]
	if b.used == 0 && before != nil {
		b.next, ix.freeOverflow = ix.freeOverflow, before.next
		before.next = 0
	}
	ix.count--
}

// splitNext moves about half of the nodes of bucket split into a new bucket.
func (ix *index) splitNext() {
	bit := ix.mask + 1
	moved := bit + ix.split
	if int(moved>>segmentShift) == len(ix.primary) {
		ix.primary = append(ix.primary, new(segment))
	}
	stay := &ix.primary[ix.split>>segmentShift][ix.split&segmentMask]
	move := &ix.primary[moved>>segmentShift][moved&segmentMask]
	slots := append(ix.scratch[:0], stay.slots[:stay.used]...)
	for next := stay.next; next != 0; {
		b, number := ix.at(next), next
		slots = append(slots, b.slots[:b.used]...)
		next = b.next
		*b = bucket{next: ix.freeOverflow}
		ix.freeOverflow = number
	}
	stay.used, stay.next = 0, 0
	for _, s := range slots {
		if s.hash&bit == 0 {
			ix.put(stay, s)
		} else {
			ix.put(move, s)
		}
	}
	ix.scratch = slots
	ix.split++
	if ix.split == bit {
		ix.mask, ix.split = ix.mask<<1|1, 0
	}
}

func (ix *index) newOverflow() uint32 {
	number := ix.freeOverflow
	if number != 0 {
		b := ix.at(number)
		ix.freeOverflow, b.next = b.next, 0
		return number
	}
	number = ix.usedOverflow
	ix.usedOverflow++
	if int(number>>segmentShift) == len(ix.overflow) {
		ix.overflow = append(ix.overflow, new(segment))
	}
	return number
}

func (ix *index) memoryBytes() int64 {
	const segmentBytes = segmentItems * 64
	return int64(len(ix.primary)+len(ix.overflow)) * (segmentBytes + 8)
}
