package sim

import (
	"container/heap"
	"time"
)

// event is something that will happen.
type event struct {
	at  time.Duration // virtual time since the world began
	seq uint64        // of two at the same time the older is first
	do  func()
}

// queue holds what will happen, the next first.
type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}

// after lets something happen after d.
func (w *World) after(d time.Duration, do func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now + max(d, 0), w.seq, do})
}

// step lets the next thing happen.
func (w *World) step() {
	e := heap.Pop(&w.queue).(event)
	w.now = max(w.now, e.at)
	e.do()
	w.net.sweep()
}

// between draws a duration from low to high.
func (w *World) between(low, high time.Duration) time.Duration {
	return low + time.Duration(w.rng.Int64N(int64(high-low)+1))
}

// chance reports true once in n times.
func (w *World) chance(n int) bool { return n > 0 && w.rng.IntN(n) == 0 }

// pick draws one of all.
func pick[T any](w *World, all ...T) T { return all[w.rng.IntN(len(all))] }
