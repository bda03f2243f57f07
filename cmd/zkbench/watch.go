package main

import (
	"sync"
	"sync/atomic"
	"time"

	"zkd/cmd/zkbench/load"
	"zkd/cmd/zkbench/wire"
)

// watching is a trial of fan-out: every watcher reads one znode and leaves a watch, a writer sets the
// znode, and once all watchers have heard of it they begin again. One operation is one notification;
// its latency runs from the moment when the set is sent.
type watching struct {
	family   family
	writer   *wire.Conn
	watchers []*wire.Conn

	armed  chan struct{} // one for each watcher whose watch is set
	failed chan struct{} // closed after the first error, with all connections
	fail   sync.Once
	err    error

	sent atomic.Int64 // when the set left, nanoseconds since the window opened
	last atomic.Bool  // the set is the last of the run
}

func prepareWatch(watchers int) func(addr string, on place) (trial, error) {
	return func(addr string, _ place) (trial, error) {
		w := &watching{family: newFamily("watch", 1), armed: make(chan struct{}, watchers), failed: make(chan struct{})}
		if err := makeZnodes(addr, w.family, 1, dialTimeout); err != nil {
			return nil, err
		}
		conns, err := openAll(addr, watchers+1)
		if err != nil {
			closeAll(conns)
			return nil, err
		}
		w.writer, w.watchers = conns[0], conns[1:]
		return w, nil
	}
}

func (w *watching) close() error {
	closeAll(append(w.watchers, w.writer))
	return nil
}

// stop ends all goroutines of the run because of err.
func (w *watching) stop(err error) {
	w.fail.Do(func() {
		w.err = err
		close(w.failed)
		w.writer.Abort()
		for _, c := range w.watchers {
			c.Abort()
		}
	})
}

func (w *watching) run(window load.Window) (*load.Histogram, error) {
	latencies := make([]load.Histogram, len(w.watchers))
	var wg sync.WaitGroup
	for i, c := range w.watchers {
		c.SetDeadline(window.End.Add(load.Drain))
		wg.Go(func() {
			if err := w.watch(c, window, &latencies[i]); err != nil {
				w.stop(err)
			}
		})
	}
	w.writer.SetDeadline(window.End.Add(load.Drain))
	if err := w.write(window); err != nil {
		w.stop(err)
	}
	wg.Wait()
	all := new(load.Histogram)
	for i := range latencies {
		all.Merge(&latencies[i])
	}
	return all, w.err
}

// write sets the znode whenever all watchers are waiting, until the window has ended.
func (w *watching) write(window load.Window) error {
	work := setWork{family: w.family, count: 1}
	var r wire.Reply
	for n := int64(0); !w.last.Load(); n++ {
		for range w.watchers {
			select {
			case <-w.armed:
			case <-w.failed:
				return w.err
			}
		}
		now := time.Now()
		w.last.Store(!now.Before(window.End))
		w.sent.Store(int64(now.Sub(window.Open)))
		work.Issue(w.writer, n)
		if err := w.writer.Await(&r); err != nil {
			return err
		}
		if err := work.Check(&r, n); err != nil {
			return err
		}
	}
	return nil
}

// watch is one watcher.
func (w *watching) watch(c *wire.Conn, window load.Window, latency *load.Histogram) error {
	path, data := w.family.appendPath(nil, 0), w.family.appendData(nil, 0)
	var r wire.Reply
	for {
		c.Get(path, true)
		if err := c.Await(&r); err != nil {
			return err
		}
		if err := wire.CheckGet(&r, data); err != nil {
			return err
		}
		w.armed <- struct{}{}
		if err := c.Take(&r); err != nil {
			return err
		}
		now := time.Now()
		if err := wire.CheckDataChanged(&r, path); err != nil {
			return err
		}
		if window.Counts(now) {
			latency.Add(now.Sub(window.Open) - time.Duration(w.sent.Load()))
		}
		if w.last.Load() {
			return nil
		}
	}
}
