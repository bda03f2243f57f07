package load

import (
	"math"
	"sync"
	"time"

	"zkd/cmd/zkbench/wire"
)

// Closed keeps depth requests outstanding on each stream until the window ends or the stream has made
// all that it may, and returns the latencies of the replies that arrived in the counted part of the
// window. An error of a request or a connection ends its stream and is returned beside what was
// measured.
func Closed(streams []Stream, depth int, w Window) (*Histogram, error) {
	all := make([]outcome, len(streams))
	var wg sync.WaitGroup
	for i, s := range streams {
		s.Conn.SetDeadline(w.End.Add(Drain))
		wg.Go(func() { all[i].err = s.closed(depth, w, &all[i].latency) })
	}
	wg.Wait()
	return merge(all)
}

func (s Stream) closed(depth int, w Window, latency *Histogram) error {
	count := s.Count
	if count == 0 {
		count = math.MaxInt64
	}
	begun := make([]time.Time, depth) // of request n at n % depth
	var issued, answered int64
	var reply wire.Reply
	for now := time.Now(); ; {
		first := issued
		for room := min(answered+int64(depth), count); issued < room && now.Before(w.End); issued++ {
			s.Work.Issue(s.Conn, issued)
		}
		if issued == answered {
			return nil
		}
		now = time.Now()
		for ; first < issued; first++ {
			begun[first%int64(depth)] = now
		}
		if err := s.Conn.Flush(); err != nil {
			return err
		}
		if err := s.Conn.Fill(); err != nil {
			return err
		}
		now = time.Now()
		for {
			ok, err := s.Conn.Next(&reply)
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if err := s.Work.Check(&reply, answered); err != nil {
				return err
			}
			if w.Counts(now) {
				latency.Add(now.Sub(begun[answered%int64(depth)]))
			}
			answered++
		}
	}
}
