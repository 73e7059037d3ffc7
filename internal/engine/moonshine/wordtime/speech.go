package wordtime

import (
	"math"
	"slices"
)

// Energy is taken every 5 ms over 20 ms.
const (
	hopMS       = 5
	hop         = hopMS * samplesPerMS
	windowHops  = 4
	hopsInFrame = 5 // a frame has 4.8
)

// A hop is speech where its level is above the threshold: 30 % of the way from the quiet (8th percentile) to the
// loud (95th), and at most 40 dB below the loud.
const (
	quietPercentile = 8
	loudPercentile  = 95
	thresholdShare  = 0.3
	thresholdRange  = 40 // dB
	// clear is the contrast of loud and quiet, in dB, from which borders of words are moved to borders of
	// pauses. In noise that would cut words short by 50 ms on each side.
	clearContrast = 25 // dB
)

// What counts as a pause and as speech between two: 60 ms and 20 ms.
const (
	pauseHops  = 12
	speechHops = 4
)

// speech tells where the audio of a piece is loud.
type speech struct {
	levels, sorted []float32 // in dB, one for each hop and one more
	loud           []bool    // same shape
	share          []float32 // of loud hops in each frame
	contrast       float32   // dB between loud and quiet
	pauses         []interval
}

// interval is [from, to) in milliseconds.
type interval struct{ from, to float32 }

// listen analyses samples of 16 kHz of so many frames.
func (s *speech) listen(samples []float32, frames int) {
	s.measure(samples)
	s.sorted = append(s.sorted[:0], s.levels...)
	slices.Sort(s.sorted)
	quiet, loud := percentile(s.sorted, quietPercentile), percentile(s.sorted, loudPercentile)
	s.contrast = loud - quiet
	threshold := max(quiet+thresholdShare*s.contrast, loud-thresholdRange)
	s.loud = s.loud[:0]
	for _, level := range s.levels {
		s.loud = append(s.loud, level > threshold)
	}
	s.share = zeroed(s.share, frames)
	for j := range s.share {
		from := min(int(math.Round(float64(frameMS(j))/hopMS)), len(s.loud)-1)
		hops := s.loud[from:min(from+hopsInFrame, len(s.loud))]
		for _, loud := range hops {
			if loud {
				s.share[j]++
			}
		}
		s.share[j] /= float32(len(hops))
	}
	s.findPauses()
}

// measure computes levels[i], the mean power of the 20 ms around 5*i ms, silence beyond the ends.
func (s *speech) measure(samples []float32) {
	const least = 1e-10 // -100 dB
	n := len(samples)/hop + 1
	s.levels = zeroed(s.levels, n)
	for i := range n { // each hop's energy adds to the windows that hold it
		var energy float32
		for _, x := range samples[min(i*hop, len(samples)):min((i+1)*hop, len(samples))] {
			energy += x * x
		}
		for at := max(i-windowHops/2+1, 0); at <= min(i+windowHops/2, n-1); at++ {
			s.levels[at] += energy
		}
	}
	for i, energy := range s.levels {
		s.levels[i] = float32(10 * math.Log10(float64(energy)/(windowHops*hop)+least))
	}
}

// findPauses collects the stretches of 60 ms and more without speech. Speech of less than 20 ms between two of them
// is none.
func (s *speech) findPauses() {
	s.pauses = s.pauses[:0]
	end := -1 // of the speech before, -1 for none
	add := func(from, to int) {
		if to > from {
			s.pauses = append(s.pauses, interval{float32(from * hopMS), float32(to * hopMS)})
		}
	}
	for i := 0; i < len(s.loud); {
		if !s.loud[i] {
			i++
			continue
		}
		run := i
		for i < len(s.loud) && s.loud[i] {
			i++
		}
		switch {
		case end >= 0 && run-end < pauseHops: // a gap within speech
			end = i
		case i-run >= speechHops:
			add(max(end, 0), run)
			end = i
		}
	}
	if end >= 0 {
		add(end, len(s.loud))
	}
}

// snap moves borders of words that lie inside a pause to where the sound begins or ends, in clear audio. Starts
// only move on and ends only back, so that order is kept.
func (s *speech) snap(spans []Span) {
	if s.contrast < clearContrast {
		return
	}
	const border = 1 // ms
	for i := range spans {
		w := &spans[i]
		if !w.Placed {
			continue
		}
		for _, p := range s.pauses {
			if p.from-border <= w.StartMS && w.StartMS < p.to && w.EndMS > p.to {
				w.StartMS = p.to
			}
			if p.from < w.EndMS && w.EndMS <= p.to+border && w.StartMS < p.from {
				w.EndMS = p.from
			}
		}
	}
}

// percentile of sorted values, the one below where it falls between two.
func percentile(sorted []float32, percent int) float32 {
	return sorted[(len(sorted)-1)*percent/100]
}
