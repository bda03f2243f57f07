package replica

import (
	"math"
	"sync/atomic"
	"time"
)

// freshness says whether reads may be answered. A server that stood still, as one does that was stopped
// or whose host was suspended, may have lost its role meanwhile and not know it: it answers nothing before a
// leader has asked a quorum, or a learner has heard of its leader.
type freshness struct {
	until   atomic.Int64 // nanoseconds since Replica.began; 0 without a role
	doubted bool         // of the loop, as heard is
	heard   bool         // something came from another server since
	again   announcement // that until is set
}

// Fresh reports whether reads may be answered at a time.
func (r *Replica) Fresh(now time.Time) bool {
	return int64(now.Sub(r.began)) <= r.freshness.until.Load()
}

// AwaitFresh waits until reads may be answered, or the role has ended.
func (r *Replica) AwaitFresh() {
	f := &r.freshness
	for {
		again := f.again.wait()
		if f.until.Load() == 0 || r.Fresh(time.Now()) {
			return
		}
		select {
		case <-again:
		case <-r.done:
			return
		}
	}
}

func (f *freshness) set(until int64) {
	f.until.Store(until)
	f.again.make()
}

// lose says that there is no role.
func (f *freshness) lose() {
	f.doubted = false
	f.set(0)
}

// freshen lets reads be answered for as long as the loop may take to the next tick, and a bit.
func (r *Replica) freshen(now time.Time) {
	switch {
	case !r.active || r.freshness.doubted:
	case r.cfg.Peers == nil:
		r.freshness.set(math.MaxInt64) // nobody else can have the role
	default:
		r.freshness.set(int64(now.Sub(r.began) + r.cfg.Tick*3/2))
	}
}

// doubt stops reads until it is known that the role goes on.
func (r *Replica) doubt() {
	if !r.active || r.cfg.Peers == nil {
		return
	}
	r.freshness.doubted, r.freshness.heard = true, false
	if r.role == leading {
		r.askBarrier(&Request{ask: func() {
			r.freshness.doubted = false
			r.freshen(r.cfg.Now())
		}})
	}
}

// heard takes note that something came from another server.
func (r *Replica) heard() { r.freshness.heard = true }

// trust lets a learner that has doubted answer again: something came from its leader, and by now, half a tick
// after the pause, it would know if the leader had given it up meanwhile. What was heard first may have waited
// in the socket all the time.
func (r *Replica) trust() {
	if f := &r.freshness; r.role == learning && f.doubted && f.heard {
		f.doubted = false
	}
}
