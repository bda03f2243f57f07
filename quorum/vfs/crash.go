package vfs

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// The ways in which a power loss treats what was not synced.
const (
	loseAll    = iota // nothing of it reached the disk
	keepAll           // all of it did
	keepSome          // each sector and each directory change by a coin of its own
	keepPrefix        // of each file the sectors before some point; of each directory the first changes
	crashWays
)

// CrashClone returns the disk as a power loss at this moment would leave it. What was synced is
// kept. Of what was not, each 512-byte sector of a file and each change of a directory is kept or
// lost; seed decides, and the same seed on the same state decides alike. Locks are gone. The Mem
// itself goes on unharmed, so that one run can be crashed at every step of it.
func (m *Mem) CrashClone(seed uint64) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := crash{rng: rand.New(rand.NewPCG(seed, 0x7a6b64)), clones: map[*memInode]*memInode{}}
	c.way = c.rng.IntN(crashWays)
	clone := NewMem()
	clone.capacity = m.capacity
	for _, dir := range slices.Sorted(maps.Keys(m.dirs)) {
		clone.dirs[dir] = c.dir(m.dirs[dir])
	}
	return clone
}

// crash is one power loss. clones makes sure that a file which goes by two names stays one file.
type crash struct {
	rng    *rand.Rand
	way    int
	clones map[*memInode]*memInode
}

// keeper returns the fate of n changes, asked for one by one in order.
func (c *crash) keeper(n int) func() bool {
	switch c.way {
	case loseAll:
		return func() bool { return false }
	case keepAll:
		return func() bool { return true }
	case keepPrefix:
		left := c.rng.IntN(n + 1)
		return func() bool { left--; return left >= 0 }
	default:
		return func() bool { return c.rng.IntN(2) == 0 }
	}
}

func (c *crash) dir(d *memDir) *memDir {
	entries := maps.Clone(d.durable)
	keep := c.keeper(len(d.pending))
	for _, ch := range d.pending {
		if !keep() {
			continue
		}
		if ch.gone != "" {
			delete(entries, ch.gone)
		}
		if ch.name != "" {
			entries[ch.name] = ch.node
		}
	}
	clone := newMemDir()
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		clone.entries[name] = c.inode(entries[name])
	}
	clone.durable = maps.Clone(clone.entries)
	return clone
}

func (c *crash) inode(n *memInode) *memInode {
	if clone := c.clones[n]; clone != nil {
		return clone
	}
	keep := c.keeper(len(n.dirty) + 2)
	cutKept := n.cut >= 0 && keep()
	// Start from the size that the disk holds. Sectors kept beyond it lengthen the file; the size
	// itself is one more change.
	data := make([]byte, n.durableSize)
	copy(data, n.data)
	if cutKept {
		data = data[:n.cut]
	}
	put := func(sector int64, b []byte) {
		start := sector * sectorBytes
		if end := start + int64(len(b)); len(b) > 0 && end > int64(len(data)) {
			data = append(data, make([]byte, end-int64(len(data)))...)
		}
		if start < int64(len(data)) {
			clear(data[start+int64(copy(data[start:], b)) : min(start+sectorBytes, int64(len(data)))])
		}
	}
	for _, s := range slices.Sorted(maps.Keys(n.lost)) {
		put(s, n.lost[s])
	}
	for _, s := range slices.Sorted(maps.Keys(n.dirty)) {
		start, end := s*sectorBytes, (s+1)*sectorBytes
		switch kept := keep(); {
		case n.cut >= 0 && end > n.cut && !cutKept:
			put(s, n.dirty[s])
		case kept && start < int64(len(n.data)):
			put(s, n.data[start:min(end, int64(len(n.data)))])
		case !kept && !(cutKept && start >= n.cut):
			put(s, n.oldSector(s, cutKept))
		}
	}
	if size := int64(len(n.data)); keep() && !n.sizeLost && (n.cut < 0 || cutKept) {
		data = append(data, make([]byte, max(size-int64(len(data)), 0))...)[:size]
	}
	clone := newMemInode(data)
	c.clones[n] = clone
	return clone
}

// oldSector returns what the disk holds of a dirty sector, up to the cut if that was kept.
func (n *memInode) oldSector(sector int64, cutKept bool) []byte {
	old := n.dirty[sector]
	if cutKept {
		return old[:min(int64(len(old)), n.cut-sector*sectorBytes)]
	}
	return old
}
