package replica

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zkd/quorum/prep"
	"zkd/quorum/vfs"
	"zkd/quorum/zk"
)

// silent is a client that is heard of when the test says so.
type silent struct {
	client
	heard atomic.Int64
}

func (s *silent) LastHeardMillis() int64 { return s.heard.Load() }

// Fault row 30: while the server itself stands still no session grows older, whenever in its life it was
// heard of last; a client that stays silent is gone one timeout of running time after that, and a few ticks.
func TestNoSessionGrowsOlderWhileTheServerStandsStill(t *testing.T) {
	const (
		timeout = 4 * time.Second
		tick    = time.Second
		stall   = 20 * time.Second
	)
	for _, heardAt := range []time.Duration{0, time.Second, 2500 * time.Millisecond, 3200 * time.Millisecond} {
		t.Run(heardAt.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config(t, vfs.NewMem())
				cfg.Tick = tick
				r, err := Start(cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer r.Stop()
				c := &silent{client: client{r: r, results: make(chan Outcome, 1), closed: make(chan struct{})}}
				r.Submit([]Request{{
					Request: prep.Request{Op: zk.OpCreateSession, TimeoutMillis: int32(timeout.Milliseconds())}, Origin: c, Owner: c, Term: r.Serving(),
				}})
				<-c.results
				began := time.Now()
				<-time.After(heardAt)
				c.heard.Store(r.NowMillis())
				<-time.After(3500*time.Millisecond - heardAt)
				if err := r.Call(func() { <-time.After(stall) }); err != nil {
					t.Fatal(err)
				}
				<-c.closed
				lived := time.Since(began) - stall - heardAt
				if lived < timeout || lived > timeout+4*tick {
					t.Errorf("silent for %v of running time when it expired, timeout %v", lived, timeout)
				}
			})
		})
	}
}
