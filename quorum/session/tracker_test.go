package session

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"zkd/quorum/zk"
)

// never is the answer of a client that was not heard from since it was added.
func never(zk.SessionID) int64 { return 0 }

func TestDeadlineIsRoundedUpToTheNextTick(t *testing.T) {
	tests := map[string]struct {
		nowMillis, expiresAt int64
		timeoutMillis        int32
	}{
		"between ticks":               {100, 6000, 4000},
		"on a tick, one more is had":  {0, 6000, 4000},
		"a millisecond before a tick": {1999, 6000, 4000},
		"a tick later":                {2000, 8000, 4000},
		"timeout 0":                   {100, 2000, 0},
	}
	for name, tt := range tests {
		tr := NewTracker(2000)
		tr.Add(7, tt.timeoutMillis, tt.nowMillis)
		if got := tr.Expire(tt.expiresAt-1, never, nil); len(got) != 0 {
			t.Errorf("%s: expired before %d", name, tt.expiresAt)
		}
		if got := tr.Expire(tt.expiresAt, never, nil); !slices.Equal(got, []zk.SessionID{7}) {
			t.Errorf("%s: expired at %d: %v", name, tt.expiresAt, got)
		}
	}
}

func TestASessionThatIsHeardFromLivesOn(t *testing.T) {
	tr := NewTracker(1000)
	tr.Add(1, 5000, 0)
	heard := func(zk.SessionID) int64 { return 4500 }
	if got := tr.Expire(6000, heard, nil); len(got) != 0 {
		t.Fatalf("expired %v although heard from at 4500", got)
	}
	if got := tr.Expire(9999, heard, nil); len(got) != 0 {
		t.Fatalf("expired %v before 4500+5000 rounded up", got)
	}
	if got := tr.Expire(10000, heard, nil); !slices.Equal(got, []zk.SessionID{1}) {
		t.Fatalf("expired %v, want session 1", got)
	}
}

func TestExpiredSessionsComeOnceInAscendingOrderBehindOthers(t *testing.T) {
	tr := NewTracker(1000)
	for _, id := range []zk.SessionID{9, -3, 4, 100} {
		tr.Add(id, int32(1000*(id&1)), 0)
	}
	got := tr.Expire(60000, never, []zk.SessionID{77})
	if want := []zk.SessionID{77, -3, 4, 9, 100}; !slices.Equal(got, want) {
		t.Fatalf("expired %v, want %v", got, want)
	}
	if !tr.IsClosing(4) || !tr.Has(4) || tr.Len() != 4 {
		t.Fatal("an expired session must stay known and be closing")
	}
	if got := tr.Expire(120000, never, nil); len(got) != 0 {
		t.Fatalf("expired again: %v", got)
	}
}

func TestARemovedOrClosingSessionDoesNotExpire(t *testing.T) {
	tr := NewTracker(1000)
	tr.Add(1, 1000, 0)
	tr.Add(2, 1000, 0)
	tr.Add(3, 1000, 0)
	tr.Remove(1)
	tr.Closing(2)
	tr.Closing(99)
	if got := tr.Expire(10000, never, nil); !slices.Equal(got, []zk.SessionID{3}) {
		t.Fatalf("expired %v, want session 3 only", got)
	}
	if tr.Has(1) || tr.Has(99) || !tr.IsClosing(2) || tr.IsClosing(1) {
		t.Fatal("wrong marks")
	}
}

func TestAddingAgainGivesTheFullTimeoutAgain(t *testing.T) {
	tr := NewTracker(1000)
	tr.Add(1, 5000, 0)
	tr.Add(1, 9000, 3000)
	if got := tr.Expire(12999, never, nil); len(got) != 0 {
		t.Fatalf("expired %v by the old timeout", got)
	}
	tr.Remove(1)
	tr.Add(1, 9000, 3000) // its id stands twice in the bucket now
	if got := tr.Expire(13000, never, nil); !slices.Equal(got, []zk.SessionID{1}) {
		t.Fatalf("expired %v, want session 1 once", got)
	}
}

func TestBucketsListsLiveSessionsByDeadline(t *testing.T) {
	tr := NewTracker(1000)
	tr.Add(5, 1500, 0)
	tr.Add(2, 1500, 0)
	tr.Add(3, 500, 0)
	tr.Add(4, 9000, 0)
	tr.Add(6, 500, 0)
	tr.Remove(2)
	tr.Add(2, 1500, 0)
	tr.Closing(4)
	tr.Remove(6)
	got := maps.Collect(tr.Buckets())
	if len(got) != 2 || !slices.Equal(got[1000], []zk.SessionID{3}) || !slices.Equal(got[2000], []zk.SessionID{2, 5}) {
		t.Fatalf("buckets %v", got)
	}
	for due := range tr.Buckets() {
		if due != 1000 {
			t.Fatalf("first deadline %d, want 1000", due)
		}
		break
	}
}

// Against a model that recomputes each deadline from scratch, with a clock that moves in uneven
// steps.
func TestExpiryEqualsASimpleModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	type life struct {
		heard   int64
		timeout int32
	}
	tr, model := NewTracker(500), map[zk.SessionID]*life{}
	now := int64(1000)
	for step := range 20000 {
		now += rng.Int64N(40)
		id := zk.SessionID(rng.IntN(60) + 1)
		switch rng.IntN(4) {
		case 0:
			timeout := int32(rng.IntN(4000))
			if !tr.IsClosing(id) {
				tr.Add(id, timeout, now)
				model[id] = &life{now, timeout}
			}
		case 1:
			if l := model[id]; l != nil {
				l.heard = now
			}
		case 2:
			if rng.IntN(10) == 0 {
				tr.Remove(id)
				delete(model, id)
			}
		}
		var want []zk.SessionID
		for id, l := range model {
			if (l.heard+int64(l.timeout))/500*500+500 <= now {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		got := tr.Expire(now, func(id zk.SessionID) int64 { return model[id].heard }, nil)
		if !slices.Equal(got, want) {
			t.Fatalf("step %d at %d: expired %v, want %v", step, now, got, want)
		}
		for _, id := range got {
			tr.Remove(id)
			delete(model, id)
		}
	}
}

func BenchmarkExpireOneTickOfTenThousandSessions(b *testing.B) {
	tr := NewTracker(2000)
	for id := range zk.SessionID(10000) {
		tr.Add(id+1, 30000, int64(id)%30000)
	}
	now := int64(30000)
	b.ReportAllocs()
	for b.Loop() {
		now += 2000
		tr.Expire(now, func(zk.SessionID) int64 { return now }, nil)
	}
}
