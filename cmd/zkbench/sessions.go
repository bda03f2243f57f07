package main

import (
	"fmt"
	"sync"
	"time"

	"zkd/cmd/zkbench/load"
	"zkd/cmd/zkbench/wire"
	"zkd/quorum/zk"
)

// smallBufferBytes is enough for the replies of a session that does next to nothing.
const smallBufferBytes = 256

// sessions is a trial in which one operation is a whole session: connect, perhaps one ephemeral
// znode, close.
type sessions struct {
	addr      string
	workers   int
	parent    string
	ephemeral bool
}

func prepareSessions(workers int, ephemeral bool) func(addr string, on place) (trial, error) {
	return func(addr string, _ place) (trial, error) {
		family := newFamily("sessions", 1)
		err := makeParents(addr, family)
		return &sessions{addr: addr, workers: workers, parent: family.parents[0], ephemeral: ephemeral}, err
	}
}

func (s *sessions) close() error { return nil }

func (s *sessions) run(w load.Window) (*load.Histogram, error) {
	latencies, errs := make([]load.Histogram, s.workers), make([]error, s.workers)
	var wg sync.WaitGroup
	for i := range s.workers {
		wg.Go(func() {
			for begin := time.Now(); begin.Before(w.End); begin = time.Now() {
				if errs[i] = s.one(); errs[i] != nil {
					return
				}
				if end := time.Now(); w.Counts(end) {
					latencies[i].Add(end.Sub(begin))
				}
			}
		})
	}
	wg.Wait()
	all := new(load.Histogram)
	for i := range latencies {
		all.Merge(&latencies[i])
	}
	return all, firstOf(errs)
}

// one is one operation.
func (s *sessions) one() error {
	c, err := wire.Open(s.addr, dialTimeout, sessionTimeout, smallBufferBytes)
	if err != nil {
		return err
	}
	if s.ephemeral {
		c.SetDeadline(time.Now().Add(dialTimeout))
		path := fmt.Appendf(nil, "%s/e%x", s.parent, uint64(c.Session))
		c.Create(path, []byte(filler), zk.ModeEphemeral)
		var r wire.Reply
		if err = c.Await(&r); err == nil {
			err = wire.CheckCreate(&r, path)
		}
		if err != nil {
			c.Abort()
			return err
		}
	}
	return c.Close(dialTimeout)
}

func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// openIdle opens count sessions at once from a few goroutines and pings each of them, so that all are
// known to be served. The caller closes those that it gets, also with an error.
func openIdle(addr string, count int) ([]*wire.Conn, error) {
	const workers = 16
	conns, errs := make([][]*wire.Conn, workers), make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for n := i; n < count && errs[i] == nil; n += workers {
				var c *wire.Conn
				if c, errs[i] = wire.Open(addr, dialTimeout, sessionTimeout, 0); errs[i] == nil {
					conns[i] = append(conns[i], c)
				}
			}
			for _, c := range conns[i] {
				if errs[i] != nil {
					return
				}
				c.SetDeadline(time.Now().Add(dialTimeout))
				c.Ping()
				errs[i] = c.Await(new(wire.Reply))
			}
		})
	}
	wg.Wait()
	var all []*wire.Conn
	for _, some := range conns {
		all = append(all, some...)
	}
	return all, firstOf(errs)
}
