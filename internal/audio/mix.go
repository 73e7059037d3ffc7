package audio

import "math"

// Sanitize repairs samples that are not finite, in place: NaN becomes 0, infinity becomes full scale with its sign. It
// returns their number. A single such sample would otherwise spread through every filter after it.
func Sanitize(samples []float32) int {
	const exponent = 0x7F800000
	var count int
	for i, v := range samples {
		if math.Float32bits(v)&exponent != exponent {
			continue
		}
		count++
		switch {
		case v > 0:
			samples[i] = 1
		case v < 0:
			samples[i] = -1
		default:
			samples[i] = 0
		}
	}
	return count
}

// Clip limits samples to full scale, in place, and returns the largest absolute value before that. Samples must be
// finite.
func Clip(samples []float32) (peak float32) {
	for i, v := range samples {
		peak = max(peak, v, -v)
		samples[i] = min(max(v, -1), 1)
	}
	return peak
}
