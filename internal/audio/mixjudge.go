package audio

import (
	"math"
	"math/cmplx"
	"slices"
)

// Bands of the judge, by the bins of a transform of mixFrame samples (31.25 Hz each). Band 0 is below speech: rumble
// and the fundamental of hum. The others are wide enough (eight bins and more) that the level of steady noise is
// steady.
const (
	mixBands   = 10
	mixBins    = mixFrame/2 + 1
	firstBin   = 4   // of speech: 125 Hz
	speechBins = 144 // end of speech: 4500 Hz
	// mixShort is how many frames are compared at a time, a quarter of a second: short enough for a sign that changes
	// in the middle of a sentence, long enough to distinguish coherence from chance.
	mixShort = 8
	// mixRing is how many frames are kept: those of all windows together.
	mixRing = 256
)

// bandEnd returns the first bin after band b.
func bandEnd(b int) int {
	return [mixBands]int{firstBin, 12, 20, 28, 40, 52, 68, 88, 112, speechBins}[b]
}

// mixStats describe one frame. Powers are mean squares.
type mixStats struct {
	power  [][mixBands]float32 // of each channel
	tonal  []bool              // of each channel: nearly all of its power is one tone
	equal  bool                // all channels hold the same samples, as most stereo files of one voice do
	active bool                // somebody speaks, or another sound is as loud
	lead   int                 // the channel with the most sound in the bands of speech
	// negative are the channels that equal the inverted lead.
	negative []bool
	// plainLoss and signedLoss are what the mean, and the mean with signs, lose by cancellation: dB below the sum of
	// the channels' powers, as a mean over the audible bands.
	plainLoss, signedLoss float32
	// redundant is how much of each channel is also in the lead, 0 to 1, whatever its level, sign or delay. For the
	// lead it is how much of it is in the channel that has most of it.
	redundant []float32
}

// mixJudge decides on the weights of a Mixer.
type mixJudge struct {
	channels int
	fourier  *fourier
	window   []float32
	norm     float32
	scratch  []complex128
	windowed [2][]float32
	spectra  [mixShort][][]complex64 // of the last frames, by number modulo mixShort
	stats    [mixRing]mixStats       // by number modulo mixRing
	analysed int64
	compared int64
	pairs    mixPairs // memory of compare

	score   []float32 // sound in the bands of speech, decaying
	loudest []float32 // power of the loudest frame of each channel
	recent  float32   // of the loudest recent frame
	lead    int

	out    mixRegime
	states [mixRing]mixState // by number modulo mixRing
	placed int64             // states that are decided
	judged int64             // states that are mixed
	state  mixState
	run    mixRun

	report  MixReport
	single  []int64 // frames in which only this channel was used
	omitted []int64 // frames in which it was left out
}

func newMixJudge(channels int) *mixJudge {
	j := &mixJudge{
		channels: channels, fourier: newFourier(mixFrame), window: make([]float32, mixFrame),
		scratch: make([]complex128, mixFrame), score: make([]float32, channels), loudest: make([]float32, channels),
		out: newMixRegime(channels), single: make([]int64, channels), omitted: make([]int64, channels),
	}
	var squares float64
	for i := range j.window {
		w := 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/mixFrame)
		j.window[i] = float32(w)
		squares += w * w
	}
	j.norm = float32(2 / (mixFrame * squares)) // of one-sided squares: their sum is the mean square
	for i := range j.windowed {
		j.windowed[i] = make([]float32, mixFrame)
	}
	for i := range j.spectra {
		j.spectra[i] = make([][]complex64, channels)
		for c := range j.spectra[i] {
			j.spectra[i][c] = make([]complex64, mixBins)
		}
	}
	for i := range j.stats {
		j.stats[i] = mixStats{
			power: make([][mixBands]float32, channels), tonal: make([]bool, channels), negative: make([]bool, channels), redundant: make([]float32, channels),
		}
		j.states[i].negative = make([]bool, channels)
	}
	j.state.negative = make([]bool, channels)
	j.pairs = newMixPairs(channels)
	j.report.Channels = channels
	return j
}

// analyse takes the next frame of each channel.
func (j *mixJudge) analyse(frame [][]float32) {
	spectra := j.spectra[j.analysed%mixShort]
	s := &j.stats[j.analysed%mixRing]
	s.equal = equalChannels(frame)
	distinct := j.channels
	if s.equal {
		distinct = 1
	}
	for c := 0; c < distinct; c += 2 {
		j.weighted(0, frame[c])
		second := j.pairs.spare
		if c+1 < distinct {
			j.weighted(1, frame[c+1])
			second = spectra[c+1]
		} else {
			clear(j.windowed[1])
		}
		j.fourier.pair(spectra[c], second, j.windowed[0], j.windowed[1], j.scratch)
	}
	for c := distinct; c < j.channels; c++ {
		copy(spectra[c], spectra[0])
	}
	best, loudest := j.lead, float32(0)
	for c := range j.channels {
		total := j.bands(&s.power[c], spectra[c])
		s.tonal[c] = j.peak(spectra[c]) > oneTone*total
		speech := total - s.power[c][0]
		j.loudest[c] = max(j.loudest[c], total)
		j.score[c] = 0.97*j.score[c] + speech
		loudest = max(loudest, speech)
		if j.score[c] > 2*j.score[best] {
			best = c
		}
	}
	j.lead = best
	s.lead = best
	j.recent = max(j.recent*0.997, loudest) // 3 dB in 7 s
	s.active = loudest > 1e-7 && loudest > j.recent*3e-4
	j.analysed++
	if j.analysed > mixShort/2 {
		j.compare(j.compared)
	}
}

// equalChannels reports whether all channels hold the same samples.
func equalChannels(frame [][]float32) bool {
	for _, other := range frame[1:] {
		if !slices.Equal(frame[0], other) {
			return false
		}
	}
	return true
}

// equalWindow reports whether they did so in all frames of the range from, to; then there is nothing to compare.
func (j *mixJudge) equalWindow(from, to int64) bool {
	for f := from; f < to; f++ {
		if !j.stats[f%mixRing].equal {
			return false
		}
	}
	return true
}

// end compares the last frames, which have less than a window after them.
func (j *mixJudge) end() {
	for j.compared < j.analysed {
		j.compare(j.compared)
	}
}

// weighted removes the mean and applies the window.
func (j *mixJudge) weighted(i int, samples []float32) {
	var mean float32
	for _, v := range samples {
		mean += v
	}
	mean /= mixFrame
	for n, v := range samples {
		j.windowed[i][n] = (v - mean) * j.window[n]
	}
}

// bands sums the powers of a spectrum and returns their sum.
func (j *mixJudge) bands(power *[mixBands]float32, spectrum []complex64) (total float32) {
	k := 1
	for b := range power {
		var sum float32
		for ; k < bandEnd(b); k++ {
			re, im := real(spectrum[k]), imag(spectrum[k])
			sum += re*re + im*im
		}
		power[b] = sum * j.norm
		total += power[b]
	}
	return total
}

// peak returns the power of the strongest tone in a spectrum: the window spreads it over three bins, and a glide needs
// one more.
func (j *mixJudge) peak(spectrum []complex64) (strongest float32) {
	var last [5]float32
	var sum float32
	for k := range speechBins {
		re, im := real(spectrum[k]), imag(spectrum[k])
		power := re*re + im*im
		sum += power - last[k%len(last)]
		last[k%len(last)] = power
		strongest = max(strongest, sum)
	}
	return strongest * j.norm
}

// mixPairs are sums over a short window, memory of compare.
type mixPairs struct {
	spare          []complex64
	own            [][mixBins]float32   // power of each channel
	cross          [][mixBins]complex64 // of each channel with the lead
	plain, turned  [mixBands]float32
	parts          [mixBands]float32
	forward, whole []float32
	backward       []float32
	dot            []float32
}

func newMixPairs(channels int) mixPairs {
	return mixPairs{
		spare: make([]complex64, mixBins), own: make([][mixBins]float32, channels), cross: make([][mixBins]complex64, channels),
		forward: make([]float32, channels), whole: make([]float32, channels), backward: make([]float32, channels),
		dot: make([]float32, channels),
	}
}

// compare determines what the channels of frame i have in common, from the frames around it.
func (j *mixJudge) compare(i int64) {
	j.compared++
	s := &j.stats[i%mixRing]
	from, to := max(0, j.analysed-mixShort), j.analysed
	p := &j.pairs
	if j.equalWindow(from, to) {
		for c := range j.channels {
			s.redundant[c], s.negative[c] = 1, j.channels == 2 && c != s.lead
		}
		s.plainLoss, s.signedLoss = 0, 0
		if j.channels == 2 {
			s.signedLoss = mostLoss
		}
		return
	}
	j.correlate(s.lead, from, to)
	j.redundancy(s)
	for c := range j.channels {
		s.negative[c] = c != s.lead && p.dot[c] < -0.3
		if j.channels == 2 { // with two channels the other sign is always tried
			s.negative[c] = c != s.lead
		}
	}
	j.cancellation(s, from, to)
}

// correlate sums powers and cross powers of the frames in the range from, to.
//
//go:norace
func (j *mixJudge) correlate(lead int, from, to int64) {
	p := &j.pairs
	clear(p.own)
	clear(p.cross)
	for f := from; f < to; f++ {
		spectra := j.spectra[f%mixShort]
		reference := spectra[lead]
		for c, x := range spectra {
			own, cross := &p.own[c], &p.cross[c]
			for k := firstBin; k < speechBins; k++ {
				a, b := real(x[k]), imag(x[k])
				own[k] += a*a + b*b
				if c != lead {
					u, v := real(reference[k]), imag(reference[k])
					cross[k] += complex(u*a+v*b, v*a-u*b)
				}
			}
		}
	}
}

// redundancy sets the redundancies and the correlations. Each bin counts by its amplitude, so that a single tone does
// not decide.
//
//go:norace
func (j *mixJudge) redundancy(s *mixStats) {
	p := &j.pairs
	lead := &p.own[s.lead]
	s.redundant[s.lead] = 0
	for c := range j.channels {
		if c == s.lead {
			continue
		}
		var common, all, back, backAll, dot, powers, leads float64
		for k := firstBin; k < speechBins; k++ {
			own, reference := float64(p.own[c][k]), float64(lead[k])
			coherence := 0.0
			if cross := complex128(p.cross[c][k]); own > 0 && reference > 0 {
				size := cmplx.Abs(cross)
				coherence = min(1, size*size/(own*reference))
				dot += real(cross)
			}
			weight := math.Sqrt(own)
			common, all = common+weight*coherence, all+weight
			weight = math.Sqrt(reference)
			back, backAll = back+weight*coherence, backAll+weight
			powers, leads = powers+own, leads+reference
		}
		s.redundant[c] = float32(common / (all + 1e-30))
		s.redundant[s.lead] = max(s.redundant[s.lead], float32(back/(backAll+1e-30)))
		p.dot[c] = float32(dot / math.Sqrt(powers*leads+1e-30))
	}
}

// cancellation sets the losses.
//
//go:norace
func (j *mixJudge) cancellation(s *mixStats, from, to int64) {
	p := &j.pairs
	p.plain, p.turned, p.parts = [mixBands]float32{}, [mixBands]float32{}, [mixBands]float32{}
	for f := from; f < to; f++ {
		spectra := j.spectra[f%mixShort]
		k := firstBin
		for b := 1; b < mixBands; b++ {
			for ; k < bandEnd(b); k++ {
				var plain, turned complex64
				for c, x := range spectra {
					plain += x[k]
					if s.negative[c] {
						turned -= x[k]
					} else {
						turned += x[k]
					}
				}
				p.plain[b] += real(plain)*real(plain) + imag(plain)*imag(plain)
				p.turned[b] += real(turned)*real(turned) + imag(turned)*imag(turned)
			}
		}
	}
	k := firstBin
	var loudest float32
	for b := 1; b < mixBands; b++ {
		for ; k < bandEnd(b); k++ {
			for c := range j.channels {
				p.parts[b] += p.own[c][k]
			}
		}
		loudest = max(loudest, p.parts[b])
	}
	s.plainLoss, s.signedLoss = loss(&p.plain, &p.parts, loudest), loss(&p.turned, &p.parts, loudest)
}

// mostLoss is the loss of what cancels itself out, in dB.
const mostLoss = 20

// loss returns how far the power of a sum is below the sum of powers, in dB, as a mean over bands and at most mostLoss.
// Bands in which the sum is stronger count as 0. Bands that are inaudible beside the loudest do not count.
func loss(sum, parts *[mixBands]float32, loudest float32) float32 {
	var total float32
	var bands int
	for b := 1; b < mixBands; b++ {
		if parts[b] <= loudest*1e-3 || parts[b] <= 0 {
			continue
		}
		bands++
		total += min(mostLoss, max(0, decibels(parts[b])-decibels(max(sum[b], parts[b]*1e-3))))
	}
	if bands == 0 {
		return 0
	}
	return total / float32(bands)
}
