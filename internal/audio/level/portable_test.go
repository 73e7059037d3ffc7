package level

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Both paths keep the same contract, whichever this machine takes.
func TestPortablePathAgrees(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 500 {
		samples := make([]float32, n)
		for i := range samples {
			samples[i] = math.Float32frombits(rng.Uint32())
		}
		var fast, portable sum
		fast.add(samples)
		portable.addPortable(samples)
		if fast.peak != portable.peak || fast.nonFinite != portable.nonFinite ||
			math.Abs(fast.squares-portable.squares) > 1e-12*portable.squares {
			t.Fatalf("%d samples: %+v and %+v", n, fast, portable)
		}
	}
}

func BenchmarkPortable1024(b *testing.B) {
	samples := make([]float32, 1024)
	for i := range samples {
		samples[i] = rand.Float32()
	}
	b.SetBytes(4096)
	for b.Loop() {
		var s sum
		s.addPortable(samples)
	}
}
