package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// resamples is the number of resamples for an interval: at 10,000 its ends move by about a hundredth of its width from
// one seed to the next.
const resamples = 10000

// Interval is a 95 % interval.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// share is one file's part of a rate: errors over length.
type share struct{ errors, length float64 }

// bootstrap returns the 95 % interval of a rate over files: files are drawn with replacement and their errors and
// lengths summed (the percentile bootstrap of Efron 1979; on word errors Bisani and Ney, ICASSP 2004). The interval
// says how far the rate would move with other files of the same kind. Files of one speaker count as independent, which
// makes it somewhat narrow. The seed is fixed: equal input gives an equal interval.
func bootstrap(files []share) Interval {
	if len(files) == 0 {
		return Interval{}
	}
	return drawn(len(files), func(pick []int) (float64, bool) {
		var errors, length float64
		for _, i := range pick {
			errors += files[i].errors
			length += files[i].length
		}
		return errors / length, length > 0
	})
}

// pairedBootstrap returns the 95 % interval of the difference after - before. It draws the same files for both, so what
// they have in common cancels out.
func pairedBootstrap(before, after []share) Interval {
	if len(before) == 0 || len(before) != len(after) {
		return Interval{}
	}
	return drawn(len(before), func(pick []int) (float64, bool) {
		var b, a share
		for _, i := range pick {
			b.errors += before[i].errors
			b.length += before[i].length
			a.errors += after[i].errors
			a.length += after[i].length
		}
		return a.errors/a.length - b.errors/b.length, a.length > 0 && b.length > 0
	})
}

func drawn(n int, value func(pick []int) (float64, bool)) Interval {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := make([]int, n)
	values := make([]float64, 0, resamples)
	for range resamples {
		for i := range pick {
			pick[i] = rng.IntN(n)
		}
		if v, ok := value(pick); ok {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return Interval{Percentile(values, 2.5), Percentile(values, 97.5)}
}

// Percentile returns the p-th percentile (0 to 100) of sorted values, interpolated between neighbours (type 7 of
// Hyndman and Fan 1996); 0 for no values.
func Percentile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := min(max(p, 0), 100) / 100 * float64(len(sorted)-1)
	below := int(math.Floor(at))
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (sorted[above]-sorted[below])*(at-float64(below))
}

// Spread is the distribution of durations in milliseconds.
type Spread struct {
	Count int     `json:"n"`
	P50   float64 `json:"p50"`
	P95   float64 `json:"p95"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// SpreadOf summarises durations, in any order.
func SpreadOf(durations []time.Duration) Spread {
	values := make([]float64, len(durations))
	for i, d := range durations {
		values[i] = d.Seconds() * 1000
	}
	slices.Sort(values)
	return Spread{
		Count: len(values), P50: Percentile(values, 50), P95: Percentile(values, 95), P99: Percentile(values, 99),
		Max: Percentile(values, 100),
	}
}
