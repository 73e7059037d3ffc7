// Package level measures how loud audio is: RMS and peak of a block, and a meter for many readers. Requirements S9 and
// S10; docs/adr/0024-simd.md.
package level

import "math"

// FloorDBFS is the bottom of the meter's scale.
const FloorDBFS = -60.0

// Level is the loudness of a block of samples, linear: 1 is full scale.
type Level struct {
	// RMS is the root of the mean square, Peak the largest magnitude. Both are finite and at least 0.
	RMS, Peak float64
	// NonFinite is how many samples were NaN or infinite. They count as silence in RMS and Peak, so that one bad sample
	// cannot spoil a meter.
	NonFinite int
}

// Measure returns the level of samples, interleaved or not. An empty block is silent.
//
// Squares are summed in float64. Compared with a float64 sum of one sample at a time, the relative error is below 1e-10
// up to 2^20 samples, whatever the length and alignment; S10 requires 1e-5. Measure allocates nothing.
func Measure(samples []float32) Level {
	s := sum{}
	s.add(samples)
	return s.level(len(samples))
}

// DBFS converts a linear level to decibels of full scale, held between FloorDBFS and 0. Zero,
// negative values and NaN are the floor.
func DBFS(linear float64) float64 {
	if !(linear > 0) { // also NaN
		return FloorDBFS
	}
	return min(max(20*math.Log10(linear), FloorDBFS), 0)
}

// sum is a measurement in progress.
type sum struct {
	squares   float64
	peak      float32
	nonFinite int
}

func (s sum) level(n int) Level {
	if n == 0 {
		return Level{}
	}
	return Level{RMS: math.Sqrt(s.squares / float64(n)), Peak: float64(s.peak), NonFinite: s.nonFinite}
}

// addPortable is the path for machines without AVX2 and for the rest of a block. Four sums hide the latency of the
// addition. A magnitude is finite unless its exponent is all ones.
func (s *sum) addPortable(samples []float32) {
	const signless, infinity = 0x7fffffff, 0x7f800000
	var squares [4]float64
	peak := math.Float32bits(s.peak)
	for i, x := range samples {
		magnitude := math.Float32bits(x) & signless
		if magnitude >= infinity {
			s.nonFinite++
			continue
		}
		peak = max(peak, magnitude) // the bits of magnitudes are in the same order
		squares[i&3] += float64(x) * float64(x)
	}
	s.squares += squares[0] + squares[1] + squares[2] + squares[3]
	s.peak = math.Float32frombits(peak)
}
