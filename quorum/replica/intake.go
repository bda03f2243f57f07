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

// take moves requests, oldest first, behind batch: at most limit, and no more once their bodies reach
// maxBytes.
func (in *intake) take(batch []Request, limit, maxBytes int) []Request {
	in.mu.Lock()
	n := 0
	for bytes := 0; n < min(limit, len(in.queue)) && bytes < maxBytes; n++ {
		bytes += len(in.queue[n].Body)
	}
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
