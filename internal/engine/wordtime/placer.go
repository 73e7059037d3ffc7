package wordtime

import (
	"math"
	"slices"

	"github.com/scout-speech/scout/internal/quickselect"
)

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
// longest one. It serves one decode at a time.
type Placer struct {
	recipe Recipe
	heads  int
	given  int       // frames of a row of the decoder
	frames int       // of them, those that are used
	rows   []float32 // attention, shape [rows, heads, frames]

	mean, scale []float32 // of each head and frame over the rows, shape [heads, frames]
	fits        []float32
	row, sorted []float32
	speech      speech
	chain       chain
}

// New returns a placer for the model of a recipe.
func New(recipe Recipe) *Placer {
	return &Placer{recipe: recipe, heads: len(recipe.Heads), speech: speech{frames: recipe.Frames, loudestDB: recipe.LoudestDB}}
}

// Begin forgets the previous decode and begins one over the given number of frames and samples.
func (p *Placer) Begin(frames, samples int) {
	p.given, p.frames = frames, frames
	if p.recipe.Padded {
		p.frames = min(frames, (samples+p.recipe.Frames.StepMS*samplesPerMS-1)/(p.recipe.Frames.StepMS*samplesPerMS))
	}
	p.rows = p.rows[:0]
}

// Add takes the first keep rows of a run of the decoder over n tokens.
//
//	alignment  weights, shape [heads, n, frames]; copied
func (p *Placer) Add(alignment []float32, n, keep int) {
	for row := range keep {
		for h := range p.heads {
			at := (h*n + row) * p.given
			p.rows = append(p.rows, alignment[at:at+p.frames]...)
		}
	}
}

// Keep drops all rows but the first n: the tokens of the others are not used.
func (p *Placer) Keep(n int) { p.rows = p.rows[:n*p.heads*p.frames] }

// Rows returns how many rows were added.
func (p *Placer) Rows() int {
	if p.frames == 0 {
		return 0
	}
	return len(p.rows) / (p.heads * p.frames)
}

// Place returns a span for each word. Rows must have been added for the start token and every token, in order, and
// frames must be those of the samples; a model none of whose heads needs the row of the last token may lack it. Otherwise,
// and if there are more tokens than frames, nothing is placed. The spans are in order, do not overlap and end within the
// audio.
//
//	samples  16 kHz mono, shape [frames of the request]
//	spoken   for each token, whether it has a sound: punctuation has none. A word without any is not placed
//	words    in order, without overlap
func (p *Placer) Place(samples []float32, spoken []bool, words []Word) []Span {
	spans := make([]Span, len(words))
	if rows := p.Rows(); rows < len(spoken)+p.recipe.own() || rows > len(spoken)+1 {
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
		if p.recipe.StartShare > 0 {
			from += p.rise(wordOf(words[w], spoken), from, c.states[at].to)
		} else {
			from += p.lead(at)
		}
		for ; at < len(c.states) && c.states[at].word == w; at++ {
			to = c.states[at].to
			peak = max(peak, p.peak(at))
		}
		if peak >= leastPeak(p.Rows()) {
			spans[w] = Span{StartMS: min(p.recipe.Frames.border(from), length), EndMS: min(p.recipe.Frames.border(to), length), Placed: true}
		}
	}
	p.speech.snap(spans)
	if p.recipe.Wakes {
		p.speech.wake(spans, length)
	}
	if p.recipe.ExtendMS > 0 {
		p.speech.extend(spans, p.recipe.ExtendMS, length)
	}
	return spans
}

// wordOf returns the first token of a word that has a sound.
func wordOf(word Word, spoken []bool) int {
	for k := word.From; k < word.To; k++ {
		if spoken[k] {
			return k
		}
	}
	return word.From
}

// rise returns after how many of the frames [from, to) the plain weight of token k reaches StartShare of its largest:
// the deviations of a token rise before its weight does. The weight of a frame is the mean of the heads, less what the
// frame gets from the median row.
func (p *Placer) rise(k, from, to int) int {
	width := p.heads * p.frames
	rows := len(p.rows) / width
	p.fits = zeroed(p.fits, to-from)
	p.sorted = zeroed(p.sorted, rows)
	for j := from; j < to; j++ {
		for h, head := range p.recipe.Heads {
			at := h*p.frames + j
			for row := range p.sorted {
				p.sorted[row] = p.rows[row*width+at]
			}
			weight := p.sorted[k+head.Own]
			p.fits[j-from] += max(weight-median(p.sorted), 0)
		}
	}
	limit := p.recipe.StartShare * slices.Max(p.fits)
	return slices.IndexFunc(p.fits, func(weight float32) bool { return weight >= limit })
}

// median returns the median of values, which it reorders.
func median(values []float32) float32 {
	n := len(values)
	upper := quickselect.Nth(values, n/2)
	if n%2 == 1 {
		return upper
	}
	return (slices.Max(values[:n/2]) + upper) / 2
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

const samplesPerMS = 16

// leastDeviation keeps what is the same in every row from becoming infinite.
const leastDeviation = 1e-6

// normalise computes mean and 1/deviation over the rows, for each head and frame. This removes attention sinks, frames
// that every token attends to.
func (p *Placer) normalise() {
	width := p.heads * p.frames
	p.mean, p.scale = zeroed(p.mean, width), zeroed(p.scale, width)
	for row := range slices.Chunk(p.rows, width) {
		for i, a := range row {
			p.mean[i] += a
		}
	}
	each := 1 / float32(len(p.rows)/width)
	least := leastDeviation + p.recipe.FewRows*each
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
	each := 1 / float32(p.heads)
	for h, head := range p.recipe.Heads {
		at := ((k+head.Own)*p.heads + h) * p.frames
		row := p.rows[at : at+p.frames]
		mean := p.mean[h*p.frames : (h+1)*p.frames]
		scale := p.scale[h*p.frames : (h+1)*p.frames]
		known := max(p.frames-head.Late, 0)
		for j := range known {
			i := j + head.Late
			out[j] += (row[i] - mean[i]) * scale[i] * each
		}
		for j := known; j < p.frames; j++ {
			out[j] += beyond * each
		}
	}
	p.smooth(out)
	for j, share := range p.speech.share {
		silent := 1 - share
		out[j] -= silent * (silenceWeight + silenceShare*max(out[j], 0))
	}
}

// smooth replaces each value by the median of those around it, mirrored at the ends.
func (p *Placer) smooth(values []float32) {
	arm := p.recipe.Smooth / 2
	if arm == 0 || len(values) <= arm {
		return
	}
	p.row = append(p.row[:0], values...)
	p.sorted = zeroed(p.sorted, 2*arm+1)
	for j := range values {
		for i := range p.sorted {
			at := j + i - arm
			if at < 0 {
				at = -at
			}
			if at >= len(p.row) {
				at = 2*(len(p.row)-1) - at
			}
			p.sorted[i] = p.row[at]
		}
		slices.Sort(p.sorted)
		values[j] = p.sorted[arm]
	}
}

// zeroed returns n zeros, in the memory of s if it is large enough.
func zeroed(s []float32, n int) []float32 {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}
