package main

import (
	"fmt"
	"time"

	"zkd/cmd/zkbench/load"
	"zkd/cmd/zkbench/wire"
)

const (
	keyCount  = 1000 // znodes that get and set work on
	fillLimit = 20 * time.Minute
)

// keys are the znodes that get and set work on.
func keys() family { return newFamily("keys", 1) }

// pipelined is a trial of independent requests on some connections.
type pipelined struct {
	streams []load.Stream
	conns   []*wire.Conn
	depth   int
	rate    float64 // of an open loop, per second; 0 for a closed one
	after   func() error
}

func (p *pipelined) run(w load.Window) (*load.Histogram, error) {
	if p.rate == 0 {
		return load.Closed(p.streams, p.depth, w)
	}
	sleepUntil, release := load.FineTimer()
	defer release()
	schedule := load.Schedule{Window: w, PerSecond: p.rate, SleepUntil: sleepUntil}
	latency, _, err := schedule.Run(p.streams)
	return latency, err
}

func (p *pipelined) close() error {
	defer closeAll(p.conns)
	if p.after != nil {
		return p.after()
	}
	return nil
}

// prepareGets makes the keys, unless the server is one that has all of them.
func prepareGets(conns, depth int, rate float64) func(addr string, on place) (trial, error) {
	return func(addr string, on place) (trial, error) {
		family := keys()
		family.sameData = on.echo
		if !on.echo {
			if err := makeZnodes(addr, family, keyCount, dialTimeout); err != nil {
				return nil, err
			}
		}
		return prepare(addr, conns, pipelined{depth: depth, rate: rate}, func(stream int) load.Work {
			return &getWork{family: family, stream: stream, count: keyCount}
		})
	}
}

func prepareSets(conns, depth int) func(addr string, on place) (trial, error) {
	return func(addr string, _ place) (trial, error) {
		if err := makeZnodes(addr, keys(), keyCount, dialTimeout); err != nil {
			return nil, err
		}
		return prepare(addr, conns, pipelined{depth: depth}, func(stream int) load.Work {
			return &setWork{family: keys(), stream: stream, count: keyCount}
		})
	}
}

// prepareCreates makes new parents for each run, and has the run's znodes removed at its end so that
// the next one finds a server of the same size.
func prepareCreates(conns, depth int) func(addr string, on place) (trial, error) {
	return func(addr string, on place) (trial, error) {
		family := newFamily(fmt.Sprintf("create%d", on.run), conns)
		if err := makeParents(addr, family); err != nil {
			return nil, err
		}
		var works []*createWork
		p := pipelined{depth: depth}
		p.after = func() error { return removeZnodes(addr, works) }
		return prepare(addr, conns, p, func(stream int) load.Work {
			work := &createWork{family: family, stream: stream}
			works = append(works, work)
			return work
		})
	}
}

// removeZnodes deletes what works have made, each with a connection of its own.
func removeZnodes(addr string, works []*createWork) error {
	conns, err := openAll(addr, len(works))
	defer closeAll(conns)
	if err != nil {
		return err
	}
	var streams []load.Stream
	for i, work := range works {
		if work.issued > 0 {
			streams = append(streams, load.Stream{Conn: conns[i], Work: deleteWork{work}, Count: work.issued})
		}
	}
	_, err = load.Closed(streams, fillDepth, load.NewWindow(0, fillLimit))
	return err
}

// prepare opens the connections of p.
func prepare(addr string, conns int, p pipelined, work func(stream int) load.Work) (trial, error) {
	var err error
	if p.conns, err = openAll(addr, conns); err != nil {
		closeAll(p.conns)
		return nil, err
	}
	for i, c := range p.conns {
		p.streams = append(p.streams, load.Stream{Conn: c, Work: work(i)})
	}
	return &p, nil
}
