package load

import (
	"math"
	"time"
)

// A bucket is an exponent and the first seven binary digits behind the point of a duration in
// nanoseconds: exactly the top bits of its floating-point form.
//
//	float64   sign 1 bit, exponent 11 bits, fraction 52 bits
//	bucket          exponent - 1023       , fraction >> 45
const (
	fractionBits = 7
	dropBits     = 52 - fractionBits
	firstBucket  = 1023 << fractionBits // that of 1 ns
	maxExponent  = 42                   // the last buckets are those of 1.2 to 2.4 hours
	bucketCount  = (maxExponent + 1) << fractionBits
)

// Histogram counts durations in buckets whose width is 1/128 of their lower bound or less, so that
// quantiles are at most 0.8 % too high. Longer ones than 2.4 hours count as that. Not safe for
// concurrent use; the zero value is empty.
type Histogram struct {
	bucket [bucketCount]uint32
	count  int64
	max    time.Duration
}

func bucketOf(d time.Duration) int {
	if d < 1 {
		return 0
	}
	return min(int(math.Float64bits(float64(d))>>dropBits)-firstBucket, bucketCount-1)
}

// upperBound is the longest duration that bucket i counts.
func upperBound(i int) time.Duration {
	next := math.Float64frombits(uint64(i+1+firstBucket) << dropBits)
	return time.Duration(math.Ceil(next)) - 1
}

// Add counts d; a negative one counts as 0.
func (h *Histogram) Add(d time.Duration) {
	h.bucket[bucketOf(d)]++
	h.count++
	h.max = max(h.max, d)
}

// Merge adds what other counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other.bucket {
		h.bucket[i] += n
	}
	h.count += other.count
	h.max = max(h.max, other.max)
}

// Count returns how many durations were counted.
func (h *Histogram) Count() int64 { return h.count }

// Quantile returns an upper bound of the q-quantile, 0 <= q <= 1: a share q of the durations is not
// longer. It is 0 if there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(int64(math.Ceil(q*float64(h.count))), 1)
	var seen int64
	for i, n := range h.bucket {
		if seen += int64(n); seen >= rank {
			return min(upperBound(i), h.max)
		}
	}
	return h.max
}
