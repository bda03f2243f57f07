// Package stats holds the counters that the rooms of the server feed and that four-letter words,
// the admin port and /metrics read.
//
// It knows nothing of names or formats of metrics: daemon/metrics gives each field its name.
// Everything here may be used by any goroutine. Counters that would be hit once per request are fed
// once per batch, from sums the connection keeps for itself, so that requests share no cache line.
package stats

import (
	"math"
	"math/bits"
	"sync/atomic"
)

// Counter only grows, except for Reset.
type Counter struct{ v atomic.Int64 }

// Add adds n.
func (c *Counter) Add(n int64) { c.v.Add(n) }

// Load returns the value.
func (c *Counter) Load() int64 { return c.v.Load() }

// Reset sets the counter to 0.
func (c *Counter) Reset() { c.v.Store(0) }

// Gauge is a value that goes up and down.
type Gauge struct{ v atomic.Int64 }

// Add adds n, which may be negative.
func (g *Gauge) Add(n int64) { g.v.Add(n) }

// Set replaces the value.
func (g *Gauge) Set(n int64) { g.v.Store(n) }

// Load returns the value.
func (g *Gauge) Load() int64 { return g.v.Load() }

// buckets is 8 per power of two from 1 up to 2^40: at most 12.5 % off.
const (
	subBits = 3
	buckets = 41 << subBits
)

// Histogram counts non-negative values (microseconds, bytes, batch sizes) in logarithmic buckets.
// Quantiles are at most 12.5 % above the true value.
type Histogram struct {
	count, sum, max, last atomic.Int64
	minPlus1              atomic.Int64 // 0: nothing observed yet
	bucket                [buckets]atomic.Int64
}

func bucketOf(v int64) int {
	if v < 1<<subBits {
		return int(v)
	}
	exp := bits.Len64(uint64(v)) - 1 - subBits
	i := (exp+1)<<subBits + int(v>>exp)&(1<<subBits-1)
	return min(i, buckets-1)
}

// upperBound is the largest value that falls into bucket i.
func upperBound(i int) int64 {
	if i < 1<<subBits {
		return int64(i)
	}
	exp := i>>subBits - 1
	return (int64(1<<subBits)+int64(i&(1<<subBits-1))+1)<<exp - 1
}

// Observe counts v; negative values count as 0.
func (h *Histogram) Observe(v int64) { h.ObserveN(v, 1) }

// ObserveN counts v n times.
func (h *Histogram) ObserveN(v, n int64) {
	if n <= 0 {
		return
	}
	v = max(v, 0)
	h.count.Add(n)
	h.sum.Add(v * n)
	h.last.Store(v)
	h.bucket[bucketOf(v)].Add(n)
	for old := h.max.Load(); v > old && !h.max.CompareAndSwap(old, v); old = h.max.Load() {
	}
	for old := h.minPlus1.Load(); (old == 0 || v+1 < old) && !h.minPlus1.CompareAndSwap(old, v+1); old = h.minPlus1.Load() {
	}
}

// Reset forgets all values.
func (h *Histogram) Reset() {
	h.count.Store(0)
	h.sum.Store(0)
	h.max.Store(0)
	h.minPlus1.Store(0)
	for i := range h.bucket {
		h.bucket[i].Store(0)
	}
}

// Count returns how many values were counted.
func (h *Histogram) Count() int64 { return h.count.Load() }

// Sum returns the sum of all values.
func (h *Histogram) Sum() int64 { return h.sum.Load() }

// Max returns the largest value, 0 if there is none.
func (h *Histogram) Max() int64 { return h.max.Load() }

// Min returns the smallest value, 0 if there is none.
func (h *Histogram) Min() int64 { return max(h.minPlus1.Load()-1, 0) }

// Last returns the value counted last, 0 if there is none.
func (h *Histogram) Last() int64 { return h.last.Load() }

// Avg returns the mean, 0 if there is no value.
func (h *Histogram) Avg() float64 {
	n := h.Count()
	if n == 0 {
		return 0
	}
	return float64(h.Sum()) / float64(n)
}

// Quantile returns an upper bound of the q-quantile, 0 <= q <= 1; NaN if there is no value.
func (h *Histogram) Quantile(q float64) float64 {
	total := h.Count()
	if total == 0 {
		return math.NaN()
	}
	rank := int64(math.Ceil(q * float64(total)))
	var seen int64
	for i := range h.bucket {
		seen += h.bucket[i].Load()
		if seen >= rank && seen > 0 {
			return float64(min(upperBound(i), h.Max()))
		}
	}
	return float64(h.Max())
}

// Buckets calls f with the upper bound and the count of each bucket that is not empty, ascending.
func (h *Histogram) Buckets(f func(upper, count int64)) {
	for i := range h.bucket {
		if n := h.bucket[i].Load(); n > 0 {
			f(upperBound(i), n)
		}
	}
}
