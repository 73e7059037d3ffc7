// Package vote decides which words stand where a fast and an accurate model wrote different ones of the same audio. The accurate
// model is right more often, but not always where it is unsure and the fast one is sure. It is pure: words and probabilities in, words
// out. docs/adr/0112-word-vote.md has the rule and its measurements.
package vote

import (
	"slices"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
)

// Rule says when words of the fast model take the place of those of the accurate one: both of its keys must turn.
type Rule struct {
	// Slope and Offset are those of the first key: m > Slope*w + Offset, with the sums of the log-probabilities that the fast model
	// (m) and the accurate one (w) gave to their own words. The fast model is too sure of itself, hence the offset.
	Slope  float64 `json:"slope"`
	Offset float64 `json:"offset"`
}

// Default is the rule that scout-bench vote learned of the development set with Whisper base (thorough) and Moonshine tiny.
func Default() Rule { return Rule{Slope: 0.79, Offset: 0.36} }

// Opens reports whether the first key turns: then it is worth asking both models about the second.
func (r Rule) Opens(d *Difference) bool { return d.Fast > r.Slope*d.Accurate+r.Offset }

// Takes reports whether the words of the fast model are taken. The second key turns if both models together find its words likelier,
// each made to say them behind the same words; it has no constant.
func (r Rule) Takes(d *Difference) bool { return r.Opens(d) && d.Scores != nil && d.Scores.sum() < 0 }

// Behind is how many tokens behind a difference count for the second key.
const Behind = 3

// Scores are natural log-probabilities of the accurate model's words less those of the fast one's, with the Behind tokens after them:
// by the accurate model, and by the fast one.
type Scores struct {
	Accurate float64 `json:"accurate"`
	Fast     float64 `json:"fast"`
}

func (s *Scores) sum() float64 { return s.Accurate + s.Fast }

// Difference is a run in which the texts differ. It is never divided: the words of a run belong together.
type Difference struct {
	// Run has the fast model's words as A, the accurate one's as B.
	align.Run
	// Fast and Accurate are the sums of the log-probabilities that the models gave their own words.
	Fast     float64 `json:"fast"`
	Accurate float64 `json:"accurate"`
	// Scores are nil as long as nobody asked the models.
	Scores *Scores `json:"scores,omitempty"`
}

// Ballot has the texts of both models for a piece of audio, and where they differ.
type Ballot struct {
	Fast        []scout.Word  `json:"fast"`
	Accurate    []scout.Word  `json:"accurate"`
	Differences []*Difference `json:"differences,omitempty"`

	runs []align.Run
}

// New compares two texts. whole says that both are of exactly the same audio; otherwise only differences between words that both have
// count, because at the ends one model may have heard more. Differences without probabilities are left out.
func New(fast, accurate []scout.Word, whole bool) *Ballot {
	b := &Ballot{Fast: fast, Accurate: accurate, runs: align.Runs(fast, accurate)}
	for i, run := range b.runs {
		if run.Same || !whole && (i == 0 || i == len(b.runs)-1) {
			continue
		}
		if m, w, known := run.LogProbs(fast, accurate); known {
			b.Differences = append(b.Differences, &Difference{Run: run, Fast: m, Accurate: w})
		}
	}
	return b
}

// Open returns the differences in which the first key of a rule turns.
func (b *Ballot) Open(r Rule) []*Difference {
	return slices.DeleteFunc(slices.Clone(b.Differences), func(d *Difference) bool { return !r.Opens(d) })
}

// Words returns the text with the fast model's words where take says so, and the accurate one's everywhere else. Words of the fast
// model get the mark that ends those they replace, and a capital only where a sentence begins. The words are new memory; what they
// point to is shared.
func (b *Ballot) Words(take func(*Difference) bool) []scout.Word {
	return b.revised(func(run align.Run) bool {
		i := slices.IndexFunc(b.Differences, func(d *Difference) bool { return d.Run == run })
		return i >= 0 && take(b.Differences[i])
	})
}

// revised is the accurate text with the fast model's words in some runs.
func (b *Ballot) revised(fast func(align.Run) bool) []scout.Word {
	if b.runs == nil { // it was stored
		b.runs = align.Runs(b.Fast, b.Accurate)
	}
	source := slices.Clone(b.Fast)
	for _, run := range b.runs {
		if run.Same { // words that both have keep the times of the accurate model
			for i := run.A.From; i < run.A.To; i++ {
				source[i].Start, source[i].End = nil, nil
			}
		}
	}
	return align.Revise(source, b.Accurate, b.runs, func(run align.Run) bool { return !fast(run) })
}

// InAccurate returns the fast model's words of a difference as a change of the accurate model's text.
func (b *Ballot) InAccurate(d *Difference) scout.Change {
	text := b.revised(func(run align.Run) bool { return run == d.Run })
	return scout.Change{From: d.B.From, To: d.B.To, Words: texts(text[d.B.From : d.B.From+d.A.To-d.A.From])}
}

// InFast returns the accurate model's words of a difference as a change of the fast model's text.
func (b *Ballot) InFast(d *Difference) scout.Change {
	reverse := func(run align.Run) align.Run { return align.Run{A: run.B, B: run.A, Same: run.Same} }
	runs := make([]align.Run, len(b.runs))
	for i, run := range b.runs {
		runs[i] = reverse(run)
	}
	text := align.Revise(b.Accurate, b.Fast, runs, func(run align.Run) bool { return run != reverse(d.Run) })
	return scout.Change{From: d.A.From, To: d.A.To, Words: texts(text[d.A.From : d.A.From+d.B.To-d.B.From])}
}

func texts(words []scout.Word) []string {
	out := make([]string, len(words))
	for i := range words {
		out[i] = words[i].Text
	}
	return out
}
