package load

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestAClosedLoopKeepsAsManyOutstandingAsItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{delay: func(int) time.Duration { return 10 * time.Millisecond }}
		s := f.stream(t)
		latency, err := Closed([]Stream{s}, 5, NewWindow(0, time.Second))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if f.most != 5 {
			t.Errorf("up to %d requests were outstanding, want 5", f.most)
		}
		// 5 every 10 ms for a second; those of the last 10 ms are answered when it is over.
		if got := latency.Count(); got != 495 {
			t.Errorf("counted %d replies, want 495", got)
		}
		if got := latency.Quantile(0.5); got < 10*time.Millisecond || got > 11*time.Millisecond {
			t.Errorf("the latency is %v, want 10ms", got)
		}
	})
}

func TestAClosedLoopDoesNotCountItsWarmUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{delay: func(n int) time.Duration {
			if n < 10 {
				return 100 * time.Millisecond // all of the first second
			}
			return 10 * time.Millisecond
		}}
		latency, err := Closed([]Stream{f.stream(t)}, 1, NewWindow(time.Second+time.Millisecond, time.Second))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := latency.Quantile(1); got > 11*time.Millisecond {
			t.Errorf("the longest latency is %v, which was before the counted time", got)
		}
	})
}

func TestAClosedLoopMakesNoMoreRequestsThanItsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{delay: immediately}
		s := f.stream(t)
		s.Count = 17
		latency, err := Closed([]Stream{s}, 5, NewWindow(0, time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if latency.Count() != 17 || f.answered != 17 {
			t.Errorf("counted %d, the server answered %d, want 17", latency.Count(), f.answered)
		}
	})
}

func TestAClosedLoopEndsItsStreamAtTheFirstWrongReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad, good := (&fake{delay: immediately}).stream(t), (&fake{delay: immediately}).stream(t)
		bad.Work, bad.Count, good.Count = &counting{failAt: 3}, 10, 10
		latency, err := Closed([]Stream{good, bad}, 2, NewWindow(0, time.Hour))
		if !errors.Is(err, errRefused) {
			t.Errorf("got error %v, want that of the work", err)
		}
		if got := latency.Count(); got != 10+3 {
			t.Errorf("counted %d replies, want the 10 of the good stream and 3 before the wrong one", got)
		}
	})
}
