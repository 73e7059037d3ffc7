package intake

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in buckets of an eighth of an octave, so a quantile is right within 9 %. Adding is one
// atomic addition. One goroutine adds; any may read.
type histogram struct {
	counts [64 * 8]atomic.Uint64
	max    atomic.Int64
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	if int64(d) > h.max.Load() {
		h.max.Store(int64(d))
	}
	h.counts[bucket(uint64(d))].Add(1)
}

// bucket numbers durations: below 8 ns one each, then eight for each doubling.
func bucket(ns uint64) int {
	if ns < 8 {
		return int(ns)
	}
	octave := bits.Len64(ns) - 1 // at least 3
	return (octave-2)*8 + int(ns>>(octave-3))&7
}

// upper is the largest duration of a bucket.
func upper(b int) time.Duration {
	if b < 8 {
		return time.Duration(b)
	}
	octave := b/8 + 2
	return time.Duration((uint64(8+b%8+1) << (octave - 3)) - 1)
}

// Latency summarises durations.
type Latency struct {
	Count uint64        `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

func (h *histogram) latency() Latency {
	var counts [len(h.counts)]uint64
	var total uint64
	for i := range counts {
		counts[i] = h.counts[i].Load()
		total += counts[i]
	}
	quantile := func(q float64) time.Duration {
		rank := uint64(q * float64(total))
		var seen uint64
		for i, n := range &counts {
			if seen += n; n > 0 && seen > rank {
				return min(upper(i), time.Duration(h.max.Load()))
			}
		}
		return time.Duration(h.max.Load())
	}
	return Latency{Count: total, P50: quantile(0.5), P99: quantile(0.99), P999: quantile(0.999), Max: time.Duration(h.max.Load())}
}
