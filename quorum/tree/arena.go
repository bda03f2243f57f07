package tree

import "encoding/binary"

// Blocks are handed out in units of 8 bytes. A small block is addressed by its unit in all chunks
// together, which bounds the arena at 2^32 units: 32 GiB.
const (
	unitShift     = 3
	unitBytes     = 1 << unitShift
	chunkBytes    = 64 << 10
	chunkUnits    = chunkBytes / unitBytes
	chunkShift    = 13 // log2 chunkUnits
	maxSmallBytes = 16 << 10

	noUnit  = 0xffff
	noChunk = 1<<32 - 1
)

// Size classes: every multiple of 8 bytes up to 512, then eight steps per doubling, so that at
// most an eighth of a block is padding.
const (
	fineClasses = 512 / unitBytes
	numClasses  = fineClasses + 5*8
)

// classOf returns the size class of a block of 1..maxSmallBytes bytes.
func classOf(size int) int {
	if size <= 512 {
		return (size - 1) >> unitShift
	}
	class := fineClasses
	step := 64
	for top := 1024; size > top; top *= 2 {
		class += 8
		step *= 2
	}
	return class + (size-step*8-1)/step
}

// classBytes returns the size of the blocks of a class.
func classBytes(class int) int {
	if class < fineClasses {
		return (class + 1) << unitShift
	}
	doubling, step := (class-fineClasses)/8, (class-fineClasses)%8
	return (512 << doubling) + (step+1)*(64<<doubling)
}

type chunk [chunkBytes]byte

// blocks is what reading a block takes; a view holds its own copy of the two tables.
type blocks struct {
	chunks []*chunk
	large  [][]byte
}

// get returns block ref of size bytes.
func (b *blocks) get(ref uint32, size int) []byte {
	switch {
	case size == 0:
		return []byte{}
	case size > maxSmallBytes:
		return b.large[ref]
	}
	at := (ref % chunkUnits) << unitShift
	return b.chunks[ref>>chunkShift][at : int(at)+size : int(at)+size]
}

// chunkState is the bookkeeping of one chunk.
type chunkState struct {
	used  uint16 // blocks in use
	fresh uint16 // first unit never handed out
	free  uint16 // first freed unit, whose first two bytes hold the next one; noUnit at the end
	class uint8
	// The chunks of one class that have room form a list.
	prev, next uint32
}

// arena stores byte blocks of any size without a Go object for each.
type arena struct {
	blocks
	state      []chunkState // by chunk
	partial    [numClasses]uint32
	freeChunks []uint32
	freeLarge  []uint32
	chunkCount int
	largeBytes int64
}

func newArena() arena {
	var a arena
	for i := range a.partial {
		a.partial[i] = noChunk
	}
	return a
}

// sameBlock reports whether a block of one size can be re-used for another size as it is.
func sameBlock(oldSize, newSize int) bool {
	switch {
	case oldSize == newSize:
		return true
	case oldSize == 0 || newSize == 0 || oldSize > maxSmallBytes || newSize > maxSmallBytes:
		return false
	}
	return classOf(oldSize) == classOf(newSize)
}

// alloc returns a block of size bytes with arbitrary content.
func (a *arena) alloc(size int) uint32 {
	switch {
	case size == 0:
		return 0
	case size > maxSmallBytes:
		return a.allocLarge(size)
	}
	class := classOf(size)
	c := a.partial[class]
	if c == noChunk {
		c = a.addChunk(class)
	}
	s := &a.state[c]
	unit := s.free
	if unit != noUnit {
		s.free = binary.LittleEndian.Uint16(a.chunks[c][int(unit)<<unitShift:])
	} else {
		unit = s.fresh
		s.fresh += uint16(classBytes(class) >> unitShift)
	}
	s.used++
	if s.full() {
		a.unlink(c)
	}
	return c<<chunkShift | uint32(unit)
}

// release gives back a block that nobody can reach any more.
func (a *arena) release(ref uint32, size int) {
	switch {
	case size == 0:
		return
	case size > maxSmallBytes:
		a.largeBytes -= int64(len(a.large[ref]))
		a.large[ref] = nil
		a.freeLarge = append(a.freeLarge, ref)
		return
	}
	c := ref >> chunkShift
	s := &a.state[c]
	if s.full() {
		a.link(c)
	}
	unit := uint16(ref % chunkUnits)
	binary.LittleEndian.PutUint16(a.chunks[c][int(unit)<<unitShift:], s.free)
	s.free = unit
	s.used--
	// The last chunk of a class with room stays, or a client that creates and deletes one node
	// would make and drop a chunk each time.
	if s.used == 0 && (s.prev != noChunk || s.next != noChunk) {
		a.unlink(c)
		a.chunks[c] = nil
		a.freeChunks = append(a.freeChunks, c)
		a.chunkCount--
	}
}

// full reports whether the chunk has no block left.
func (s *chunkState) full() bool {
	return s.free == noUnit && int(s.fresh)+classBytes(int(s.class))>>unitShift > chunkUnits
}

func (a *arena) allocLarge(size int) uint32 {
	a.largeBytes += int64(size)
	if n := len(a.freeLarge); n > 0 {
		ref := a.freeLarge[n-1]
		a.freeLarge = a.freeLarge[:n-1]
		a.large[ref] = make([]byte, size)
		return ref
	}
	a.large = append(a.large, make([]byte, size))
	return uint32(len(a.large) - 1)
}

func (a *arena) addChunk(class int) uint32 {
	var c uint32
	if n := len(a.freeChunks); n > 0 {
		c = a.freeChunks[n-1]
		a.freeChunks = a.freeChunks[:n-1]
	} else {
		if len(a.chunks) == 1<<(32-chunkShift) {
			panic("tree: names and data exceed 32 GiB")
		}
		c = uint32(len(a.chunks))
		a.chunks = append(a.chunks, nil)
		a.state = append(a.state, chunkState{})
	}
	a.chunks[c] = new(chunk)
	a.state[c] = chunkState{free: noUnit, class: uint8(class)}
	a.chunkCount++
	a.link(c)
	return c
}

// link puts chunk c at the head of the chunks of its class that have room.
func (a *arena) link(c uint32) {
	s := &a.state[c]
	head := &a.partial[s.class]
	s.prev, s.next = noChunk, *head
	if *head != noChunk {
		a.state[*head].prev = c
	}
	*head = c
}

func (a *arena) unlink(c uint32) {
	s := &a.state[c]
	if s.prev != noChunk {
		a.state[s.prev].next = s.next
	} else {
		a.partial[s.class] = s.next
	}
	if s.next != noChunk {
		a.state[s.next].prev = s.prev
	}
}

func (a *arena) memoryBytes() int64 {
	return int64(a.chunkCount)*chunkBytes + a.largeBytes +
		int64(cap(a.chunks))*8 + int64(cap(a.state))*16 + int64(cap(a.large))*24
}
