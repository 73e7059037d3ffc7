package wordtime

import (
	"math"
	"slices"
)

// Energy is measured every 5 ms over 20 ms.
const (
	hopMS      = 5
	hop        = hopMS * samplesPerMS
	windowHops = 4
)

// Loudness is judged in two bands, so that rumble does not hide an "s" and hiss does not hide a vowel: the mean of five
// samples, which falls to half the power at 1.4 kHz, and the remainder. Means of four to seven samples do equally well.
const (
	low, high, bandCount = 0, 1, 2

	meanOf  = 5
	meanArm = meanOf / 2
)

// In each band the loud level is the one that 5 % of the piece exceed. The quiet level is the lowest within 300 ms, so
// that it follows noise that swells. It is at least the loud level minus levelRange (40 dB). It is at most half way up
// to the loud level from the quiet level of the whole piece, because a long sound contains no quiet. Where the level,
// in the mean of the bands, is at least 35 % of the way from quiet to loud, everything is speech; below that it fades
// to none.
const (
	blockHops      = 12 // 60 ms, which share one quiet level
	quietBlocks    = 5  // on either side
	smoothHops     = 2  // on either side, before the minimum is taken
	loudPercentile = 95
	levelRange     = 40 // dB
	quietLimit     = 0.5
	fullSpeech     = 0.35

	quietPercentile = 8 // of the whole piece
	// clearContrast is the difference of loud and quiet in a whole piece, in dB, from which borders of words are moved
	// to borders of pauses. In noise that would shorten words by 50 ms on each side.
	clearContrast = 25 // dB
)

// Lengths of a pause and of speech between two pauses: 60 ms and 20 ms. Values of pauseActivity from 0.3 to 0.7 do
// equally well.
const (
	pauseActivity = 0.5
	pauseHops     = 12
	speechHops    = 4
)

// speech says where in the audio of a piece somebody speaks.
type speech struct {
	frames    Frames
	loudestDB float32 // of Recipe

	levels   [bandCount][]float32 // in dB, one for each hop and one more
	smoothed []float32
	sorted   []float32
	active   []float32 // from 0, silence, to 1, speech, in each hop
	share    []float32 // of speech in each frame
	contrast float32   // dB between loud and quiet
	pauses   []interval
}

// interval is [from, to) in milliseconds.
type interval struct{ from, to float32 }

// listen analyses 16 kHz samples of the given number of frames.
func (s *speech) listen(samples []float32, frames int) {
	s.measure(samples)
	s.active = zeroed(s.active, len(s.levels[low]))
	s.contrast = 0
	for _, levels := range s.levels {
		s.addBand(levels)
	}
	for i, way := range s.active {
		s.active[i] = min(way/fullSpeech, 1)
	}
	s.share = zeroed(s.share, frames)
	hopsInFrame := (s.frames.StepMS + hopMS - 1) / hopMS
	for j := range s.share {
		from := min(int(math.Round(float64(s.frames.border(j))/hopMS)), len(s.active)-1)
		hops := s.active[from:min(from+hopsInFrame, len(s.active))]
		for _, active := range hops {
			s.share[j] += active
		}
		s.share[j] /= float32(len(hops))
	}
	s.findPauses()
}

// addBand adds one band to active, as the position between quiet and loud, and to contrast.
func (s *speech) addBand(levels []float32) {
	s.sorted = append(s.sorted[:0], levels...)
	slices.Sort(s.sorted)
	quietest, loud := percentile(s.sorted, quietPercentile), percentile(s.sorted, loudPercentile)
	if s.loudestDB > 0 {
		loud = max(loud, s.sorted[len(s.sorted)-1]-s.loudestDB)
	}
	s.contrast += (loud - quietest) / bandCount
	quietest = max(quietest, loud-levelRange)
	s.smooth(levels)
	for from := 0; from < len(levels); from += blockHops {
		near := s.smoothed[max(from-quietBlocks*blockHops, 0):min(from+(quietBlocks+1)*blockHops, len(levels))]
		quiet := min(max(slices.Min(near), loud-levelRange), quietest+quietLimit*(loud-quietest))
		share := 1 / (max(loud-quiet, 1) * bandCount)
		for i := from; i < min(from+blockHops, len(levels)); i++ {
			s.active[i] += min(max(levels[i]-quiet, 0), loud-quiet) * share
		}
	}
}

// measure computes levels[b][i], the mean power of band b in the 20 ms around 5*i ms, with silence beyond the ends.
func (s *speech) measure(samples []float32) {
	const least, most = 1e-10, 1e30 // -100 dB, 300 dB
	n := len(samples)/hop + 1
	for b := range s.levels {
		s.levels[b] = zeroed(s.levels[b], n)
	}
	var around [hop + 2*meanArm]float32 // a hop of samples, and the neighbours that their means need
	for i := range n {                  // each hop's energy is added to the windows that contain it
		from, to := i*hop, min((i+1)*hop, len(samples))
		clear(around[:])
		lead := min(meanArm, from)
		copy(around[meanArm-lead:], samples[from-lead:min(to+meanArm, len(samples))])
		var energy [bandCount]float32
		for k := range to - from {
			x := around[k : k+meanOf : k+meanOf]
			mean := (x[0] + x[1] + x[2] + x[3] + x[4]) * (1.0 / meanOf)
			rest := x[meanArm] - mean
			energy[low] += mean * mean
			energy[high] += rest * rest
		}
		for at := max(i-windowHops/2+1, 0); at <= min(i+windowHops/2, n-1); at++ {
			s.levels[low][at] += energy[low]
			s.levels[high][at] += energy[high]
		}
	}
	for b := range s.levels {
		for i, energy := range s.levels[b] {
			if !(energy < most) { // the samples are not finite, or far too large
				energy = most
			}
			s.levels[b][i] = float32(10 * math.Log10(float64(energy)/(windowHops*hop)+least))
		}
	}
}

// smooth replaces each level by the mean of the levels around it.
func (s *speech) smooth(levels []float32) {
	s.smoothed = zeroed(s.smoothed, len(levels))
	for i := range s.smoothed {
		near := levels[max(i-smoothHops, 0):min(i+smoothHops+1, len(levels))]
		for _, level := range near {
			s.smoothed[i] += level
		}
		s.smoothed[i] /= float32(len(near))
	}
}

// findPauses collects the stretches of 60 ms and more without speech. Speech of less than 20 ms between two of them
// does not count as speech.
func (s *speech) findPauses() {
	s.pauses = s.pauses[:0]
	end := -1 // end of the previous speech, -1 if there is none
	add := func(from, to int) {
		if to > from {
			s.pauses = append(s.pauses, interval{float32(from * hopMS), float32(to * hopMS)})
		}
	}
	for i := 0; i < len(s.active); {
		if !(s.active[i] > pauseActivity) {
			i++
			continue
		}
		run := i
		for i < len(s.active) && s.active[i] > pauseActivity {
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
		add(end, len(s.active))
	}
}

// snap moves borders of words to the beginning or end of the sound, in clear audio. It moves a border that lies inside
// a pause, or up to two frames outside it. Starts move only forwards and ends only backwards, so the order is kept.
func (s *speech) snap(spans []Span) {
	if s.contrast < clearContrast {
		return
	}
	border := float32(2 * s.frames.StepMS)
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

// leastSpeechMS is the least speech beside a pause that can be a word.
const leastSpeechMS = 100

// wake moves each word that lies in a pause to the speech after the pause, or else to that before it, if no other word has that
// already. It moves words in clear audio only, as snap does, and keeps their order.
func (s *speech) wake(spans []Span, lengthMS float32) {
	if s.contrast < clearContrast {
		return
	}
	next := lengthMS // the start of the word after it
	for i := len(spans) - 1; i >= 0; i-- {
		w := &spans[i]
		if !w.Placed {
			continue
		}
		if k := slices.IndexFunc(s.pauses, func(p interval) bool { return p.from <= w.StartMS && w.EndMS <= p.to }); k >= 0 {
			p, until, since := s.pauses[k], next, float32(0)
			if k+1 < len(s.pauses) {
				until = min(until, s.pauses[k+1].from)
			}
			if k > 0 {
				since = s.pauses[k-1].to
			}
			for b := i - 1; b >= 0; b-- {
				if spans[b].Placed {
					since = max(since, spans[b].EndMS)
					break
				}
			}
			switch length := w.EndMS - w.StartMS; {
			case until-p.to >= leastSpeechMS:
				w.StartMS, w.EndMS = p.to, min(p.to+length, until)
			case p.from-since >= leastSpeechMS:
				w.StartMS, w.EndMS = max(p.from-length, since), p.from
			}
		}
		next = w.StartMS
	}
}

// extend moves the end of each word on through speech: to the next word, to a pause, or by the given length at most.
func (s *speech) extend(spans []Span, mostMS, lengthMS float32) {
	next := lengthMS // the start of the word after it
	for i := len(spans) - 1; i >= 0; i-- {
		w := &spans[i]
		if !w.Placed {
			continue
		}
		limit := min(next, w.EndMS+mostMS)
		for w.EndMS+hopMS <= limit {
			hop := int(w.EndMS / hopMS)
			if hop >= len(s.active) || !(s.active[hop] > pauseActivity) {
				break
			}
			w.EndMS += hopMS
		}
		next = w.StartMS
	}
}

// percentile returns a percentile of sorted values; between two values it is the lower one.
func percentile(sorted []float32, percent int) float32 {
	return sorted[(len(sorted)-1)*percent/100]
}
