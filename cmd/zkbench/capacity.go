package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"zkd/cmd/zkbench/load"
	"zkd/cmd/zkbench/peer"
	"zkd/cmd/zkbench/wire"
)

// capacity is what one server needs to hold much, each figure 0 if it was not measured.
type capacity struct {
	znodes          int
	emptyBytes      int64 // RSS without znodes
	fullBytes       int64 // RSS of the server that made the znodes
	restartedBytes  int64 // RSS of the server that found them
	start           time.Duration
	snapshots       int           // that were written while sets went on
	normal, busy    time.Duration // p99 of sets: without a snapshot, and while one is written
	sessions        int
	bytesPerSession float64
}

// capacityPart is one figure or several that are found together.
type capacityPart struct {
	name string // for --only
	run  func(s *suite, ctx context.Context, p *peer.Peer, c *capacity) error
}

var capacityParts = []capacityPart{
	{"znodes", (*suite).holdZnodes},
	{"sessions", (*suite).holdSessions},
}

const (
	fillConns = 10
	// settle is how long a server is left alone before its memory is read.
	settle = 3 * time.Second
	// setsPerSecond is the load while snapshots are written: much less than any server can do, so that
	// what disturbs it is the snapshot.
	setsPerSecond = 1000
	setConns      = 16
	// ballastBytes is the data of the large sets that go on beside them.
	ballastBytes = 64 << 10
)

// runCapacity runs one part on a server of its own, which is wiped at the end.
func (s *suite) runCapacity(ctx context.Context, name string, part capacityPart, c *capacity) error {
	p := s.newPeer(name, name+"-"+part.name)
	defer func() {
		p.Kill()
		if err := p.Wipe(); err != nil {
			s.say("%v", err)
		}
	}()
	if _, err := p.Start(ctx); err != nil {
		return err
	}
	return part.run(s, ctx, p, c)
}

// settled returns the server's RSS after a pause.
func settled(ctx context.Context, p *peer.Peer) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(settle):
	}
	used, err := p.Usage()
	return used.RSSBytes, err
}

// holdZnodes fills p, kills and starts it again, and at last has it write snapshots under sets.
func (s *suite) holdZnodes(ctx context.Context, p *peer.Peer, c *capacity) error {
	var err error
	if c.emptyBytes, err = settled(ctx, p); err != nil {
		return err
	}
	c.znodes = s.znodes
	begin := time.Now()
	if err := makeZnodes(p.Addr, newFamily("fill", fillConns), int64(s.znodes), fillLimit); err != nil {
		return err
	}
	took := time.Since(begin)
	if c.fullBytes, err = settled(ctx, p); err != nil {
		return err
	}
	s.say("%-36s          %-8s made in %v, RSS %d MiB", "znodes", p.Name, took.Round(time.Millisecond), c.fullBytes>>20)
	var starts []time.Duration
	for range s.rounds {
		p.Kill()
		start, err := p.Start(ctx)
		if err != nil {
			return err
		}
		starts = append(starts, start)
		if c.restartedBytes, err = settled(ctx, p); err != nil {
			return err
		}
		s.say("%-36s          %-8s after %v, RSS %d MiB", "first session after kill -9", p.Name, start.Round(time.Millisecond), c.restartedBytes>>20)
	}
	c.start = median(starts, func(d time.Duration) float64 { return float64(d) })
	return s.setUnderSnapshots(ctx, p, c)
}

// setUnderSnapshots starts p so that it takes some snapshots during a run of sets, and tells the sets
// that met one from the others.
//
// Apache ZooKeeper takes one after a random number of txns in the upper half of snapCount. zkd waits
// besides until the log has grown to half of the last snapshot, so a connection of its own sets one
// large znode at a steady rate: on both servers, and all the time.
func (s *suite) setUnderSnapshots(ctx context.Context, p *peer.Peer, c *capacity) error {
	p.Kill()
	count := int(s.snapshotTime.Seconds() * setsPerSecond * 2 / 5)
	if _, err := p.Start(ctx, fmt.Sprintf("snapCount=%d", count)); err != nil {
		return err
	}
	large := newFamily("ballast", 1)
	if err := makeZnodes(p.Addr, large, 1, dialTimeout); err != nil {
		return err
	}
	conns, err := openAll(p.Addr, setConns+1)
	defer closeAll(conns)
	if err != nil {
		return err
	}
	var streams []load.Stream
	for i, conn := range conns[:setConns] {
		work := &setWork{family: newFamily("fill", fillConns), stream: i, count: int64(c.znodes)}
		streams = append(streams, load.Stream{Conn: conn, Work: work})
	}
	watcher := watchSnapshots(p.DataDir())
	window := load.NewWindow(s.snapshotTime/5, s.snapshotTime) // what a JVM still has to warm
	beside := make(chan error, 1)
	go func() {
		ballast := load.Schedule{
			Window: window, PerSecond: s.ballastPerSecond(),
			SleepUntil: func(t time.Time) { time.Sleep(time.Until(t)) },
		}
		work := &ballastWork{path: large.appendPath(nil, 0), data: make([]byte, ballastBytes)}
		_, _, err := ballast.Run([]load.Stream{{Conn: conns[setConns], Work: work}})
		beside <- err
	}()
	sleepUntil, release := load.FineTimer()
	defer release()
	schedule := load.Schedule{Window: window, PerSecond: setsPerSecond, SleepUntil: sleepUntil, Trace: true}
	_, trace, err := schedule.Run(streams)
	besideErr := <-beside
	spans, watchErr := watcher.stop()
	if err := cmp.Or(err, besideErr, watchErr); err != nil {
		return err
	}
	normal, busy := split(trace, spans)
	if normal.Count() == 0 || busy.Count() == 0 {
		return fmt.Errorf("%d sets met a snapshot and %d did not: nothing to compare", busy.Count(), normal.Count())
	}
	c.snapshots, c.normal, c.busy = len(spans), normal.Quantile(0.99), busy.Quantile(0.99)
	s.say("%-36s          %-8s %d snapshots; p99 of %d sets %v, of %d while one is written %v", "sets under snapshots", p.Name,
		c.snapshots, normal.Count(), c.normal.Round(time.Microsecond), busy.Count(), c.busy.Round(time.Microsecond))
	return nil
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

// holdSessions opens idle sessions, as many as files may be open.
func (s *suite) holdSessions(ctx context.Context, p *peer.Peer, c *capacity) error {
	const otherFiles = 200
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	count := s.sessions
	if room := int(min(limit.Max, 1<<30)) - otherFiles; room < count {
		s.say("only %d sessions: the limit of open files is %d", room, limit.Max)
		count = room
	}
	before, err := settled(ctx, p)
	if err != nil {
		return err
	}
	conns, err := openIdle(p.Addr, count)
	defer func() { // the server is killed next: nobody waits for its word
		for _, conn := range conns {
			conn.Abort()
		}
	}()
	if err != nil {
		return err
	}
	after, err := settled(ctx, p)
	if err != nil {
		return err
	}
	c.sessions, c.bytesPerSession = count, float64(after-before)/float64(count)
	s.say("%-36s          %-8s %d take %d MiB", "idle sessions", p.Name, count, (after-before)>>20)
	return nil
}

// median returns the middle one of values ordered by key, the lower one of two. values is not empty.
func median[T any](values []T, key func(T) float64) T {
	sorted := slices.SortedFunc(slices.Values(values), func(a, b T) int { return cmp.Compare(key(a), key(b)) })
	return sorted[(len(sorted)-1)/2]
}
