package load

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// sleepUntil is the timer of a bubble, where time.Sleep is exact.
func sleepUntil(t time.Time) { time.Sleep(time.Until(t)) }

func TestAnOpenLoopSendsEveryRequestOfItsScheduleInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, g := &fake{delay: immediately}, &fake{delay: immediately}
		streams := []Stream{f.stream(t), g.stream(t)}
		s := Schedule{Window: NewWindow(0, time.Second), PerSecond: 101, SleepUntil: sleepUntil, Trace: true}
		open := s.Open
		latency, trace, err := s.Run(streams)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if latency.Count() != 101 || f.answered != 51 || g.answered != 50 {
			t.Errorf("counted %d, the servers answered %d and %d; want 101, 51 and 50", latency.Count(), f.answered, g.answered)
		}
		var due []time.Duration
		for _, sample := range trace {
			due = append(due, sample.Due.Sub(open))
		}
		slices.Sort(due)
		if len(due) != 101 || due[0] != 0 || due[100].Round(time.Millisecond) != 990*time.Millisecond {
			t.Errorf("%d samples from %v to %v, want 101 from 0 to 990ms", len(due), due[0], due[len(due)-1])
		}
		for i, s := range streams {
			work := s.Work.(*counting)
			for k, n := range work.issued {
				if n != int64(k) || work.checked[k] != int64(k) {
					t.Fatalf("request %d of stream %d was issued as %d and checked as %d", k, i, n, work.checked[k])
				}
			}
		}
	})
}

// A server that stalls delays also the requests which were due meanwhile: their latencies count from
// the schedule, not from the moment in which there was room to send them.
func TestAnOpenLoopCountsTheWaitOfRequestsBehindAStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{delay: func(n int) time.Duration {
			if n == 50 {
				return 200 * time.Millisecond
			}
			return 0
		}}
		s := Schedule{Window: NewWindow(0, time.Second), PerSecond: 100, SleepUntil: sleepUntil}
		latency, _, err := s.Run([]Stream{f.stream(t)})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		// The stalled one waits 200 ms and the 19 behind it 190, 180, ... 10.
		if got := latency.Quantile(1).Round(time.Millisecond); got != 200*time.Millisecond {
			t.Errorf("the longest latency is %v, want 200ms", got)
		}
		if got := latency.Quantile(0.9); got < 95*time.Millisecond || got > 110*time.Millisecond {
			t.Errorf("p90 is %v, want about 100ms: half of the 20 requests in the stall waited longer", got)
		}
		if got := latency.Quantile(0.79); got > time.Nanosecond {
			t.Errorf("p79 is %v, want none: the other 80 requests met no stall", got)
		}
	})
}

// A pacer that comes late sends at once what is overdue, and its lateness counts.
func TestAnOpenLoopCatchesUpWithItsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{delay: immediately}
		slept := 0
		late := func(until time.Time) {
			if slept++; slept == 10 {
				until = until.Add(100 * time.Millisecond)
			}
			sleepUntil(until)
		}
		s := Schedule{Window: NewWindow(0, time.Second), PerSecond: 100, SleepUntil: late}
		latency, _, err := s.Run([]Stream{f.stream(t)})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := latency.Count(); got != 100 {
			t.Errorf("counted %d requests, want all 100", got)
		}
		if got := latency.Quantile(1).Round(time.Millisecond); got != 100*time.Millisecond {
			t.Errorf("the longest latency is %v, want the 100ms that the pacer was late", got)
		}
	})
}

func TestAnOpenLoopCountsOnlyWhatWasDueBehindTheWarmUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{delay: immediately}
		s := Schedule{Window: NewWindow(500*time.Millisecond, time.Second), PerSecond: 100, SleepUntil: sleepUntil}
		latency, _, err := s.Run([]Stream{f.stream(t)})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if latency.Count() != 100 || f.answered != 150 {
			t.Errorf("counted %d of %d requests, want 100 of 150", latency.Count(), f.answered)
		}
	})
}

func TestAnOpenLoopEndsAtTheFirstWrongReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad, good := (&fake{delay: immediately}).stream(t), (&fake{delay: immediately}).stream(t)
		bad.Work = &counting{failAt: 3}
		s := Schedule{Window: NewWindow(0, time.Hour), PerSecond: 10, SleepUntil: sleepUntil}
		begin := time.Now()
		_, _, err := s.Run([]Stream{good, bad})
		if !errors.Is(err, errRefused) {
			t.Errorf("got error %v, want that of the work", err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it went on for %v", took)
		}
	})
}

func TestTheFineTimerIsNeverEarly(t *testing.T) {
	sleepUntil, release := FineTimer()
	defer release()
	for range 20 {
		until := time.Now().Add(300 * time.Microsecond)
		sleepUntil(until)
		if early := time.Until(until); early > 0 {
			t.Fatalf("returned %v early", early)
		}
	}
}
