package keeper

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"zkd/firewall"
)

// A lost or changed table is put back within a second, and within the poll if nobody was told of it.
func TestTheRulesArePutBack(t *testing.T) {
	for name, test := range map[string]struct {
		harm   func(k *kernel)
		within time.Duration
	}{
		"flushed":                {func(k *kernel) { k.flush(true) }, time.Second},
		"flushed without a word": {func(k *kernel) { k.flush(false) }, pollEvery + settle},
		"a rule of somebody's": {func(k *kernel) {
			k.do(func() {
				rs := k.tables["zkd"]
				rs.Chains = slices.Clone(rs.Chains)
				rs.Chains[0].Rules = append([]firewall.Rule{{Verdict: firewall.Accept}}, rs.Chains[0].Rules...)
				k.tables["zkd"] = rs
				k.told("zkd")
			})
		}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				k := w.start(t, config())
				synctest.Wait()
				want, _ := w.kernel.table("zkd")
				for n := range uint64(3) {
					test.harm(w.kernel)
					time.Sleep(test.within)
					synctest.Wait()
					have, ok := w.kernel.table("zkd")
					if !ok || !firewall.Diff(want, have).None() {
						t.Fatal("the rules are not back")
					}
					if s := k.Status(); s.PutBack != n+1 || !s.Active {
						t.Errorf("status %+v", s)
					}
				}
				if w.said("firewall rules were changed by somebody and are put back") != 3 {
					t.Error("it was not said each time")
				}
			})
		})
	}
}

// A resolver that does not answer keeps neither the rules away nor anything else.
func TestASlowResolverDoesNotDelayTheRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.start(t, config())
		w.names.mu.Lock()
		w.names.slow = true
		w.names.mu.Unlock()
		time.Sleep(resolveEvery + time.Millisecond) // and it looks names up now
		for n := range uint64(2) {
			w.kernel.flush(true)
			time.Sleep(lookupTimeout / 3)
			synctest.Wait()
			if _, ok := w.kernel.table("zkd"); !ok || k.Status().PutBack != n+1 {
				t.Errorf("the rules are not back: %+v", k.Status())
			}
		}
		time.Sleep(lookupTimeout)
		synctest.Wait()
		if m := k.Status().Members[1]; m.Error == "" || fmt.Sprint(m.Addresses) != "[10.1.0.2 fd00:1::2]" {
			t.Errorf("member 2: %+v", m)
		}
	})
}

// Who restarts a firewall flushes all tables, often twice: also what is flushed between writing and reading back comes
// again within a second.
func TestWhatIsFlushedWhileItIsWrittenComesAgain(t *testing.T) {
	for _, undone := range []int{1, 2, 5, 8} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			k := w.start(t, config())
			synctest.Wait()
			time.Sleep(pollEvery / 2)
			w.kernel.do(func() { w.kernel.undone = undone })
			w.kernel.flush(true)
			time.Sleep(time.Second)
			synctest.Wait()
			if s := k.Status(); !s.Active || s.PutBack != 1 {
				t.Errorf("flushed %d times: %+v", undone, s)
			}
			if calls := len(w.kernel.since()); calls != 2+undone {
				t.Errorf("flushed %d times: written %d times", undone, calls)
			}
		})
	}
}

// So at the start.
func TestAStartAmongFlushesIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.kernel.undone = 2 * applyTries
		k := w.start(t, config())
		if s := k.Status(); s.Active || s.Reason == "" {
			t.Fatalf("status %+v", s)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s := k.Status(); !s.Active || s.Reason != "" || s.PutBack != 0 {
			t.Errorf("status %+v", s)
		}
	})
}

// What never works is not tried all the time.
func TestTriesInVainBecomeRare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.kernel.loses = true
		k := w.start(t, config())
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(w.kernel.since()); n > 35*applyTries || k.Status().Active {
			t.Errorf("written %d times in a minute", n)
		}
	})
}

// Two that want different things of one table do not wear each other out.
func TestAFightIsFoughtSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.start(t, config())
		synctest.Wait()
		enough := time.Now().Add(time.Minute)
		for time.Now().Before(enough) {
			w.kernel.flush(true)
			time.Sleep(2 * settle)
		}
		synctest.Wait()
		n := k.Status().PutBack
		if n < stormCount || n > 5*stormCount { // it was flushed 600 times
			t.Errorf("put back %d times in a minute", n)
		}
		if w.said("somebody keeps changing the firewall rules, they are put back every few seconds only") == 0 {
			t.Error("it was not said")
		}
		time.Sleep(stormTime + pollEvery)
		w.kernel.flush(true)
		time.Sleep(time.Second)
		synctest.Wait()
		if now := k.Status().PutBack; now < n+1 {
			t.Error("after the fight it is slow")
		}
	})
}

// One failure to look is not a loss.
func TestTheRulesAreGivenUpAfterSeveralFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		k := w.start(t, config())
		synctest.Wait()
		fail := func(err error) { w.kernel.do(func() { w.kernel.fail = err }) }
		time.Sleep(pollEvery / 2)
		for range 3 {
			fail(errors.New("no buffer"))
			time.Sleep((readFailures - 1) * pollEvery)
			synctest.Wait()
			if s := k.Status(); !s.Active {
				t.Errorf("status %+v", s)
			}
			fail(nil)
			time.Sleep(pollEvery)
		}
		fail(errors.New("no buffer"))
		time.Sleep(readFailures * pollEvery)
		synctest.Wait()
		if s := k.Status(); s.Active || s.Reason != "no buffer" {
			t.Errorf("status %+v", s)
		}
		fail(nil)
		time.Sleep(resolveEvery)
		synctest.Wait()
		if s := k.Status(); !s.Active || s.Reason != "" {
			t.Errorf("status %+v", s)
		}
	})
}

func TestWithoutEventsThePollRemains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.kernel.deaf = errors.New("no group")
		k := w.start(t, config())
		time.Sleep(time.Minute)
		w.kernel.flush(true)
		time.Sleep(pollEvery + time.Second)
		synctest.Wait()
		if s := k.Status(); s.PutBack != 1 {
			t.Errorf("status %+v", s)
		}
		if n := w.said("changes of the firewall rules are not heard of, and looked for every few seconds only"); n != 1 {
			t.Errorf("said %d times", n)
		}
	})
}

// What the kernel acknowledges is not believed until it is read back.
func TestALossWithoutAnErrorIsSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.kernel.loses = true
		k := w.start(t, config())
		if s := k.Status(); s.Active || !strings.Contains(s.Reason, "holds something else: + set ports: 2181") {
			t.Errorf("status %+v", s)
		}
	})
}
