package history

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

func times(buckets ...Bucket) Times {
	t := Times{Buckets: buckets}
	for _, b := range buckets {
		t.Count += b.Count
	}
	return t
}

func TestAPointIsWhatHappenedBetweenTwoReadings(t *testing.T) {
	h := New(3)
	h.Add(Reading{Seconds: 100, Reads: times(Bucket{10, 5}, Bucket{20, 1}), Commits: 7})
	if got := h.Points(); len(got) != 0 {
		t.Fatalf("one reading made %v", got)
	}
	h.Add(Reading{Seconds: 105, Reads: times(Bucket{10, 5}, Bucket{15, 98}, Bucket{20, 2}, Bucket{9000, 1}), Commits: 17,
		Syncs: times(Bucket{1500, 1}), Connections: 4, Waiting: 2})
	want := []Point{{Seconds: 105, Length: 5, Commits: 2, Connections: 4, Waiting: 2,
		Reads: Course{PerSecond: 20, Measured: true, P50: 15, P99: 20}, // 98 up to 15, one up to 20, one up to 9000
		Syncs: Course{PerSecond: 0.2, Measured: true, P50: 1500, P99: 1500}}}
	if got := h.Points(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestOnlyAsManyPointsAreKept(t *testing.T) {
	h := New(3)
	for i := range 9 {
		h.Add(Reading{Seconds: float64(i)})
		points := h.Points()
		if want := min(i, 3); len(points) != want {
			t.Fatalf("%d readings: %d points, want %d", i+1, len(points), want)
		}
		for j, p := range points {
			if want := float64(i - len(points) + 1 + j); p.Seconds != want {
				t.Errorf("%d readings: point %d ends at %v, want %v: the oldest comes first", i+1, j, p.Seconds, want)
			}
		}
	}
	if cap(h.points) != 3 {
		t.Errorf("room for %d points, want 3", cap(h.points))
	}
}

func TestCountsThatBeginAnewMakeAGap(t *testing.T) {
	for name, second := range map[string]Reading{
		"fewer commits":             {Seconds: 2, Reads: times(Bucket{10, 5}), Commits: 1},
		"fewer reads":               {Seconds: 2, Reads: times(Bucket{10, 4}), Commits: 3},
		"as many reads, other ones": {Seconds: 2, Reads: times(Bucket{10, 4}, Bucket{20, 1}), Commits: 3},
		"no time":                   {Seconds: 1, Reads: times(Bucket{10, 5}), Commits: 3},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(9)
			h.Add(Reading{Seconds: 1, Reads: times(Bucket{10, 5}), Commits: 3})
			h.Add(second)
			if got := h.Points(); len(got) != 0 {
				t.Fatalf("made %+v", got)
			}
			third := second
			third.Seconds++
			h.Add(third)
			if got := h.Points(); len(got) != 1 || got[0].Length != 1 || got[0].Commits != 0 {
				t.Errorf("after that %+v, want one point of a second in which nothing happened", got)
			}
		})
	}
}

func TestThereIsNoTimeWhereNothingWasMeasured(t *testing.T) {
	h := New(1)
	h.Add(Reading{Seconds: 1, Writes: times(Bucket{10, 5})})
	h.Add(Reading{Seconds: 2, Writes: times(Bucket{10, 5})})
	if got := h.Points()[0].Writes; got != (Course{}) {
		t.Errorf("%+v", got)
	}
}

// Against sorted durations, whatever they are.
func TestQuantilesAreThoseOfTheInterval(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		before, during := random.IntN(50), 1+random.IntN(300)
		counts := map[int64]int64{}
		read := func() (r Times) {
			for upper, n := range counts {
				r.Buckets, r.Count = append(r.Buckets, Bucket{upper, n}), r.Count+n
			}
			slices.SortFunc(r.Buckets, func(a, b Bucket) int { return int(a.Upper - b.Upper) })
			return r
		}
		var all []int64
		h := New(1)
		for i := range before + during {
			if i == before {
				h.Add(Reading{Seconds: 0, Reads: read()})
			}
			d := int64(random.IntN(40))
			counts[d]++
			if i >= before {
				all = append(all, d)
			}
		}
		h.Add(Reading{Seconds: 1, Reads: read()})
		slices.Sort(all)
		at := func(q float64) int64 { return all[int(math.Ceil(q*float64(len(all))))-1] }
		if got := h.Points()[0].Reads; got.P50 != at(0.5) || got.P99 != at(0.99) || got.PerSecond != float64(during) {
			t.Fatalf("%+v of %v", got, all)
		}
	}
}
