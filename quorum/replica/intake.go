package replica

import (
	"slices"
	"sync"
)

// intake is the queue into the loop. It has no bound of its own: every connection bounds what it has
// outstanding, and the server bounds the connections.
type intake struct {
	mu    sync.Mutex
	queue []Request
	wake  chan struct{} // holds a token while queue may not be empty
}

func (in *intake) add(requests []Request) {
	in.mu.Lock()
	in.queue = append(in.queue, requests...)
	in.mu.Unlock()
}

// signal wakes the loop.
func (in *intake) signal() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// take moves at most limit requests, oldest first, behind batch.
func (in *intake) take(batch []Request, limit int) []Request {
	in.mu.Lock()
	n := min(limit, len(in.queue))
	batch = append(batch, in.queue[:n]...)
	in.queue = slices.Delete(in.queue, 0, n) // clears the tail, so nothing is kept alive
	left := len(in.queue)
	in.mu.Unlock()
	if left > 0 {
		in.signal()
	}
	return batch
}

func (in *intake) len() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return len(in.queue)
}
