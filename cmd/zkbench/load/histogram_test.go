package load

import (
	"slices"
	"testing"
	"time"
)

func TestEveryDurationIsAtMostOneBucketBelowItsUpperBound(t *testing.T) {
	for d := time.Duration(1); d < time.Hour; d += d/300 + 1 {
		upper := upperBound(bucketOf(d))
		if upper < d || float64(upper-d) > float64(d)/128 {
			t.Fatalf("%v is in a bucket that ends at %v", d, upper)
		}
	}
}

func TestBucketsFollowEachOtherWithoutAGap(t *testing.T) {
	for i := 1 << fractionBits * 10; i < bucketCount-1; i++ { // below 1 µs some are narrower than 1 ns
		if got := bucketOf(upperBound(i)); got != i {
			t.Fatalf("the upper bound %v of bucket %d is in bucket %d", upperBound(i), i, got)
		}
		if got := bucketOf(upperBound(i) + 1); got != i+1 {
			t.Fatalf("what follows %v is in bucket %d, not in %d", upperBound(i), got, i+1)
		}
	}
}

func TestQuantiles(t *testing.T) {
	thousand := make([]time.Duration, 1000)
	for i := range thousand {
		thousand[i] = time.Duration(i+1) * time.Millisecond
	}
	for name, test := range map[string]struct {
		values []time.Duration
		q      float64
		want   time.Duration
	}{
		"of nothing is zero":                      {nil, 0.5, 0},
		"of one value is the value":               {[]time.Duration{7 * time.Millisecond}, 0.99, 7 * time.Millisecond},
		"the median of a thousand":                {thousand, 0.5, 500 * time.Millisecond},
		"p99 of a thousand":                       {thousand, 0.99, 990 * time.Millisecond},
		"the highest is exact":                    {thousand, 1, time.Second},
		"the lowest":                              {thousand, 0, time.Millisecond},
		"a negative duration counts as none":      {[]time.Duration{-time.Second}, 1, 0},
		"one slow value of a hundred is not p99":  {append(slices.Repeat([]time.Duration{time.Millisecond}, 99), time.Hour), 0.99, time.Millisecond},
		"two slow values of a hundred are p99":    {append(slices.Repeat([]time.Duration{time.Millisecond}, 98), time.Hour, time.Hour), 0.99, time.Hour},
		"beyond the last bucket it is still told": {[]time.Duration{100 * time.Hour}, 1, 100 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			var h Histogram
			for _, v := range test.values {
				h.Add(v)
			}
			got := h.Quantile(test.q)
			if test.want == 100*time.Hour { // its bucket ends before it
				if got < 2*time.Hour {
					t.Errorf("got %v, want two hours at least", got)
				}
				return
			}
			if got < test.want || float64(got-test.want) > float64(test.want)/128 {
				t.Errorf("got %v, want %v and at most 1/128 more", got, test.want)
			}
		})
	}
}

func TestMergedHistogramsCountAsOne(t *testing.T) {
	var a, b, both Histogram
	for i := range 1000 {
		d := time.Duration(i*i) * time.Microsecond
		both.Add(d)
		if i%3 == 0 {
			a.Add(d)
		} else {
			b.Add(d)
		}
	}
	a.Merge(&b)
	if a != both {
		t.Error("the merged histogram differs from the one that counted everything")
	}
}
