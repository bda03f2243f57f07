package tree

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

func TestRecordsHaveTheSizesOfThePackageComment(t *testing.T) {
	for name, size := range map[string][2]uintptr{
		"node":       {unsafe.Sizeof(node{}), 64},
		"ring":       {unsafe.Sizeof(ring{}), 8},
		"ext":        {unsafe.Sizeof(ext{}), 40},
		"bucket":     {unsafe.Sizeof(bucket{}), 64},
		"chunkState": {unsafe.Sizeof(chunkState{}), 16},
	} {
		if size[0] != size[1] {
			t.Errorf("%s has %d bytes, want %d", name, size[0], size[1])
		}
	}
}

func TestEverySizeFitsItsClassAndWastesLittle(t *testing.T) {
	for size := 1; size <= maxSmallBytes; size++ {
		class := classOf(size)
		block := classBytes(class)
		if class >= numClasses || block < size || block%unitBytes != 0 {
			t.Fatalf("%d bytes: class %d of %d bytes", size, class, block)
		}
		if class > 0 && classBytes(class-1) >= size {
			t.Fatalf("%d bytes: class %d, but the one below has %d bytes", size, class, classBytes(class-1))
		}
		if waste := block - size; waste >= unitBytes && waste > block/8 {
			t.Fatalf("%d bytes: a block of %d", size, block)
		}
	}
}

// TestBlocksDoNotOverlap allocates and frees at random and checks every block's content.
func TestBlocksDoNotOverlap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	a := newArena()
	type block struct {
		ref     uint32
		content []byte
	}
	var live []block
	sizes := []int{1, 8, 9, 100, 513, 4000, maxSmallBytes, maxSmallBytes + 1, 30_000}
	for step := range 30_000 {
		if grow := step%6000 < 4000; len(live) == 0 || r.IntN(10) < 7 == grow {
			content := bytes.Repeat([]byte{byte(step)}, sizes[r.IntN(len(sizes))])
			ref := a.alloc(len(content))
			copy(a.get(ref, len(content)), content)
			live = append(live, block{ref, content})
			continue
		}
		i := r.IntN(len(live))
		b := live[i]
		if !bytes.Equal(a.get(b.ref, len(b.content)), b.content) {
			t.Fatalf("step %d: block %d of %d bytes was overwritten", step, b.ref, len(b.content))
		}
		a.release(b.ref, len(b.content))
		live[i] = live[len(live)-1]
		live = live[:len(live)-1]
	}
	for _, b := range live {
		if !bytes.Equal(a.get(b.ref, len(b.content)), b.content) {
			t.Fatalf("block %d of %d bytes was overwritten", b.ref, len(b.content))
		}
		a.release(b.ref, len(b.content))
	}
	if a.chunkCount > numClasses || a.largeBytes != 0 {
		t.Errorf("%d chunks and %d bytes of large blocks are left of an empty arena", a.chunkCount, a.largeBytes)
	}
}

func TestIndexFindsExactlyWhatWasInserted(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	ix := newIndex()
	hashes := map[NodeID]uint32{}
	has := func(id NodeID, hash uint32) bool {
		for b := ix.first(hash); b != nil; b = ix.after(b) {
			if slices.Contains(b.slots[:b.used], indexSlot{hash, id}) {
				return true
			}
		}
		return false
	}
	for step := range 60_000 {
		id := NodeID(1 + r.IntN(40_000))
		if hash, in := hashes[id]; in {
			if !has(id, hash) {
				t.Fatalf("step %d: node %d is not found", step, id)
			}
			ix.remove(id, hash)
			if has(id, hash) {
				t.Fatalf("step %d: node %d is found after its removal", step, id)
			}
			delete(hashes, id)
			continue
		}
		hashes[id] = r.Uint32() >> (id % 2 * 16) // half of them crowded in few buckets
		ix.insert(id, hashes[id])
	}
	for id, hash := range hashes {
		if !has(id, hash) {
			t.Fatalf("node %d is not found", id)
		}
	}
	if int(ix.count) != len(hashes) {
		t.Errorf("count %d, want %d", ix.count, len(hashes))
	}
}

func TestFrozenPagesAreCopiedOnceBeforeTheFirstWrite(t *testing.T) {
	var s slab[int]
	for range 2 * pageItems {
		s.extend()
	}
	*s.mut(0) = 1
	first := s.freeze()
	*s.mut(0) = 2
	copied := s.pages[0]
	*s.mut(1) = 3
	if first[0][0] != 1 || *s.at(0) != 2 || s.pages[0] != copied || s.pages[1] != first[1] {
		t.Error("the first write must copy its page, the second and other pages must not")
	}
	second := s.freeze()
	*s.mut(0) = 4
	if first[0][0] != 1 || second[0][0] != 2 || *s.at(0) != 4 {
		t.Errorf("views have %d and %d, the slab %d; want 1, 2, 4", first[0][0], second[0][0], *s.at(0))
	}
	s.shared = 0
	last := s.pages[1]
	*s.mut(pageItems) = 5
	if s.pages[1] != last {
		t.Error("a page was copied although no view is live")
	}
}
