package bench_test

import (
	"math"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/bench"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		values  []float64
		p, want float64
	}{
		{nil, 50, 0},
		{[]float64{7}, 95, 7},
		{[]float64{1, 2, 3, 4}, 50, 2.5},
		{[]float64{1, 2, 3, 4, 5}, 0, 1},
		{[]float64{1, 2, 3, 4, 5}, 100, 5},
		{[]float64{1, 2, 3, 4, 5}, 95, 4.8},
		{[]float64{1, 2}, 200, 2},
	}
	for _, tt := range tests {
		if got := bench.Percentile(tt.values, tt.p); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%v-th of %v is %v, want %v", tt.p, tt.values, got, tt.want)
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	got := bench.SpreadOf([]time.Duration{30 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond})
	if got.Count != 3 || got.P50 != 20 || got.Max != 30 {
		t.Errorf("%+v", got)
	}
}
