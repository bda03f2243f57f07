package main

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"zkd/cmd/zkbench/load"
	"zkd/cmd/zkbench/peer"
	"zkd/cmd/zkbench/wire"
)

const (
	// setsPerSecond is the load while snapshots are written: much less than any server can do, so that
	// what disturbs it is the snapshot.
	setsPerSecond = 1000
	setConns      = 16
	// ballastBytes is the data of the large sets that go on beside them.
	ballastBytes = 8 << 10
	// enoughSets is how many must have met a snapshot for their p99 to mean something: ten are above it.
	enoughSets = 1000
)

// underSnapshots is what became of sets at a fixed rate while the server wrote snapshots.
type underSnapshots struct {
	snapshots int
	met       int64 // sets that waited while one was written
	// p99 of the sets alone, of those beside the large ones that make snapshots due, and of those that
	// met a snapshot.
	alone, normal, busy time.Duration
	noise               float64 // share of the machine that others used
}

// setUnderSnapshots starts p, which holds the znodes, so that it takes some snapshots during a run of
// sets, and tells the sets that met one from the others.
//
// Apache ZooKeeper takes one after a random number of txns in the upper half of snapCount. zkd waits
// besides until the log has grown to half of the last snapshot, so a connection of its own sets one
// large znode at a steady rate, on both servers and all the time. The sets are measured without it
// too, lest it be the large ones that make the usual p99 high.
func (s *suite) setUnderSnapshots(ctx context.Context, p *peer.Peer) (underSnapshots, error) {
	var u underSnapshots
	p.Kill()
	count := int(s.snapshotTime.Seconds() * setsPerSecond * 2 / 5)
	if _, err := p.Start(ctx, fmt.Sprintf("snapCount=%d", count)); err != nil {
		return u, err
	}
	large := newFamily("ballast", 1)
	if err := makeZnodes(p.Addr, large, 1, dialTimeout); err != nil {
		return u, err
	}
	conns, err := openAll(p.Addr, setConns+1)
	defer closeAll(conns)
	if err != nil {
		return u, err
	}
	before, err := usageNow(p)
	if err != nil {
		return u, err
	}
	watcher := watchSnapshots(p.DataDir())
	alone, beside, err := s.twoRunsOfSets(conns[:setConns], conns[setConns], large)
	spans, watchErr := watcher.stop()
	after, usageErr := usageNow(p)
	if err := cmp.Or(err, watchErr, usageErr); err != nil {
		return u, err
	}
	undisturbed, _ := split(alone, spans)
	normal, busy := split(beside, spans)
	if busy.Count() == 0 || normal.Count() == 0 || undisturbed.Count() == 0 {
		return u, fmt.Errorf("%d sets met a snapshot and %d did not: nothing to compare", busy.Count(), normal.Count())
	}
	u = underSnapshots{
		snapshots: len(spans), met: busy.Count(),
		alone: undisturbed.Quantile(0.99), normal: normal.Quantile(0.99), busy: busy.Quantile(0.99),
		noise: noiseBetween(before, after),
	}
	s.say("%-36s          %-8s %d snapshots met by %d sets; p99 alone %v, beside large sets %v, while a snapshot is written %v, noise %.0f %%",
		"sets under snapshots", p.Name, u.snapshots, u.met, u.alone.Round(time.Microsecond), u.normal.Round(time.Microsecond),
		u.busy.Round(time.Microsecond), u.noise*100)
	return u, nil
}

// twoRunsOfSets sets the held znodes on conns, first alone and then beside the ballast.
func (s *suite) twoRunsOfSets(conns []*wire.Conn, heavy *wire.Conn, large family) (alone, beside []load.Sample, err error) {
	var streams []load.Stream
	for i, conn := range conns {
		work := &setWork{family: newFamily("fill", fillConns), stream: i, count: int64(s.znodes)}
		streams = append(streams, load.Stream{Conn: conn, Work: work})
	}
	sleepUntil, release := load.FineTimer()
	defer release()
	sets := func(window load.Window) ([]load.Sample, error) {
		schedule := load.Schedule{Window: window, PerSecond: setsPerSecond, SleepUntil: sleepUntil, Trace: true}
		_, trace, err := schedule.Run(streams)
		return trace, err
	}
	warm := s.snapshotTime / 5 // a JVM that has just started is not
	if alone, err = sets(load.NewWindow(warm, s.snapshotTime/3)); err != nil {
		return nil, nil, err
	}
	window := load.NewWindow(warm, s.snapshotTime)
	ballast := make(chan error, 1)
	go func() { ballast <- s.runBallast(heavy, large, window) }()
	beside, err = sets(window)
	return alone, beside, cmp.Or(err, <-ballast)
}

// runBallast sets the first znode of large on conn while the window lasts.
func (s *suite) runBallast(conn *wire.Conn, large family, window load.Window) error {
	schedule := load.Schedule{
		Window: window, PerSecond: s.ballastPerSecond(),
		SleepUntil: func(t time.Time) { time.Sleep(time.Until(t)) },
	}
	work := &ballastWork{path: large.appendPath(nil, 0), data: make([]byte, ballastBytes)}
	_, _, err := schedule.Run([]load.Stream{{Conn: conn, Work: work}})
	return err
}

// ballastPerSecond is how many large sets make the log grow by half of a snapshot, in which a znode
// takes about twice its data, every quarter of the time; and a fifth more.
func (s *suite) ballastPerSecond() float64 {
	half := float64(s.znodes) * valueBytes
	return 1.2 * half / ballastBytes / (s.snapshotTime.Seconds() / 4)
}

// ballastWork sets one znode to the same large data.
type ballastWork struct{ path, data []byte }

func (w *ballastWork) Issue(c *wire.Conn, _ int64) { c.Set(w.path, w.data) }

func (w *ballastWork) Check(r *wire.Reply, _ int64) error { return wire.CheckSet(r, len(w.data)) }
