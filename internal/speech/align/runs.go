package align

import (
	"math"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/text/sentence"
)

// Range is a stretch of a list of words: words[From:To].
type Range struct{ From, To int }

// Of returns the words of the range.
func (r Range) Of(words []scout.Word) []scout.Word { return words[r.From:r.To] }

// Run is a stretch of two texts a and b of the same audio, which both have words of or one of them has.
type Run struct {
	// A is the stretch of a, B that of b. One of them may be empty where the texts differ.
	A, B Range
	// Same says that both have the same letters and digits there, apart from capitals: "shop-boy" and "shop boy" are the same.
	Same bool
}

// Costs of the alignment of Runs. Two words that differ cost less than one that is missing on each side. Measured with a fast and
// an accurate model: edit distances over half a minute are unambiguous, with or without times.
const (
	runMissing = 0.7
	runDiffer  = 1.0
	runAlike   = 0.4 // less, for words that are spelled alike
)

// window is how many words of each text are aligned at once, about a minute of speech. Of a window that has text behind it the last
// quarter is aligned again with the next one, and the border lies beside a word that both have.
const window = 160

// Runs aligns two texts of the same audio. It returns runs that cover all words of both, in order; of two neighbours never both are
// Same, and never both differ. A word without letters or digits belongs to the word before it.
//
// Words are compared by their letters and digits, and times are not used. Of a text that lacks much of what the other has, more than
// about half a minute, the rest is not recognised. It takes time and memory in proportion to the length of the texts.
func Runs(a, b []scout.Word) []Run {
	x, y := spelledOf(a), spelledOf(b)
	var runs []Run
	add := func(next Run) {
		if n := len(runs); n > 0 && runs[n-1].Same == next.Same {
			runs[n-1].A.To, runs[n-1].B.To = next.A.To, next.B.To
			return
		}
		runs = append(runs, next)
	}
	i, j := 0, 0
	differ := func(toX, toY int) {
		if toX > i || toY > j {
			same := strings.Join(x.keys[i:toX], "") == strings.Join(y.keys[j:toY], "")
			add(Run{x.rangeOf(i, toX), y.rangeOf(j, toY), same})
		}
		i, j = toX, toY
	}
	for more := true; more; {
		toX, toY := min(i+window, len(x.keys)), min(j+window, len(y.keys))
		more = toX < len(x.keys) || toY < len(y.keys)
		pairs := equals(x.keys[i:toX], y.keys[j:toY])
		fromX, fromY := i, j
		for _, p := range pairs[:settled(pairs, more)] {
			differ(fromX+p.A, fromY+p.B)
			add(Run{x.rangeOf(i, i+1), y.rangeOf(j, j+1), true})
			i, j = i+1, j+1
		}
		if more && i == fromX && j == fromY { // nothing in common
			differ(toX, toY)
		}
	}
	differ(len(x.keys), len(y.keys))
	if len(runs) == 0 && len(a)+len(b) > 0 {
		add(Run{Range{0, len(a)}, Range{0, len(b)}, true}) // marks only
	}
	return runs
}

// settled is how many pairs of a window the next one does not change: all before its last quarter, where text follows.
func settled(pairs []Pair, more bool) int {
	if !more {
		return len(pairs)
	}
	const sure = window * 3 / 4
	n := len(pairs)
	for n > 0 && (pairs[n-1].A >= sure || pairs[n-1].B >= sure) {
		n--
	}
	return n
}

// spelled are the words of a text that have letters or digits.
type spelled struct {
	keys  []string
	at    []int // where each of them, with the marks that belong to it, begins
	words int
}

func spelledOf(words []scout.Word) spelled {
	s := spelled{words: len(words)}
	for i := range words {
		if key := fold(words[i].Text); key != "" {
			s.keys, s.at = append(s.keys, key), append(s.at, i)
		}
	}
	if len(s.at) > 0 {
		s.at[0] = 0 // marks before the first word belong to it
	}
	return s
}

// rangeOf is the stretch of the text that spelled words from:to have.
func (s spelled) rangeOf(from, to int) Range {
	r := Range{0, s.words} // marks alone belong to what stands there
	if from > 0 {
		r.From = s.words
	}
	if from < len(s.at) {
		r.From = s.at[from]
	}
	if to < len(s.at) {
		r.To = s.at[to]
	}
	return r
}

// equals returns the equal words of the cheapest alignment of two lists of folded words, in order.
func equals(x, y []string) []Pair {
	var scratch []int
	return cheapest(len(x), len(y), runMissing, func(i, j int) float64 {
		if x[i] == y[j] {
			return 0
		}
		return runDiffer - runAlike*likeness(x[i], y[j], &scratch)
	})
}

// likeness is how much two folded words are alike, from 0 to 1: by the edits from one to the other, in bytes. Words that neither begin
// nor end alike are not compared.
func likeness(a, b string, scratch *[]int) float64 {
	if a[0] != b[0] && a[len(a)-1] != b[len(b)-1] {
		return 0
	}
	row := (*scratch)[:0]
	for j := range len(b) + 1 {
		row = append(row, j)
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0]++
		for j := range len(b) {
			least := diagonal
			if a[i] != b[j] {
				least = min(diagonal, row[j], row[j+1]) + 1
			}
			diagonal, row[j+1] = row[j+1], least
		}
	}
	*scratch = row
	return 1 - float64(row[len(b)])/float64(max(len(a), len(b)))
}

// LogProbs returns the sums of the log-probabilities of a run in both texts. A side without words has the lower one of its two
// neighbours' in its place: that the model left nothing out is as likely as the words around. known is false where a word of the
// run, or all neighbours, have none.
func (r Run) LogProbs(a, b []scout.Word) (inA, inB float64, known bool) {
	inA, knownA := sumOf(a, r.A)
	inB, knownB := sumOf(b, r.B)
	return inA, inB, knownA && knownB
}

func sumOf(words []scout.Word, r Range) (sum float64, known bool) {
	if r.From < r.To {
		for _, w := range r.Of(words) {
			if w.LogProb == nil {
				return 0, false
			}
			sum += *w.LogProb
		}
		return sum, true
	}
	sum = math.Inf(1)
	for _, k := range [2]int{r.From - 1, r.To} {
		if k >= 0 && k < len(words) && words[k].LogProb != nil {
			sum, known = min(sum, *words[k].LogProb), true
		}
	}
	return sum, known
}

// Revise makes one text of two of the same audio: b, with those runs of a that differ and that take does not accept. Words that
// both have are spelled as in b, capitals and marks included, and keep their times in a, where it has any: times that somebody has
// seen stay. Words of b have times of b, which the words around them bound. Words of a that stay between words of b end in the
// mark that stands there in b, and begin with a capital only where a sentence begins.
//
// The result is new memory. If the times are in order on each side, they are in order in the result. runs is Runs(a, b).
func Revise(a, b []scout.Word, runs []Run, take func(Run) bool) []scout.Word {
	out := make([]scout.Word, 0, max(len(a), len(b)))
	for _, r := range runs {
		from := len(out)
		switch {
		case r.Same:
			out = append(out, timed(r.A.Of(a), r.B.Of(b))...)
		case take(r):
			out = append(out, r.B.Of(b)...)
		default:
			out = append(out, r.A.Of(a)...)
			fit(out, from, r.B.Of(b), r.A.From == 0 || endsSentence(a[:r.A.From]))
		}
		ordered(out, from)
	}
	return out
}

// timed returns words that both texts have as b spells them, with the times of a.
func timed(a, b []scout.Word) []scout.Word {
	out := make([]scout.Word, len(b))
	copy(out, b)
	switch {
	case len(a) == len(b):
		for i := range out {
			if a[i].Start != nil && a[i].End != nil {
				out[i].Start, out[i].End = a[i].Start, a[i].End
			}
		}
	case len(b) == 1 && len(a) > 0 && a[0].Start != nil && a[len(a)-1].End != nil: // one word of several
		out[0].Start, out[0].End = a[0].Start, a[len(a)-1].End
	}
	return out
}

// fit makes out[from:], words of a, fit into b, which has other words at their place. began says that they began a sentence in a.
func fit(out []scout.Word, from int, other []scout.Word, began bool) {
	if from == len(out) {
		return
	}
	if n := len(other); n > 0 {
		last := &out[len(out)-1]
		last.Text = withTail(last.Text, other[n-1].Text)
	}
	first := &out[from]
	letter, size := utf8.DecodeRuneInString(first.Text)
	switch begins := from == 0 || endsSentence(out[:from]); {
	case begins && unicode.IsLower(letter):
		first.Text = string(unicode.ToUpper(letter)) + first.Text[size:]
	case !begins && began && unicode.IsUpper(letter) && !alwaysCapital(first.Text) && (len(other) == 0 || !capital(other[0].Text)):
		first.Text = string(unicode.ToLower(letter)) + first.Text[size:]
	}
}

func capital(word string) bool {
	letter, _ := utf8.DecodeRuneInString(word)
	return unicode.IsUpper(letter)
}

// alwaysCapital reports whether a word has its capital anywhere: "I", "I'm", "NATO".
func alwaysCapital(word string) bool {
	folded := fold(word)
	if folded == "i" || strings.HasPrefix(word, "I'") || strings.HasPrefix(word, "I’") {
		return true
	}
	capitals := 0
	for _, r := range word {
		if unicode.IsUpper(r) {
			capitals++
		}
	}
	return capitals > 1
}

// endsSentence reports whether a sentence ends with the last word. What follows is not known.
func endsSentence(words []scout.Word) bool {
	const around = 3 // words that sentence.Ends looks at
	near := words[max(0, len(words)-around):]
	spelt := make([]string, len(near))
	for i := range near {
		spelt[i] = near[i].Text
	}
	return len(near) > 0 && sentence.Ends(spelt, len(spelt)-1)
}

// ordered keeps the times of words[from:] behind those before them. A word that lies before them loses its times.
func ordered(words []scout.Word, from int) {
	var end time.Duration
	for i := from - 1; i >= 0; i-- {
		if words[i].End != nil {
			end = *words[i].End
			break
		}
	}
	for i := from; i < len(words); i++ {
		w := &words[i]
		switch {
		case w.Start == nil || w.End == nil:
			continue
		case *w.End <= end:
			w.Start, w.End = nil, nil
			continue
		case *w.Start < end:
			start := end
			w.Start = &start
		}
		end = *w.End
	}
}
