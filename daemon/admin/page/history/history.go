// Package history keeps the course of a server's rates and times over the last minutes.
//
// It takes readings of what a server has counted since its start and keeps what happened between each two of
// them, as many points as it was made for and no more. Readings come with their time: it knows no clock. It is
// for one goroutine.
package history

// Reading is what a server has counted up to one moment.
type Reading struct {
	// Seconds is the moment, by a clock that does not go back. Where it begins does not matter.
	Seconds float64
	// Reads and Writes are the times to answer requests, Syncs those of syncs of the log.
	Reads, Writes, Syncs Times
	// Commits is how many transactions were committed.
	Commits int64
	// Connections and Waiting are not counted up: as many clients are connected, as many requests wait.
	Connections, Waiting int64
}

// Times are durations, in microseconds, counted since the start of the server.
type Times struct {
	Count int64
	// Buckets are ascending by Upper. Those that are empty may be left out.
	Buckets []Bucket
}

// Bucket counts the durations above the one before it and up to Upper.
type Bucket struct{ Upper, Count int64 }

// Point is what happened between two readings.
type Point struct {
	// Seconds is when it ended, Length how long it took; above 0.
	Seconds, Length      float64
	Reads, Writes, Syncs Course
	Commits              float64 // a second
	Connections, Waiting int64   // at the end
}

// Course is what became of durations between two readings.
type Course struct {
	PerSecond float64
	// Measured says that there was any. If so, half of them were at most P50 and 99 of 100 at most P99, in
	// microseconds.
	Measured bool
	P50, P99 int64
}

// History is a ring of points.
type History struct {
	points []Point // the oldest at next once the ring is full
	next   int
	size   int
	last   Reading
	begun  bool
}

// New makes a History of at most n points; n is at least 1.
func New(n int) *History { return &History{points: make([]Point, 0, n), size: n} }

// Add takes a reading. The first one, and one that is less than the one before because the counts began anew,
// makes no point. The lists in r belong to the History afterwards.
func (h *History) Add(r Reading) {
	last, begun := h.last, h.begun
	h.last, h.begun = r, true
	length := r.Seconds - last.Seconds
	if !begun || length <= 0 || r.Commits < last.Commits {
		return
	}
	p := Point{Seconds: r.Seconds, Length: length, Commits: float64(r.Commits-last.Commits) / length,
		Connections: r.Connections, Waiting: r.Waiting}
	for _, c := range []struct {
		course    *Course
		now, then Times
	}{{&p.Reads, r.Reads, last.Reads}, {&p.Writes, r.Writes, last.Writes}, {&p.Syncs, r.Syncs, last.Syncs}} {
		var ok bool
		if *c.course, ok = between(c.then, c.now, length); !ok {
			return
		}
	}
	if len(h.points) < h.size {
		h.points = append(h.points, p)
		return
	}
	h.points[h.next] = p
	h.next = (h.next + 1) % h.size
}

// Points returns a copy of the points, the oldest first. Where one does not begin when the one before it ended,
// something is missing between them.
func (h *History) Points() []Point {
	return append(append(make([]Point, 0, len(h.points)), h.points[h.next:]...), h.points[:h.next]...)
}

// between is what was counted from then until now; ok is false if the counts began anew.
func between(then, now Times, length float64) (c Course, ok bool) {
	n := now.Count - then.Count
	if n < 0 {
		return c, false
	}
	c.PerSecond = float64(n) / length
	fresh := make([]Bucket, 0, len(now.Buckets))
	total, i := int64(0), 0
	for _, b := range now.Buckets {
		for i < len(then.Buckets) && then.Buckets[i].Upper < b.Upper {
			i++
		}
		if i < len(then.Buckets) && then.Buckets[i].Upper == b.Upper {
			b.Count -= then.Buckets[i].Count
		}
		if b.Count < 0 {
			return c, false
		}
		total += b.Count
		fresh = append(fresh, b)
	}
	if total > 0 {
		c.Measured, c.P50, c.P99 = true, quantile(fresh, total, 50), quantile(fresh, total, 99)
	}
	return c, true
}

// quantile is the bound of the bucket that percent of 100 of all total durations do not exceed; total is above 0.
func quantile(buckets []Bucket, total, percent int64) int64 {
	rank := (total*percent + 99) / 100
	seen := int64(0)
	for _, b := range buckets {
		if seen += b.Count; seen >= rank {
			return b.Upper
		}
	}
	return buckets[len(buckets)-1].Upper
}
