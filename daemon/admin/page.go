package admin

import (
	"context"
	"net/http"
	"sync"
	"time"

	"zkd/daemon/admin/page"
	"zkd/daemon/admin/page/history"
	"zkd/quorum"
	"zkd/quorum/stats"
)

// The plots of the page are about the last courseMinutes, with a point every courseStep.
const (
	courseStep    = 5 * time.Second
	courseMinutes = 10
	coursePoints  = courseMinutes * 60 * int(time.Second) / int(courseStep)
)

// course follows the server's rates and times for the page. Any goroutine may use it.
type course struct {
	source Source
	clock  func() float64 // seconds, of which it does not matter where they begin

	mu      sync.Mutex
	history *history.History
}

func newCourse(source Source) *course {
	began := time.Now()
	return &course{source: source, history: history.New(coursePoints), clock: func() float64 { return time.Since(began).Seconds() }}
}

// follow takes a reading every courseStep until ctx is done.
func (c *course) follow(ctx context.Context) {
	tick := time.NewTicker(courseStep)
	defer tick.Stop()
	for {
		c.read()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *course) read() {
	r := reading(c.source.Stats(), c.source.Status())
	c.mu.Lock()
	defer c.mu.Unlock()
	r.Seconds = c.clock()
	c.history.Add(r)
}

// points returns what there is, and the present time by the same clock.
func (c *course) points() (points []history.Point, now float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.history.Points(), c.clock()
}

func reading(n *stats.Server, st quorum.Status) history.Reading {
	times := func(h *stats.Histogram) history.Times {
		t := history.Times{Count: h.Count()}
		h.Buckets(func(upper, count int64) { t.Buckets = append(t.Buckets, history.Bucket{Upper: upper, Count: count}) })
		return t
	}
	return history.Reading{
		Reads: times(&n.ReadLatency), Writes: times(&n.WriteLatency), Syncs: times(&n.FsyncMicros),
		Commits: n.Commits.Load(), Connections: int64(st.Connections), Waiting: int64(st.Outstanding),
	}
}

// index answers the page for people.
func (s *Server) index(w http.ResponseWriter, r *http.Request) {
	points, at := s.course.points()
	body, err := s.page.Render(viewOf(s.report(r.Context()), s.now(), plotsOf(points, at)))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Security-Policy", s.page.Policy())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(body)
}

// plotsOf are the plots of the points at a moment, in the order of the page.
func plotsOf(points []history.Point, at float64) []page.Plot {
	// line has a value for each point of which there is one.
	line := func(name string, value func(history.Point) (float64, bool)) page.Line {
		l := page.Line{Name: name}
		gap := true
		for i, p := range points {
			const jitter = 1e-6
			gap = gap || p.Seconds-p.Length > points[i-1].Seconds+jitter
			v, ok := value(p)
			if !ok {
				gap = true
				continue
			}
			l.Points = append(l.Points, page.Point{Ago: max(0, at-p.Seconds), Value: v, Gap: gap})
			gap = false
		}
		return l
	}
	plot := func(title, unit string, lines ...page.Line) page.Plot {
		return page.Plot{Title: title, Unit: unit, Span: courseMinutes * 60, Step: courseStep.Seconds(), Lines: lines}
	}
	amount := func(value func(history.Point) float64) page.Line {
		return line("", func(p history.Point) (float64, bool) { return value(p), true })
	}
	times := func(title string, of func(history.Point) history.Course) page.Plot {
		return plot(title, " ms",
			line("half", func(p history.Point) (float64, bool) { c := of(p); return millis(float64(c.P50)), c.Measured }),
			line("99 of 100", func(p history.Point) (float64, bool) { c := of(p); return millis(float64(c.P99)), c.Measured }))
	}
	return []page.Plot{
		plot("Reads", "/s", amount(func(p history.Point) float64 { return p.Reads.PerSecond })),
		plot("Writes", "/s", amount(func(p history.Point) float64 { return p.Writes.PerSecond })),
		plot("Transactions", "/s", amount(func(p history.Point) float64 { return p.Commits })),
		plot("Connections", "", amount(func(p history.Point) float64 { return float64(p.Connections) })),
		times("Time of a read", func(p history.Point) history.Course { return p.Reads }),
		times("Time of a write", func(p history.Point) history.Course { return p.Writes }),
		times("Sync of the log", func(p history.Point) history.Course { return p.Syncs }),
		plot("Requests waiting", "", amount(func(p history.Point) float64 { return float64(p.Waiting) })),
	}
}
