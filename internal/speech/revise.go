package speech

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
)

// Revision is the text of a first pass with what a second one knows better.
type Revision struct {
	// Words are all words. Those that both passes have are as the first pass wrote them.
	Words []scout.Word
	// Replaced is in how many places words of the second pass took the place of others, Kept in how many the first pass was likelier.
	Replaced, Kept int
	// Changed is false where the text reads as before.
	Changed bool
}

// The publishing rule, docs/adr/0110-publishing-rule.md: words of the first pass stay where the sum of their log-probabilities, m, is
// larger than keepSlope*w + keepFrom, with w that of the second. Both models are sure of themselves in different degrees: where a line
// through the development set puts it, each is right as often.
const (
	keepSlope = 0.77
	keepFrom  = 0.0
)

// Words that somebody has seen are not simply taken away: lostWords or more of them with a mean log-probability of at least lostMean stay
// where the second pass has fewer than half of them. Models skip what they do not understand.
const (
	lostWords = 3
	lostMean  = -0.6
)

// Revise makes one text of both passes over a stream. It takes the second pass's words, except where the first pass's are likelier, where
// one of the passes does not tell how sure it is, where the second heard nothing, and where a hot word would go.
func Revise(first []scout.Word, second *SecondText, hotWords []string) Revision {
	hot := newPhrases(hotWords)
	var r Revision
	runs := align.Runs(first, second.Words)
	r.Words = align.Amend(first, second.Words, runs, func(run align.Run) bool {
		if takes(first, second, run, hot) {
			r.Replaced++
			return true
		}
		r.Kept++
		return false
	})
	r.Changed = !slices.Equal(texts(first), texts(r.Words))
	return r
}

// takes reports whether the second pass's words of a run replace the first one's.
func takes(first []scout.Word, second *SecondText, run align.Run, hot phrases) bool {
	a, b := run.A.Of(first), run.B.Of(second.Words)
	m, w, known := run.LogProbs(first, second.Words)
	switch {
	case !known, second.unheard(first, run.A), hot.in(a) > hot.in(b):
		return false
	case hot.in(b) > hot.in(a):
		return true
	case len(a) >= lostWords && 2*len(b) < len(a) && m >= lostMean*float64(len(a)):
		return false
	}
	return m <= keepSlope*w+keepFrom
}

// unheard reports whether one of the words of a stretch lies where nothing could be decoded. A stretch without any times lies somewhere
// between the words beside it.
func (t *SecondText) unheard(words []scout.Word, stretch align.Range) bool {
	timed := false
	for _, w := range stretch.Of(words) {
		if w.Start == nil || w.End == nil {
			continue
		}
		timed = true
		middle := (*w.Start + *w.End) / 2
		if slices.ContainsFunc(t.Unheard, func(s Span) bool { return s.From-time.Second/2 <= middle && middle < s.To+time.Second/2 }) {
			return true
		}
	}
	if timed || stretch.From == stretch.To {
		return false
	}
	between := Span{From: 0, To: math.MaxInt64}
	for _, w := range words[:stretch.From] {
		if w.End != nil {
			between.From = *w.End
		}
	}
	for _, w := range words[stretch.To:] {
		if w.Start != nil {
			between.To = *w.Start
			break
		}
	}
	return slices.ContainsFunc(t.Unheard, func(s Span) bool { return s.From < between.To && between.From < s.To })
}

// phrases are hot words as they are compared: in lower case, without marks.
type phrases []string

func newPhrases(words []string) phrases {
	list := make(phrases, 0, len(words))
	for _, w := range words {
		if p := plain(strings.Fields(w)); p != " " {
			list = append(list, p)
		}
	}
	return list
}

// in is how many times they stand in the words.
func (p phrases) in(words []scout.Word) (count int) {
	if len(p) == 0 || len(words) == 0 {
		return 0
	}
	text := plain(texts(words))
	for _, phrase := range p {
		count += strings.Count(text, phrase)
	}
	return count
}

// plain returns words in lower case, without the marks around them, each between spaces.
func plain(words []string) string {
	var text strings.Builder
	text.WriteByte(' ')
	for _, w := range words {
		if bare := align.Folded(w); bare != "" {
			text.WriteString(bare)
			text.WriteByte(' ')
		}
	}
	return text.String()
}
