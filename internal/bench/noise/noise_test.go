package noise_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/bench/noise"
)

func TestSoundsAreLoudAndAlwaysTheSame(t *testing.T) {
	t.Parallel()
	for _, kind := range noise.Alone() {
		a, b := noise.Make(kind, 5*time.Second), noise.Make(kind, 5*time.Second)
		if len(a) != 5*16000 || !slices.Equal(a, b) {
			t.Errorf("%s: %d samples, equal: %v", kind, len(a), slices.Equal(a, b))
		}
		var peak float64
		for _, v := range a {
			peak = max(peak, math.Abs(float64(v)))
		}
		want := map[noise.Kind]float64{noise.Room: 0.01, noise.Silence: 0}
		level, special := want[kind]
		if !special {
			level = 0.5
		}
		if math.Abs(peak-level) > 1e-6 {
			t.Errorf("%s: peak %g, want %g", kind, peak, level)
		}
	}
	if noise.Make("words", time.Second) != nil {
		t.Error("an unknown kind has a sound")
	}
}

func TestMixKeepsTheRatio(t *testing.T) {
	t.Parallel()
	speech, hiss := make([]float32, 16000), noise.Make(noise.White, 100*time.Millisecond)
	for i := range speech {
		speech[i] = float32(0.3 * math.Sin(float64(i)/7))
	}
	mixed := noise.Mix(speech, hiss, 20)
	var s, n float64
	for i, v := range speech {
		under := float64(mixed[i] - v)
		s, n = s+float64(v)*float64(v), n+under*under
	}
	if got := 10 * math.Log10(s/n); math.Abs(got-20) > 0.5 || len(mixed) != len(speech) {
		t.Fatalf("%.2f dB in %d samples", got, len(mixed))
	}
}
