package main

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"zkd/cmd/zkbench/peer"
)

// capacity is what one server needs to hold much, each figure 0 if it was not measured.
type capacity struct {
	znodes          int
	emptyBytes      int64 // RSS without znodes
	fullBytes       int64 // RSS of the server that made the znodes
	restartedBytes  int64 // RSS of the server that found them
	start           time.Duration
	startNoise      float64 // share of the machine that others used during the starts
	sets            underSnapshots
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
	var starts, noises []float64
	for range s.rounds {
		p.Kill()
		before, err := usageWithoutServer()
		if err != nil {
			return err
		}
		start, err := p.Start(ctx)
		if err != nil {
			return err
		}
		after, err := usageNow(p)
		if err != nil {
			return err
		}
		starts, noises = append(starts, float64(start)), append(noises, noiseBetween(before, after))
		if c.restartedBytes, err = settled(ctx, p); err != nil {
			return err
		}
		s.say("%-36s          %-8s after %v, RSS %d MiB", "first session after kill -9", p.Name, start.Round(time.Millisecond), c.restartedBytes>>20)
	}
	c.start, c.startNoise = time.Duration(median(starts)), median(noises)
	c.sets, err = s.setUnderSnapshots(ctx, p)
	return err
}

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

// median returns the middle one of values, the mean of both where there are two. values is not empty.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
