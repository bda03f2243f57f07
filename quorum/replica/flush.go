package replica

import (
	"runtime"
	"sync"
)

// flushPool sends the output of many connections on a few goroutines.
type flushPool struct {
	work    chan Flusher
	workers sync.WaitGroup
}

// flushQueue bounds the hand-over; the loop waits when the pool is that far behind, which is safe
// because no Flush blocks.
const flushQueue = 1024

func (p *flushPool) start() {
	p.work = make(chan Flusher, flushQueue)
	for range runtime.GOMAXPROCS(0) {
		p.workers.Go(func() {
			for f := range p.work {
				f.Flush()
			}
		})
	}
}

func (p *flushPool) flush(all []Flusher) {
	for _, f := range all {
		p.work <- f
	}
}

func (p *flushPool) stop() {
	if p.work != nil {
		close(p.work)
		p.workers.Wait()
	}
}
