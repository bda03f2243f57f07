package tree

const (
	deferredBatch = 1024
	reclaimBatch  = 64
)

// deferredBlocks are blocks that nodes gave up while a view could still reach them, oldest first.
type deferredBlocks struct {
	batches []deferredList
}

// deferredList holds blocks that were given up between two freezes.
type deferredList struct {
	freezes uint32 // how many freezes had happened: a later view cannot reach them
	blocks  []deferredBlock
}

type deferredBlock struct {
	ref  uint32
	size int32
}

func (d *deferredBlocks) push(ref uint32, size int, freezes uint32) {
	last := len(d.batches) - 1
	if last < 0 || d.batches[last].freezes != freezes || len(d.batches[last].blocks) == deferredBatch {
		d.batches = append(d.batches, deferredList{freezes, make([]deferredBlock, 0, deferredBatch)})
		last++
	}
	l := &d.batches[last]
	l.blocks = append(l.blocks, deferredBlock{ref, int32(size)})
}

// reclaim frees some of the deferred blocks that no view can reach any more. It does little at a
// time because it is called with every txn: releasing a view after a million changes must not
// stop the server.
func (s *store) reclaim() {
	if len(s.deferred.batches) == 0 {
		return
	}
	l := &s.deferred.batches[0]
	if len(s.views) > 0 && s.views[0].number <= l.freezes {
		return
	}
	for range min(reclaimBatch, len(l.blocks)) {
		last := l.blocks[len(l.blocks)-1]
		l.blocks = l.blocks[:len(l.blocks)-1]
		s.arena.release(last.ref, int(last.size))
	}
	if len(l.blocks) == 0 {
		s.deferred.batches[0] = deferredList{}
		s.deferred.batches = s.deferred.batches[1:]
		if len(s.deferred.batches) == 0 {
			s.deferred.batches = nil
		}
	}
}
