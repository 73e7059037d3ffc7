package align

import (
	"math"
	"slices"
	"time"

	scout "github.com/scout-speech/scout"
)

// Heard is the text of one piece of audio.
type Heard struct {
	// Words are in the order in which they were said. Their times, if they have any, count from the beginning of the
	// input, not of the piece. Join and Splice do not change them.
	Words []scout.Word
	// From and To bound the audio that was decoded, context included.
	From, To time.Duration
	// EndLogProb is the log-probability that the text ends after Words, nil if it is not known.
	EndLogProb *float64
}

// Seam says how two neighbours are joined: left.Words[:Left], then right.Words[Right:].
type Seam struct {
	Left, Right int
	// Agreed is how many words of the overlap are alike on both sides. Zero means that the seam was placed by position.
	Agreed int
	// First is set if the word before the seam is also the first of the right side. Only the left side knows how it is
	// capitalised, and only the right side knows what follows it.
	First bool
}

// Two words are the same only within a tolerance of their positions. With times from the model 94-99 % of word borders
// are within 0.2 s of the truth. Without them positions are estimated (see place), with an error of 0.3-0.5 s in the
// median and 1.1 s in the 90th percentile, on each side: docs/adr/0007.
const (
	timedTolerance     = 0.5
	estimatedTolerance = 3.0
)

// Scores of the alignment. Only their order matters: a word that is alike on both sides outweighs one that is missing
// on one side. At the outer ends, where a word was cut through, a difference is expected. The deduction for the
// distance in time makes the nearer of two equal phrases win.
const (
	scoreEqual   = 1.5
	scoreShort   = 1.0 // equal, but of at most three letters: many words are "the"
	scoreSimilar = 0.3
	scoreDiffer  = -1.0
	scoreMissing = -0.8
	scoreBorder  = -0.2
	// scoreTimed is subtracted at 0.2 s between two words with times, and four times as much at 0.4 s.
	scoreTimed = 1.0
	// scoreEstimated is subtracted for each second between two words with estimated positions.
	scoreEstimated = 0.08
)

// fluent is the rate of speech without pauses in characters a second, spaces included: about 2.7 words.
const fluent = 14.0

// Join decides where to change from the words of one piece to those of the next. The audio of the next piece begins
// (right.From) before that of the first ends (left.To). cut is the border of the two cores.
//
// Join aligns the end of left with the beginning of right so that as many words as possible agree near the same
// position. The seam is an agreed word in the middle of the overlap, where both sides have the most context.
// Differences near the outer ends are not used. If the audio does not overlap, all words of both are kept. If no words
// agree, the words of left before cut and those of right after it are kept. If one side has no words in the overlap,
// the other side's words are used there.
//
// Join takes time and memory of len(left.Words) * len(right.Words).
func Join(left, right Heard, cut time.Duration) Seam {
	m, n := len(left.Words), len(right.Words)
	if left.To <= right.From || m == 0 || n == 0 {
		return Seam{Left: m, Right: 0}
	}
	o := newOverlap(left, right, cut)
	if pairs := o.align(); o.convincing(pairs) {
		return o.seam(pairs)
	}
	return o.byPosition()
}

// Splice returns the joined words in new memory. At the seam a word keeps the capital of the left side and takes the
// punctuation after it from the right side. If the times are in order on each side, they are in order in the result.
func Splice(left, right Heard, s Seam) []scout.Word {
	words := make([]scout.Word, 0, s.Left+len(right.Words)-s.Right)
	words = append(words, left.Words[:s.Left]...)
	if s.First && s.Left > 0 && s.Right > 0 {
		last := &words[s.Left-1]
		last.Text = withTail(last.Text, right.Words[s.Right-1].Text)
	}
	words = append(words, right.Words[s.Right:]...)
	untangle(words, s.Left)
	return words
}

// untangle makes the times of words[:seam] end where those of words[seam:] begin, because two sides differ by some
// hundredths of a second about a border. A word that lies entirely after the border loses its time.
func untangle(words []scout.Word, seam int) {
	for _, next := range words[seam:] {
		if next.Start == nil {
			continue
		}
		for i := seam - 1; i >= 0; i-- {
			w := &words[i]
			switch {
			case w.Start == nil || w.End == nil:
			case *w.End <= *next.Start:
				return
			case *w.Start >= *next.Start:
				w.Start, w.End = nil, nil
			default:
				end := *next.Start
				w.End = &end
				return
			}
		}
		return
	}
}

// overlap holds the words of both sides, ready to be compared.
type overlap struct {
	a, b     []string  // folded words
	at, bt   []float64 // positions of their middles in seconds
	from, to float64   // the audio that both decoded
	cut      float64
	timed    bool // all positions come from the model
}

func newOverlap(left, right Heard, cut time.Duration) overlap {
	o := overlap{from: right.From.Seconds(), to: left.To.Seconds(), cut: cut.Seconds(), timed: true}
	o.a, o.at = o.place(left, true)
	o.b, o.bt = o.place(right, false)
	return o
}

// place folds the words and finds the positions of their middles. Words without times get estimated positions, from the
// number of characters between them and the end of the audio that lies in the overlap. People speak fluently there, or
// the cut would be elsewhere; the piece as a whole may contain pauses.
func (o *overlap) place(h Heard, fromEnd bool) (words []string, at []float64) {
	words, at = make([]string, len(h.Words)), make([]float64, len(h.Words))
	length := 0
	for _, w := range h.Words {
		length += len(w.Text) + 1
	}
	from, to := h.From.Seconds(), h.To.Seconds()
	rate := fluent
	if span := to - from; span > 0 {
		rate = max(fluent, float64(length)/span)
	}
	passed := 0
	for i, w := range h.Words {
		size := len(w.Text) + 1
		words[i] = fold(w.Text)
		middle := float64(passed) + float64(size)/2
		passed += size
		switch {
		case w.Start != nil && w.End != nil:
			at[i] = (*w.Start + *w.End).Seconds() / 2
			continue
		case fromEnd:
			at[i] = to - (float64(length)-middle)/rate
		default:
			at[i] = from + middle/rate
		}
		o.timed = false
	}
	return words, at
}

func (o *overlap) tolerance() float64 {
	if o.timed {
		return timedTolerance
	}
	return estimatedTolerance
}

// score rates word i of a at the place of word j of b, without the allowance at the borders.
func (o *overlap) score(i, j int) (score float64, equal bool) {
	apart := math.Abs(o.at[i] - o.bt[j])
	tolerance := o.tolerance()
	distance := scoreEstimated * apart
	if o.timed {
		distance = scoreTimed * (apart / 0.2) * (apart / 0.2)
	}
	middle := (o.at[i] + o.bt[j]) / 2
	if apart > tolerance || middle < o.from-tolerance || middle > o.to+tolerance {
		return math.Inf(-1), false
	}
	switch x, y := o.a[i], o.b[j]; {
	case x == "" || y == "":
		return scoreDiffer, false
	case x == y && len(x) <= 3:
		return scoreShort - distance, true
	case x == y:
		return scoreEqual - distance, true
	case similar(x, y):
		return scoreSimilar - distance, false
	}
	return scoreDiffer, false
}

// align finds the best alignment of an end of a with a beginning of b and returns the words in it that agree, in order.
// Words before that end and after that beginning cost nothing. This is the overlap variant of the alignment of
// Needleman and Wunsch (J. Mol. Biol. 48, 1970).
func (o *overlap) align() []Pair {
	m, n := len(o.a), len(o.b)
	const (
		stop = iota
		both
		onlyA
		onlyB
	)
	width := n + 1
	best := make([]float64, (m+1)*width)
	from := make([]uint8, (m+1)*width)
	missingA := func(i int) float64 { // word i of a has no counterpart in b
		if i == m-1 || o.a[i] == "" {
			return scoreBorder
		}
		return scoreMissing
	}
	missingB := func(j int) float64 {
		if j == 0 || o.b[j] == "" {
			return scoreBorder
		}
		return scoreMissing
	}
	for i := 0; i <= m; i++ {
		for j := 0; j <= n; j++ {
			at := i*width + j
			if j == 0 {
				continue // a begins anywhere: 0, stop
			}
			top, way := best[at-1]+missingB(j-1), uint8(onlyB)
			if i > 0 {
				if s := best[at-width] + missingA(i-1); s > top {
					top, way = s, onlyA
				}
				s, equal := o.score(i-1, j-1)
				if !equal && !math.IsInf(s, -1) && (i == m || j == 1) {
					s = max(s, scoreBorder)
				}
				if s += best[at-width-1]; s >= top {
					top, way = s, both
				}
			}
			best[at], from[at] = top, way
		}
	}
	end := 0
	for j := 1; j <= n; j++ {
		if best[m*width+j] > best[m*width+end] {
			end = j
		}
	}
	var pairs []Pair
	for i, j := m, end; from[i*width+j] != stop; {
		switch from[i*width+j] {
		case both:
			i, j = i-1, j-1
			if _, equal := o.score(i, j); equal {
				pairs = append(pairs, Pair{i, j})
			}
		case onlyA:
			i--
		case onlyB:
			j--
		}
	}
	slices.Reverse(pairs)
	return pairs
}

// convincing reports whether the agreement can be more than chance: two words, or one word that is long or that the
// model places at the same time on both sides.
func (o *overlap) convincing(pairs []Pair) bool {
	switch len(pairs) {
	case 0:
		return false
	case 1:
		return o.timed || len(o.a[pairs[0].A]) > 3
	}
	return true
}

// seam picks the agreed word that is nearest to the middle of the overlap, if possible with agreement on both sides of
// it.
func (o *overlap) seam(pairs []Pair) Seam {
	const (
		wordsPerSecond = 3.0 // of fluent speech, to weigh seconds against words
		alone          = 1.0 // words nearer to the border that an agreeing neighbour is worth
	)
	chosen, lowest := 0, math.Inf(1)
	for k, p := range pairs {
		// The middle is where as much of the left text follows as of the right text precedes.
		off := math.Abs(float64(len(o.a)-1-p.A) - float64(p.B))
		if o.timed {
			off = 2 * wordsPerSecond * math.Abs((o.at[p.A]+o.bt[p.B])/2-o.cut)
		}
		if k == 0 || pairs[k-1] != (Pair{p.A - 1, p.B - 1}) {
			off += alone
		}
		if k == len(pairs)-1 || pairs[k+1] != (Pair{p.A + 1, p.B + 1}) {
			off += alone
		}
		if off < lowest {
			chosen, lowest = k, off
		}
	}
	p := pairs[chosen]
	if p.B == 0 && p.A > 0 {
		return Seam{Left: p.A + 1, Right: 1, Agreed: len(pairs), First: true}
	}
	return Seam{Left: p.A, Right: p.B, Agreed: len(pairs)}
}

// byPosition joins at the cut. Estimated positions are off by some tenths of a second, so a word at the cut can be
// doubled. If the same words stand on both sides of the seam, they are kept once.
func (o *overlap) byPosition() Seam {
	m, n := len(o.a), len(o.b)
	if o.at[m-1] < o.from || o.bt[0] > o.to {
		// One side has no words in the overlap: those of the other side are used there.
		return Seam{Left: m, Right: 0}
	}
	s := Seam{Left: m, Right: n}
	for s.Left > 0 && o.at[s.Left-1] >= o.cut {
		s.Left--
	}
	for s.Right > 0 && o.bt[s.Right-1] >= o.cut {
		s.Right--
	}
	for k := min(s.Left, n-s.Right); k > 0; k-- {
		if o.same(s.Left-k, s.Right, k) {
			s.Right += k
			break
		}
	}
	return s
}

// same reports whether k words of a from i on are those of b from j on, and can be at the same places.
func (o *overlap) same(i, j, k int) bool {
	for ; k > 0; i, j, k = i+1, j+1, k-1 {
		if o.a[i] == "" || o.a[i] != o.b[j] || math.Abs(o.bt[j]-o.at[i]) >= o.tolerance() {
			return false
		}
	}
	return true
}
