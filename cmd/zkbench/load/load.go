// Package load drives connections and measures what comes back.
//
// In a closed loop a fixed number of requests is outstanding on each connection and a reply makes
// room for the next request: it finds the throughput. In an open loop requests leave on a schedule
// that does not care for replies, and latencies count from the schedule: a server that stalls
// cannot hide the requests that would have been sent meanwhile.
//
// Clocks are read once for each write and each read, not for each request: the requests of a write
// begin with it, the replies of a read arrive with it.
package load

import (
	"cmp"
	"time"

	"zkd/cmd/zkbench/wire"
)

// Work makes the requests of one connection and judges their replies. n counts the connection's
// requests from 0. Issue and Check may be called by different goroutines, each by one.
type Work interface {
	Issue(c *wire.Conn, n int64)
	Check(r *wire.Reply, n int64) error
}

// Stream is one connection with its work. Nothing may be outstanding on it.
type Stream struct {
	Conn *wire.Conn
	Work Work
	// Count is how many requests a closed loop makes at most, 0 for no bound.
	Count int64
}

// Window is the time of a run: requests are made from Open to End and counted from Begin to End.
type Window struct{ Open, Begin, End time.Time }

// NewWindow returns the Window that opens now, with warmup before duration.
func NewWindow(warmup, duration time.Duration) Window {
	now := time.Now()
	return Window{Open: now, Begin: now.Add(warmup), End: now.Add(warmup + duration)}
}

// Counts reports whether what is dated t is part of the measurement.
func (w Window) Counts(t time.Time) bool { return !t.Before(w.Begin) && t.Before(w.End) }

// Drain is how long replies may take once the window has ended.
const Drain = 10 * time.Second

// outcome is what one stream has to tell.
type outcome struct {
	latency Histogram
	trace   []Sample
	err     error
}

// merge joins the latencies of all streams and returns the first error.
func merge(all []outcome) (*Histogram, error) {
	latency := new(Histogram)
	var err error
	for i := range all {
		latency.Merge(&all[i].latency)
		err = cmp.Or(err, all[i].err)
	}
	return latency, err
}
