package zab

import (
	"cmp"
	"slices"

	"zkd/quorum/zk"
)

// window holds a run of txns without a gap, oldest first: those somebody still needs. Zxids of a
// leader's window are of one epoch; a learner's may span epochs while it syncs.
type window struct {
	txns []Txn
	ends []int64 // ends[i] is how many bytes were ever added up to and with txns[i]
	head int     // first that is kept
	cut  int64   // bytes ever added up to what was dropped
}

func (w *window) len() int { return len(w.txns) - w.head }

// all returns what is kept. It is a view, valid until the next drop or add.
func (w *window) all() []Txn { return w.txns[w.head:] }

func (w *window) add(t Txn) {
	w.txns = append(w.txns, t)
	w.ends = append(w.ends, w.added()+int64(len(t.Data)))
}

func (w *window) added() int64 {
	if n := len(w.ends); n > 0 {
		return w.ends[n-1]
	}
	return w.cut
}

// upto returns how many of the kept txns are at or below z.
func (w *window) upto(z zk.Zxid) int {
	kept := w.all()
	if len(kept) == 0 || z < kept[0].Zxid {
		return 0
	}
	if first := kept[0].Zxid; first.Epoch() == kept[len(kept)-1].Zxid.Epoch() {
		return min(int(z-first)+1, len(kept))
	}
	n, _ := slices.BinarySearchFunc(kept, z, func(t Txn, z zk.Zxid) int { return cmp.Compare(t.Zxid, z+1) })
	return n
}

// between returns the txns above low, up to and with high: a view.
func (w *window) between(low, high zk.Zxid) []Txn {
	kept := w.all()
	from, to := w.upto(low), w.upto(high)
	return kept[from:max(from, to)]
}

// bytesAfter returns how many bytes of txns above z are kept.
func (w *window) bytesAfter(z zk.Zxid) int64 {
	n := w.upto(z)
	if n == 0 {
		return w.added() - w.cut
	}
	return w.added() - w.ends[w.head+n-1]
}

// dropUpto lets go of the txns at or below z.
func (w *window) dropUpto(z zk.Zxid) {
	n := w.upto(z)
	if n == 0 {
		return
	}
	w.cut = w.ends[w.head+n-1]
	clear(w.txns[w.head : w.head+n])
	w.head += n
	if w.head == len(w.txns) {
		w.txns, w.ends, w.head = w.txns[:0], w.ends[:0], 0
	} else if w.head > 256 && w.head*2 > len(w.txns) {
		kept := copy(w.txns, w.txns[w.head:])
		copy(w.ends, w.ends[w.head:])
		clear(w.txns[kept:])
		w.txns, w.ends, w.head = w.txns[:kept], w.ends[:kept], 0
	}
}
