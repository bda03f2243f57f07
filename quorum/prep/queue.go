package prep

// queue is a first-in, first-out queue that can also give back its newest items.
type queue[T any] struct {
	items []T // those before first are gone
	first int
}

func (q *queue[T]) push(v T) { q.items = append(q.items, v) }

func (q *queue[T]) len() int { return len(q.items) - q.first }

// all returns a view of the items, oldest first.
func (q *queue[T]) all() []T { return q.items[q.first:] }

// pop removes the oldest item. Its place is used again once as many items are gone as are left.
func (q *queue[T]) pop() {
	var zero T
	q.items[q.first] = zero
	q.first++
	if 2*q.first >= len(q.items) {
		n := copy(q.items, q.items[q.first:])
		clear(q.items[n:])
		q.items, q.first = q.items[:n], 0
	}
}

// unpush removes the newest item.
func (q *queue[T]) unpush() {
	var zero T
	last := len(q.items) - 1
	q.items[last] = zero
	q.items = q.items[:last]
}
