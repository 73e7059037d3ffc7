package audio

import "math"

// Downmix mixes interleaved frames to mono: the mean of all channels. Sound that is equal in every channel keeps its
// level exactly. A speaker in one of two channels becomes 6 dB softer. Opposite sound in two channels cancels out, as
// it does on a mono loudspeaker.
//
//	dst  mono, one sample per frame; may be the beginning of src itself
//	src  interleaved, shape [frames*channels]; a partial frame at the end is ignored
//
// It returns the number of frames, min(len(dst), len(src)/channels), and 0 when channels < 1.
func Downmix(dst, src []float32, channels int) int {
	if channels < 1 {
		return 0
	}
	n := min(len(dst), len(src)/channels)
	dst, src = dst[:n], src[:n*channels]
	switch channels {
	case 1:
		copy(dst, src)
	case 2:
		for i := range dst {
			dst[i] = (src[2*i] + src[2*i+1]) * 0.5
		}
	default:
		divisor := float32(channels)
		for i := range dst {
			var sum float32
			for _, v := range src[i*channels : (i+1)*channels] {
				sum += v
			}
			dst[i] = sum / divisor
		}
	}
	return n
}

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
