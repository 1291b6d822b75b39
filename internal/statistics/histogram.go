// Package statistics counts attempts: tallies that can be added in any order, a
// log-scaled histogram of durations, and the spans of time that charts are made
// of. It is pure: no clock, no store.
package statistics

import (
	"math/bits"
	"time"
)

// buckets are the classes of a [Histogram]: up to 1 ms, then two to each
// doubling up to 131 s, which is more than an attempt may take. What takes
// longer counts in the last.
const buckets = 35

// Histogram counts durations by their size. The zero value is empty. A quantile
// is off by less than half of itself, since neighbouring bounds differ by a
// factor of about √2.
type Histogram [buckets]uint64

// bound is the upper bound of a bucket, which belongs to it: 1 ms · 2^(i/2),
// rounded down to a microsecond.
func bound(i int) time.Duration {
	const root = 1_414_213 // √2 ms in nanoseconds
	d := time.Millisecond
	if i%2 == 1 {
		d = root
	}
	return (d << (i / 2)).Truncate(time.Microsecond)
}

// bucket is the index of the smallest bound that is not below d.
func bucket(d time.Duration) int {
	if d <= time.Millisecond {
		return 0
	}
	// 1 ms · 2^(n-1) < d <= 1 ms · 2^n
	n := bits.Len64(uint64((d - 1) / time.Millisecond))
	i := 2*n - 1
	if d > bound(i) {
		i++
	}
	return min(i, buckets-1)
}

// Observe counts a duration.
func (h *Histogram) Observe(d time.Duration) { h[bucket(d)]++ }

// Add counts all that o counted.
func (h *Histogram) Add(o *Histogram) {
	for i, n := range o {
		h[i] += n
	}
}

// Count is how many durations were counted.
func (h *Histogram) Count() uint64 {
	var n uint64
	for _, c := range h {
		n += c
	}
	return n
}

// Quantile estimates the duration that the share q (0 to 1) of all does not
// exceed: within the bucket in which that one lies, evenly spread. It is 0
// without any.
func (h *Histogram) Quantile(q float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := min(max(q, 0), 1) * float64(total)
	var below float64
	last := 0
	for i, n := range h {
		if n == 0 {
			continue
		}
		last = i
		if below+float64(n) >= rank {
			low := time.Duration(0)
			if i > 0 {
				low = bound(i - 1)
			}
			share := max(rank-below, 0) / float64(n)
			return low + time.Duration(share*float64(bound(i)-low))
		}
		below += float64(n)
	}
	return bound(last) // rounding left the rank above the sum
}
