package load

import (
	"fmt"
	"sync"
	"time"

	"zkd/cmd/zkbench/wire"
)

// flushBytes is the most that a pacer which is late sends at once.
const flushBytes = 32 << 10

// Schedule is an open loop: request n of all leaves at Window.Open plus n/PerSecond, on the streams
// in turn.
type Schedule struct {
	Window
	PerSecond float64
	// SleepUntil returns at its argument and not before; see [FineTimer].
	SleepUntil func(time.Time)
	// Trace asks for a [Sample] of every counted request.
	Trace bool
}

// Sample is one request of an open loop: when it was due and how long after that it was answered.
type Sample struct {
	Due     time.Time
	Latency time.Duration
}

// due is when request n leaves.
func (s *Schedule) due(n int64) time.Time {
	return s.Open.Add(time.Duration(float64(n) * float64(time.Second) / s.PerSecond))
}

// requests is how many are due before the window ends.
func (s *Schedule) requests() int64 {
	n := int64(s.End.Sub(s.Open).Seconds() * s.PerSecond)
	for ; s.due(n).Before(s.End); n++ {
	}
	for ; n > 0 && !s.due(n-1).Before(s.End); n-- {
	}
	return n
}

// Run keeps the schedule and returns the latencies of the requests that were due in the counted part
// of the window, with a sample of each if asked for. Every request of the schedule is made and
// waited for, however late. After an error of any request all streams are closed.
func (s *Schedule) Run(streams []Stream) (*Histogram, []Sample, error) {
	all := make([]outcome, len(streams))
	var first error // the later ones only say that their stream was closed
	var once sync.Once
	abort := func(err error) {
		once.Do(func() {
			first = err
			for _, stream := range streams {
				stream.Conn.Abort()
			}
		})
	}
	total := s.requests()
	var wg sync.WaitGroup
	for i, stream := range streams {
		stream.Conn.SetDeadline(s.End.Add(Drain))
		wg.Go(func() {
			if err := s.receive(stream, int64(i), int64(len(streams)), total, &all[i]); err != nil {
				abort(err)
			}
		})
	}
	if err := s.pace(streams, total); err != nil {
		abort(fmt.Errorf("sending: %w", err))
	}
	wg.Wait()
	latency, _ := merge(all)
	var trace []Sample
	for i := range all {
		trace = append(trace, all[i].trace...)
	}
	return latency, trace, first
}

// pace makes all requests at their times.
func (s *Schedule) pace(streams []Stream, total int64) error {
	flushAll := func() error {
		for _, stream := range streams {
			if err := stream.Conn.Flush(); err != nil {
				return err
			}
		}
		return nil
	}
	for n := range total {
		if due := s.due(n); time.Until(due) > 0 {
			if err := flushAll(); err != nil {
				return err
			}
			s.SleepUntil(due)
		}
		stream := streams[n%int64(len(streams))]
		stream.Work.Issue(stream.Conn, n/int64(len(streams)))
		if stream.Conn.Pending() > flushBytes {
			if err := stream.Conn.Flush(); err != nil {
				return err
			}
		}
	}
	return flushAll()
}

// receive takes the replies to every request first, first+step, ... below total, which are those of
// its stream: their times follow from the schedule, so nothing is handed over by the pacer.
func (s *Schedule) receive(stream Stream, first, step, total int64, to *outcome) error {
	var reply wire.Reply
	now := s.Open
	for n := first; n < total; {
		ok, err := stream.Conn.Next(&reply)
		if err != nil {
			return err
		}
		if !ok {
			if err := stream.Conn.Fill(); err != nil {
				return err
			}
			now = time.Now()
			continue
		}
		if err := stream.Work.Check(&reply, n/step); err != nil {
			return err
		}
		if due := s.due(n); s.Counts(due) {
			to.latency.Add(now.Sub(due))
			if s.Trace {
				to.trace = append(to.trace, Sample{due, now.Sub(due)})
			}
		}
		n += step
	}
	return nil
}
