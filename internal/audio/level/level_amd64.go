package level

import "golang.org/x/sys/cpu"

// lanes is how many samples one round of the AVX2 loop takes.
const lanes = 16

// maxRound bounds one call, so that the counters of 32 bits in the loop cannot overflow.
const maxRound = 1 << 24

// measureAVX2 returns the sum of squares, the largest magnitude and the number of finite samples of
// the n samples at x; n is a positive multiple of lanes and at most maxRound. It needs AVX2 and FMA.
//
//go:noescape
func measureAVX2(x *float32, n int) (squares float64, peak float32, finite int64)

func (s *sum) add(samples []float32) {
	if !cpu.X86.HasAVX2 || !cpu.X86.HasFMA {
		s.addPortable(samples)
		return
	}
	for len(samples) >= lanes {
		n := min(len(samples), maxRound) &^ (lanes - 1)
		squares, peak, finite := measureAVX2(&samples[0], n)
		s.squares += squares
		s.peak = max(s.peak, peak)
		s.nonFinite += n - int(finite)
		samples = samples[n:]
	}
	s.addPortable(samples)
}
