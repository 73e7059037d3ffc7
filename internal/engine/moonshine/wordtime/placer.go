package wordtime

import (
	"math"
	"slices"
)

// Heads is the number of attention heads in a row, in the order of the decoder's output "alignment".
const Heads = 5

// head says how to read an attention head.
type head struct {
	// own is 1 if the head locates a token in the row in which the token is the input, 0 if it does in the row before,
	// which predicted it.
	own int
	// late is how many frames its peak lies after the sound.
	late int
}

// alignmentHeads are layer 0 heads 2 and 3, layer 1 head 3, layer 3 head 0, layer 5 head 6.
var alignmentHeads = [Heads]head{{own: 1}, {own: 1}, {own: 1}, {own: 1, late: 7}, {own: 0}}

// beyond is the score of a frame whose peak would lie after the end of the audio.
const beyond = -0.3

// Word is a word as the range [From, To) of its tokens, counted from 0 without the start token.
type Word struct{ From, To int }

// Span is where a word was said, in milliseconds from the beginning of the piece. If that is not known, Placed is false
// and the times are 0.
type Span struct {
	StartMS, EndMS float32
	Placed         bool
}

// Placer collects attention during a decode and places its words. Its memory is kept between decodes and grows to the
// longest one. The zero value is ready to use; it serves one decode at a time.
type Placer struct {
	frames int
	rows   []float32 // attention, shape [rows, Heads, frames]

	mean, scale []float32 // of each head and frame over the rows, shape [Heads, frames]
	fits        []float32
	speech      speech
	chain       chain
}

// Begin forgets the previous decode and begins one over the given number of frames.
func (p *Placer) Begin(frames int) {
	p.frames = frames
	p.rows = p.rows[:0]
}

// Add takes the first keep rows of a run of the decoder over n tokens.
//
//	alignment  weights, shape [Heads, n, frames]; copied
func (p *Placer) Add(alignment []float32, n, keep int) {
	for row := range keep {
		for h := range Heads {
			at := (h*n + row) * p.frames
			p.rows = append(p.rows, alignment[at:at+p.frames]...)
		}
	}
}

// Keep drops all rows but the first n: the tokens of the others are not used.
func (p *Placer) Keep(n int) { p.rows = p.rows[:n*Heads*p.frames] }

// Rows returns how many rows were added.
func (p *Placer) Rows() int {
	if p.frames == 0 {
		return 0
	}
	return len(p.rows) / (Heads * p.frames)
}

// Place returns a span for each word. Rows must have been added for the start token and every token, in order, and
// frames must be those of the samples. Otherwise, and if there are more tokens than frames, nothing is placed. The
// spans are in order, do not overlap and end within the audio.
//
//	samples  16 kHz mono, shape [frames of the request]
//	spoken   for each token, whether it has a sound: punctuation has none. A word without any is not placed
//	words    in order, without overlap
func (p *Placer) Place(samples []float32, spoken []bool, words []Word) []Span {
	spans := make([]Span, len(words))
	if p.frames == 0 || p.Rows() != len(spoken)+1 {
		return spans
	}
	p.normalise()
	p.speech.listen(samples, p.frames)
	c := &p.chain
	c.begin(p.frames)
	for w, word := range words {
		first := true
		for k := word.From; k < word.To; k++ {
			if !spoken[k] {
				continue
			}
			if first {
				c.pause(p.speech.share)
				first = false
			}
			p.score(k, c.token(w))
		}
	}
	if !c.tokens() {
		return spans
	}
	c.pause(p.speech.share)
	if !c.solve() {
		return spans
	}
	length := float32(len(samples)) / samplesPerMS
	for at := 0; at < len(c.states); {
		w := c.states[at].word
		if w == pause {
			at++
			continue
		}
		from, to, peak := c.states[at].from, 0, float32(0)
		from += p.lead(at)
		for ; at < len(c.states) && c.states[at].word == w; at++ {
			to = c.states[at].to
			peak = max(peak, p.peak(at))
		}
		if peak >= leastPeak(p.Rows()) {
			spans[w] = Span{StartMS: min(frameMS(from), length), EndMS: min(frameMS(to), length), Placed: true}
		}
	}
	p.speech.snap(spans)
	return spans
}

// leastPeak is how well the best token of a word must fit its best frame, in deviations: a word that matches nothing in
// the audio has no place. With few rows no row can be many deviations above the mean.
func leastPeak(rows int) float32 { return min(1, float32(math.Sqrt(float64(rows-1)))/2) }

// Noises, and words that the model leaves out, are added to a neighbouring word. They become a long beginning that its
// first token does not attend to. Such a beginning is cut off: less than leadShare of the token's peak, summed up from
// its end backwards, for at least leadFrames (288 ms).
const (
	leadShare  = 0.6
	leadFrames = 12
)

// lead returns how many frames too many the first token of a word, the given state, has at its beginning.
func (p *Placer) lead(state int) int {
	fit := p.fit(state)
	limit := leadShare * slices.Max(fit)
	start, best, sum := 0, float32(0), float32(0)
	for j := len(fit) - 1; j >= 0; j-- {
		if sum += fit[j] - limit; sum > best {
			start, best = j, sum
		}
	}
	if start < leadFrames {
		return 0
	}
	return start
}

// peak returns how well a token fits the best of its frames.
func (p *Placer) peak(state int) float32 { return slices.Max(p.fit(state)) }

// fit returns how well a token fits its frames, in deviations: its score without silenceWeight. The result is valid
// until the next call.
func (p *Placer) fit(state int) []float32 {
	s := p.chain.states[state]
	p.fits = append(p.fits[:0], p.chain.scores[state*p.frames+s.from:state*p.frames+s.to]...)
	for j := range p.fits {
		p.fits[j] += silenceWeight * (1 - p.speech.share[s.from+j])
	}
	return p.fits
}

// The frames of the encoder: one every 24 ms, the middle of the first at 28 ms (docs/formats/prepared-model.md).
const (
	samplesPerMS = 16
	frameStepMS  = 24
	firstFrameMS = 28 - frameStepMS/2
)

// frameMS is the border before frame j.
func frameMS(j int) float32 { return float32(frameStepMS*j + firstFrameMS) }

// normalise computes mean and 1/deviation over the rows, for each head and frame. This removes attention sinks, frames
// that every token attends to.
func (p *Placer) normalise() {
	const least = 1e-6 // deviation
	width := Heads * p.frames
	p.mean, p.scale = zeroed(p.mean, width), zeroed(p.scale, width)
	for row := range slices.Chunk(p.rows, width) {
		for i, a := range row {
			p.mean[i] += a
		}
	}
	each := 1 / float32(len(p.rows)/width)
	for i := range p.mean {
		p.mean[i] *= each
	}
	for row := range slices.Chunk(p.rows, width) {
		for i, a := range row {
			d := a - p.mean[i]
			p.scale[i] += d * d
		}
	}
	for i, s := range p.scale {
		p.scale[i] = 1 / (float32(math.Sqrt(float64(s*each))) + least)
	}
}

// Attention often begins before a word, in the pause. In a silent frame it counts half. There a token loses
// silenceWeight and a pause gains it, in deviations.
const (
	silenceShare  = 0.5
	silenceWeight = 1.5
)

// score writes how well token k fits each frame: the mean of the heads in deviations above their mean, less in silent
// frames.
func (p *Placer) score(k int, out []float32) {
	clear(out)
	for h, head := range alignmentHeads {
		at := ((k+head.own)*Heads + h) * p.frames
		row := p.rows[at : at+p.frames]
		mean := p.mean[h*p.frames : (h+1)*p.frames]
		scale := p.scale[h*p.frames : (h+1)*p.frames]
		known := max(p.frames-head.late, 0)
		for j := range known {
			i := j + head.late
			out[j] += (row[i] - mean[i]) * scale[i] * (1.0 / Heads)
		}
		for j := known; j < p.frames; j++ {
			out[j] += beyond * (1.0 / Heads)
		}
	}
	for j, share := range p.speech.share {
		silent := 1 - share
		out[j] -= silent * (silenceWeight + silenceShare*max(out[j], 0))
	}
}

// zeroed returns n zeros, in the memory of s if it is large enough.
func zeroed(s []float32, n int) []float32 {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}
