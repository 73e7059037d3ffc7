package segment_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/speech/segment"
)

// Quiet and loud are the 5th and the 90th percentile of windows of 20 ms, in any order and with any number of equal ones.
func TestContrastAndPeakOfWindows(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	lengths := []int{100, 333, 500}
	for n := range 40 {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		var samples []float32
		var levels []float64
		for range n {
			peak := float32(math.Pow(10, -3*random.Float64()))
			if random.IntN(3) == 0 {
				peak = 0.01
			}
			for range 160 {
				samples = append(samples, peak, -peak)
			}
			levels = append(levels, 20*math.Log10(float64(peak)))
		}
		slices.Sort(levels)
		contrast, loudest := 0.0, segment.LevelFloor
		if n > 0 {
			at := func(share float64) float64 { return levels[int(share*float64(n-1)+0.5)] }
			contrast, loudest = at(0.90)-at(0.05), levels[n-1]
		}
		p := segment.Piece{Samples: samples}
		if got := p.Contrast(); math.Abs(got-contrast) > 1e-9 {
			t.Errorf("%d windows: contrast %v, want %v", n, got, contrast)
		}
		if got := p.Peak(); math.Abs(got-loudest) > 1e-9 {
			t.Errorf("%d windows: peak %v, want %v", n, got, loudest)
		}
	}
}
