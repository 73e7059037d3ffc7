package align

import (
	"slices"
	"time"

	"github.com/scout-speech/scout"
)

// Merge makes one text of two decodings of the same audio. Words on which both agree, apart from capitals and
// punctuation, are kept as a has them, at the mean of both sides' times. Between two agreed words, and at both ends,
// the likelier stretch is taken: the one with the larger sum of log-probabilities. The sum includes the agreed word
// after the stretch, or the end, because its probability depends on the stretch. If the sums are equal, or a
// probability is not known, a's stretch stays. The result is new memory. If the times are in order on each side, they
// are in order in the result.
//
// This is the choice of ROVER (Fiscus 1997) for two voters that know their odds. It takes time and memory of
// len(a.Words)*len(b.Words).
func Merge(a, b Heard) Heard {
	merged := Heard{Words: make([]scout.Word, 0, max(len(a.Words), len(b.Words))), From: a.From, To: a.To, EndLogProb: a.EndLogProb}
	i, j := 0, 0
	add := func(words []scout.Word) {
		from := len(merged.Words)
		merged.Words = append(merged.Words, words...)
		untangle(merged.Words, from)
	}
	for _, p := range agreed(a.Words, b.Words) {
		if likelier(b.Words[j:p.B], b.Words[p.B].LogProb, a.Words[i:p.A], a.Words[p.A].LogProb) {
			add(b.Words[j:p.B])
		} else {
			add(a.Words[i:p.A])
		}
		add([]scout.Word{atMeanTimes(a.Words[p.A], b.Words[p.B])})
		i, j = p.A+1, p.B+1
	}
	if likelier(b.Words[j:], b.EndLogProb, a.Words[i:], a.EndLogProb) {
		add(b.Words[j:])
		merged.EndLogProb = b.EndLogProb
	} else {
		add(a.Words[i:])
	}
	return merged
}

// samePlace is how far the times of an agreed word may be apart and still be two measurements of one place.
const samePlace = 200 * time.Millisecond

// atMeanTimes returns a word that both sides agree on, as a has it, at the mean of both sides' times: their errors are
// partly independent. If one has no times, or they mean different places, a's times stay.
func atMeanTimes(a, b scout.Word) scout.Word {
	if a.Start == nil || b.Start == nil || a.End == nil || b.End == nil ||
		(*a.Start-*b.Start).Abs() > samePlace || (*a.End-*b.End).Abs() > samePlace {
		return a
	}
	start, end := (*a.Start+*b.Start)/2, (*a.End+*b.End)/2
	a.Start, a.End = &start, &end
	return a
}

// likelier reports whether the words of x and what follows them have a larger sum of log-probabilities than y, and all
// of these are known.
func likelier(x []scout.Word, behindX *float64, y []scout.Word, behindY *float64) bool {
	if behindX == nil || behindY == nil {
		return false
	}
	sumX, sumY := *behindX, *behindY
	for _, side := range []struct {
		words []scout.Word
		sum   *float64
	}{{x, &sumX}, {y, &sumY}} {
		for i := range side.words {
			if side.words[i].LogProb == nil {
				return false
			}
			*side.sum += *side.words[i].LogProb
		}
	}
	return sumX > sumY
}

// agreed returns the words that a shortest edit from a to b keeps. Words of punctuation alone never agree.
func agreed(a, b []scout.Word) []Pair {
	x, y := folded(a), folded(b)
	return Kept(len(x), len(y), func(i, j int) bool { return x[i] != "" && x[i] == y[j] })
}

func folded(words []scout.Word) []string {
	out := make([]string, len(words))
	for i := range words {
		out[i] = fold(words[i].Text)
	}
	return out
}

// apart is how far a word must be from the words of another decoding not to be one of them, heard in another way.
const apart = 150 * time.Millisecond

// Fill returns a with the words of b, another decoding of the same audio, that a has lost: words between two on which both
// agree, or at an end, where a has nothing. Where a has other words there, only those of b are lost that are said at
// another time. keep decides about the lost words of each such stretch; the result has those that it accepts, in new
// memory. It takes time and memory of len(a.Words)*len(b.Words).
func Fill(a, b Heard, keep func(lost []scout.Word) bool) Heard {
	filled := Heard{Words: make([]scout.Word, 0, max(len(a.Words), len(b.Words))), From: a.From, To: a.To, EndLogProb: a.EndLogProb}
	i, j := 0, 0
	stretch := func(toA, toB int) {
		words := a.Words[i:toA]
		if lost := lostIn(a, i, toA, b.Words[j:toB]); len(lost) > 0 && keep(lost) {
			words = slices.Concat(words, lost)
			if toA > i { // all have times
				slices.SortStableFunc(words, func(x, y scout.Word) int { return int(*x.Start - *y.Start) })
			}
		}
		at := len(filled.Words)
		filled.Words = append(filled.Words, words...)
		untangle(filled.Words, at)
		i, j = toA, toB
	}
	for _, p := range agreed(a.Words, b.Words) {
		stretch(p.A, p.B)
		at := len(filled.Words)
		filled.Words = append(filled.Words, a.Words[p.A])
		untangle(filled.Words, at)
		i, j = p.A+1, p.B+1
	}
	stretch(len(a.Words), len(b.Words))
	return filled
}

// lostIn returns those of other words at the place of a.Words[from:to] that a has not.
func lostIn(a Heard, from, to int, other []scout.Word) []scout.Word {
	if from == to {
		free, until := a.From, a.To
		for k := from - 1; k >= 0; k-- {
			if end := a.Words[k].End; end != nil {
				free = max(free, *end)
				break
			}
		}
		for _, w := range a.Words[to:] {
			if w.Start != nil {
				until = min(until, *w.Start)
				break
			}
		}
		return fitting(other, free, until)
	}
	var lost []scout.Word
	for _, w := range other {
		if w.Start == nil || w.End == nil {
			return nil
		}
		near := false
		for _, v := range a.Words[from:to] {
			if v.Start == nil || v.End == nil {
				return nil
			}
			near = near || *v.Start < *w.End+apart && *w.Start < *v.End+apart
		}
		if !near {
			lost = append(lost, w)
		}
	}
	return lost
}

// fitting returns the words of which at least half lies between two times, or whose times are not known.
func fitting(words []scout.Word, from, to time.Duration) []scout.Word {
	var fit []scout.Word
	for _, w := range words {
		if w.Start == nil || w.End == nil || 2*(min(*w.End, to)-max(*w.Start, from)) >= *w.End-*w.Start {
			fit = append(fit, w)
		}
	}
	return fit
}
