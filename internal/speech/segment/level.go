package segment

import (
	"math"
	"slices"
	"time"

	scout "github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/quickselect"
)

// LevelFloor is the lowest level reported, in dBFS: below the noise of 16-bit audio.
const LevelFloor = -100.0

// hopPower returns the mean power of one hop (len(x) > 0) without its mean value, so that direct current does not hide
// a pause. NaN and infinite samples count as zero; nothing is changed.
//
// The race detector would watch each of some hundred million samples in the tests; who shares a slice is watched where
// samples are written and copied. The same holds for what is computed of the powers of hops below.
//
//go:norace
func hopPower(x []float32) float64 {
	var sum, squares float64
	for _, v := range x {
		s := float64(v)
		if s-s != 0 { // NaN or infinite
			continue
		}
		sum += s
		squares += s * s
	}
	n := float64(len(x))
	return max(0, squares/n-(sum/n)*(sum/n))
}

// levelOf converts a mean power to dBFS (a full-scale sine has -3 dBFS).
func levelOf(power float64) float64 {
	return max(LevelFloor, 10*math.Log10(power+1e-30))
}

// samePause is by how many dB a stretch may be louder than the quietest one and still count as the same kind of pause.
const samePause = 6.0

// quietest returns the hop before which to cut, for from <= cut <= to, and the mean power of the 160 ms around it,
// which lie entirely inside power. It returns -1 if there is no room for them.
//
// Among the pauses that are within samePause of the quietest stretch it takes the middle of the longest: sentences end
// in long pauses, and a decoder does best on whole sentences. favour makes a pause at the end of the range count up to
// that much longer than one at its beginning, which saves pieces.
func quietest(power []float64, from, to int, favour float64) (cut int, stretch float64) {
	const half = stretchHops / 2
	from, to = max(from, half), min(to, len(power)-half)
	if from > to {
		return -1, 0
	}
	mean := func(at int) float64 {
		var sum float64
		for _, p := range power[at-half : at+half] {
			sum += p
		}
		return sum / stretchHops
	}
	lowest := math.Inf(1)
	for at := from; at <= to; at++ {
		lowest = min(lowest, mean(at))
	}
	// Everything below -120 dBFS is silence; differences there come from rounding.
	limit := max(lowest, 1e-12) * math.Pow(10, samePause/10)
	run, longest := 0, 0.0
	for at := from; at <= to+1; at++ {
		if at <= to && mean(at) <= limit {
			run++
			continue
		}
		if run > 0 {
			late := float64(at-from) / float64(to-from+1)
			if length := float64(run+stretchHops) * (1 + favour*late); length > longest {
				longest = length
				cut = at - run + (run-1)/2
			}
		}
		run = 0
	}
	return cut, mean(cut)
}

// A cut counts as lying in a pause if its stretch is close to the quiet part of its surroundings or far below the loud
// part. In speech without a pause the quiet part consists of the closures of single consonants (20-80 ms), so no 160 ms
// come near it. In noise the closures are filled up to the level of the pauses, so the comparison works there too. The
// figures were measured: docs/adr/0007.
const (
	pauseAbove = 6.0
	pauseBelow = 22.0
)

// levels are the levels of the surroundings that a cut is compared with, in dBFS.
type levels struct {
	quiet, loud float64
	peak        float64   // of the loudest window
	windows     []float64 // mean powers of windows, in no order
}

// measure fills l from the power of hops, in windows of 20 ms. It reuses l.windows.
//
//go:norace
func (l *levels) measure(power []float64) {
	l.windows = l.windows[:0]
	var largest float64
	for i := 0; i+1 < len(power); i += 2 {
		mean := (power[i] + power[i+1]) / 2
		l.windows = append(l.windows, mean)
		largest = max(largest, mean)
	}
	if len(l.windows) == 0 {
		l.quiet, l.loud, l.peak = LevelFloor, LevelFloor, LevelFloor
		return
	}
	at := func(share float64) float64 {
		return levelOf(quickselect.Nth(l.windows, int(share*float64(len(l.windows)-1)+0.5)))
	}
	l.quiet, l.loud, l.peak = at(0.05), at(0.90), levelOf(largest)
}

// edge judges a cut whose stretch has the given mean power.
func (l *levels) edge(stretch float64) Edge {
	level := levelOf(stretch)
	e := Edge{Kind: EdgeSpeech, Below: l.loud - level, Above: level - l.quiet}
	if level <= LevelFloor || e.Above <= pauseAbove && e.Below > pauseAbove || e.Below >= pauseBelow {
		e.Kind = EdgePause
	}
	return e
}

// briefHops is the length of the stretches of Loudest: 40 ms, less than a syllable.
const briefHops = 4

// loudest judges the loudest brief stretch that begins in the hops from one up to another. Where there is none it is a pause.
//
//go:norace
func (l *levels) loudest(power []float64, from, to int) Edge {
	l.measure(power)
	var mean float64
	var a, b, c, d float64 // the powers of briefHops hops, silence behind the end
	for at := len(power) - 1; at >= max(from, 0); at-- {
		a, b, c, d = power[at], a, b, c
		if at >= to {
			continue
		}
		mean = max(mean, (a+b+c+d)/float64(min(briefHops, len(power)-at)))
	}
	return l.edge(mean)
}

// Loudest judges the loudest 40 ms of a piece's core from a frame of the input on, by the rule for cuts.
func (p Piece) Loudest(from int64) Edge {
	var l levels
	power := powerOf(p.Core())
	return l.loudest(power, int(from-p.Start)/hopFrames, len(power))
}

// Empty reports whether nothing louder than the background is heard in a piece's core between two times of the input. What is soft
// beside the rest of the piece, but louder than that, may be speech.
func (p Piece) Empty(from, to time.Duration) bool {
	power := powerOf(p.Core())
	hop := func(at time.Duration) int {
		return int((int64(at)*scout.EngineSampleRateHz/int64(time.Second) - p.Start) / hopFrames)
	}
	var l levels
	return l.loudest(power, hop(from), hop(to)-briefHops).Above <= pauseAbove
}

// Tail returns the end of a piece, from the quietest point between two times of the input on, and false if there is no
// room for one. It shares memory with the piece.
func (p Piece) Tail(earliest, latest time.Duration) (Piece, bool) {
	frame := func(at time.Duration) int64 { return int64(at) * scout.EngineSampleRateHz / int64(time.Second) }
	const half = stretchHops / 2 * hopFrames
	from, to := frame(earliest)-half, frame(latest)+half
	if from < p.Start || to > p.End() || latest < earliest {
		return Piece{}, false
	}
	core := p.Core()
	power := powerOf(core[from-p.Start : to-p.Start])
	at, stretch := quietest(power, 0, len(power), 0)
	if at < 0 {
		return Piece{}, false
	}
	var l levels
	l.measure(powerOf(core))
	cut := from + int64(at*hopFrames)
	return Piece{
		Start: cut, Samples: p.Samples[p.Before+int(cut-p.Start):], After: p.After, Left: l.edge(stretch), Right: p.Right,
	}, true
}

// Contrast returns by how many dB the loud part (90th percentile of 20 ms) of a piece's core is above its quiet part
// (5th percentile). Steady noise and silence have a few dB. Speech has 15 and more, even in noise 20 dB below it; so
// have typing and music. An empty text for a piece with contrast deserves a second look.
func (p Piece) Contrast() float64 {
	var l levels
	l.measure(powerOf(p.Core()))
	return l.loud - l.quiet
}

// Peak returns the level of the loudest 20 ms of a piece's core in dBFS, at least LevelFloor. Direct current has none.
func (p Piece) Peak() float64 {
	var l levels
	l.measure(powerOf(p.Core()))
	return l.peak
}

// amplified is the largest sample of an amplified piece.
const amplified = 0.5

// Amplified returns the piece without direct current, amplified so that its largest sample is 0.5, in new memory, and
// the gain in dB. A piece of constant samples is returned unchanged.
func (p Piece) Amplified() (Piece, float64) {
	var sum float64
	for _, v := range p.Samples {
		sum += float64(v)
	}
	mean := float32(sum / float64(max(1, len(p.Samples))))
	var largest float32
	for _, v := range p.Samples {
		largest = max(largest, v-mean, mean-v)
	}
	if !(largest > 0) || math.IsInf(float64(largest), 0) {
		return p, 0
	}
	gain := amplified / largest
	samples := make([]float32, len(p.Samples))
	for i, v := range p.Samples {
		samples[i] = gain * (v - mean)
	}
	p.Samples = samples
	return p, 20 * math.Log10(float64(gain))
}

// The beginning of a piece ends where a hop comes within leadInBelow dB of its loud part, and above its quiet part by
// more than the share leadInShare of the contrast. leadInKept hops before it are kept, so that a soft beginning is not
// cut off.
const (
	leadInBelow = 25.0
	leadInShare = 0.3
	leadInKept  = 40 // hops: 400 ms
)

// WithoutLeadIn returns the piece from shortly before its first loud part, and false if that would save at most a tenth
// of a second. It is for pieces that gave no words: the default model may give none to clear speech after a second or
// more of silence (docs/adr/0007-segmentation.md). The samples are shared.
func (p Piece) WithoutLeadIn() (Piece, bool) {
	power := powerOf(p.Samples)
	var l levels
	l.measure(power)
	limit := max(l.loud-leadInBelow, l.quiet+leadInShare*(l.loud-l.quiet))
	first := slices.IndexFunc(power, func(mean float64) bool { return levelOf(mean) > limit })
	cut := (first - leadInKept) * hopFrames
	if cut < 10*hopFrames || cut >= p.Before+p.Frames() {
		return p, false
	}
	if core := cut - p.Before; core > 0 {
		p.Start += int64(core)
		p.Left = Edge{Kind: EdgePause}
	}
	p.Before = max(0, p.Before-cut)
	p.Samples = p.Samples[cut:]
	return p, true
}

// LeadIn returns the beginning of the core up to its first loud part: what WithoutLeadIn has left out in late, and what it
// kept. It returns false if nothing of the core was left out. The samples are shared.
func (p Piece) LeadIn(late Piece) (Piece, bool) {
	if late.Start == p.Start {
		return Piece{}, false
	}
	return p.Part(p.From(), late.From()+Duration(leadInKept*hopFrames))
}

// silentEndKept hops of the silence at the end of a piece are kept: with 100 ms of digital silence the model is lost already
// in some clips. silentEndLeast is the fewest whose loss is worth another decode.
const (
	silentEndKept  = 5
	silentEndLeast = 4
)

// WithoutSilentEnd returns the piece without the end in which nothing is louder than a level in dBFS, and false if that
// would save less than 40 ms. It is for pieces whose text is doubted: the default model may find no words, or only the
// first of them, in clear speech before silence (docs/adr/0017-lost-text.md). The samples are shared.
func (p Piece) WithoutSilentEnd(below float64) (Piece, bool) {
	power := powerOf(p.Samples)
	last := len(power)
	for last > 0 && levelOf(power[last-1]) <= below {
		last--
	}
	keep := (last + silentEndKept) * hopFrames
	if last == 0 || len(p.Samples)-keep < silentEndLeast*hopFrames || keep <= p.Before {
		return p, false
	}
	if core := p.Before + p.Frames() - keep; core > 0 {
		p.Right = Edge{Kind: EdgePause}
	}
	p.After = max(0, p.After-(len(p.Samples)-keep))
	p.Samples = p.Samples[:keep:keep]
	return p, true
}

// powerOf returns the power of the complete hops of x.
func powerOf(x []float32) []float64 {
	power := make([]float64, 0, len(x)/hopFrames)
	for at := 0; at+hopFrames <= len(x); at += hopFrames {
		power = append(power, hopPower(x[at:at+hopFrames]))
	}
	return power
}
