package main

import (
	"fmt"
	"math"
	"strings"
)

const mib = 1 << 20

// capacityTable is the table of what servers hold.
type capacityTable struct {
	*report
	table
}

// of is one figure of a server, NaN if it was not measured.
func (r *report) of(server string, field func(*capacity) float64) figure {
	c := r.held[server]
	if c == nil || field(c) == 0 {
		return math.NaN()
	}
	return field(c)
}

// held appends a row with a figure of both servers, unless there is none. demand is what zkd must
// reach, nil for nothing.
func (t *capacityTable) held(what string, field func(*capacity) float64, demand func(zkd, apache figure) string) {
	t.add(what, t.of(zkdName, field), t.of(apacheName, field), demand)
}

func (t *capacityTable) add(what string, zkd, apache figure, demand func(zkd, apache figure) string) {
	if math.IsNaN(zkd) && math.IsNaN(apache) {
		return
	}
	aim := ""
	if demand != nil {
		aim = demand(zkd, apache)
	}
	t.table = append(t.table, []string{what, versus(zkd, apache), aim})
}

// ratioAtMost demands that zkd's figure is no more than a share of Apache's. noises are those of both
// while it was measured; memory has none.
func ratioAtMost(limit float64, noises ...float64) func(zkd, apache figure) string {
	return func(zkd, apache figure) string {
		return judged("ratio ≤ "+exact(limit), missedIf(zkd/apache > limit), noises...)
	}
}

// zkdAtMost demands a figure of zkd itself.
func zkdAtMost(limit float64, noises ...float64) func(zkd, apache figure) string {
	return func(zkd, _ figure) string { return judged("zkd ≤ "+exact(limit), missedIf(zkd > limit), noises...) }
}

func missedIf(missed bool) []string {
	if missed {
		return []string{"it"}
	}
	return nil
}

// slowdownAtMost is zkdAtMost, but judges only where enough sets have met a snapshot.
func (r *report) slowdownAtMost(limit float64) func(zkd, apache figure) string {
	c := r.held[zkdName]
	if c == nil {
		c = new(capacity)
	}
	if c.sets.met < enoughSets {
		return func(figure, figure) string {
			return fmt.Sprintf("zkd ≤ %s; not judged: only %d sets met a snapshot", exact(limit), c.sets.met)
		}
	}
	return zkdAtMost(limit, c.sets.noise)
}

func startNoise(c *capacity) float64 { return c.startNoise }

func (r *report) writeCapacity(b *strings.Builder) {
	t := capacityTable{report: r, table: table{{"what", "zkd / Apache = ratio", "aim"}}}
	peak := func(name string) figure {
		if r.peakBytes[name] == 0 {
			return math.NaN()
		}
		return float64(r.peakBytes[name]) / mib
	}
	t.add("peak RSS during the work above, MiB", peak(zkdName), peak(apacheName), nil)
	t.held("RSS without znodes, MiB", func(c *capacity) float64 { return float64(c.emptyBytes) / mib }, nil)
	t.held(fmt.Sprintf("RSS with %s znodes of %d bytes, MiB", grouped(float64(r.znodes)), valueBytes),
		func(c *capacity) float64 { return float64(c.fullBytes) / mib }, ratioAtMost(0.25))
	t.held("the same in bytes per znode, less the empty server", func(c *capacity) float64 {
		return float64(c.fullBytes-c.emptyBytes) / float64(max(c.znodes, 1))
	}, nil)
	t.held("from start to first session after kill -9, ms",
		func(c *capacity) float64 { return micros(c.start) / 1000 },
		ratioAtMost(0.125, r.of(zkdName, startNoise), r.of(apacheName, startNoise)))
	t.held("noise during those starts, % of the machine", func(c *capacity) float64 { return c.startNoise * 100 }, nil)
	t.held("RSS after that start, MiB", func(c *capacity) float64 { return float64(c.restartedBytes) / mib }, nil)
	sets := fmt.Sprintf("%d sets a second: ", setsPerSecond)
	t.held(sets+"p99 alone, µs", func(c *capacity) float64 { return micros(c.sets.alone) }, nil)
	t.held(sets+"p99 beside large sets, µs", func(c *capacity) float64 { return micros(c.sets.normal) }, nil)
	t.held(sets+"p99 while a snapshot is written, µs", func(c *capacity) float64 { return micros(c.sets.busy) }, nil)
	t.held(sets+"p99 while a snapshot is written, over that beside large sets", func(c *capacity) float64 {
		return float64(c.sets.busy) / float64(max(c.sets.normal, 1))
	}, r.slowdownAtMost(2))
	t.held(sets+"how many met a snapshot", func(c *capacity) float64 { return float64(c.sets.met) }, nil)
	noise := func(name string) figure {
		if c := r.held[name]; c != nil && c.sets.met > 0 {
			return c.sets.noise * 100
		}
		return math.NaN()
	}
	t.add(sets+"noise, % of the machine", noise(zkdName), noise(apacheName), nil)
	t.held("KiB per idle session", func(c *capacity) float64 { return c.bytesPerSession / 1024 }, zkdAtMost(10))
	if len(t.table) > 1 {
		b.WriteString("\n")
		t.table.write(b)
	}
}
