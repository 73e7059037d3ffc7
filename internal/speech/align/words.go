package align

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/scout-speech/scout"
)

// fold reduces a word to what two decodings of the same sound share: letters and digits in lower case. A word of
// punctuation alone becomes empty and never agrees with anything.
func fold(word string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, word)
}

// Folded returns a word as words are compared: letters and digits in lower case, empty for a word of punctuation alone.
func Folded(word string) string { return fold(word) }

// similar reports whether two different folded words are probably one sound decoded differently, for example because
// one side had only the beginning or the end of it.
func similar(a, b string) bool {
	short, long := a, b
	if len(short) > len(long) {
		short, long = long, short
	}
	if len(short) < 3 {
		return false
	}
	if strings.HasPrefix(long, short) || strings.HasSuffix(long, short) {
		return true
	}
	common := 0
	for common < len(short) && short[common] == long[common] {
		common++
	}
	return common >= 3 && common*5 >= len(long)*3
}

// withTail returns word with the punctuation after its last letter or digit replaced by that of
// other.
func withTail(word, other string) string { return word[:bare(word)] + other[bare(other):] }

// bare returns the number of bytes of word up to and including its last letter or digit.
func bare(word string) int {
	return len(strings.TrimRightFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }))
}

// Alike reports whether two texts have the same words, apart from capitals and punctuation.
func Alike(a, b []scout.Word) bool { return slices.Equal(folded(a), folded(b)) }

// Moves is how far a model may place a word from where it is, or from where it placed it before: attention may begin in the silence
// before a word. It was measured with every model (docs/adr/0061-commit-rule.md).
const Moves = 2500 * time.Millisecond

// Costs of the alignment in After. A substitution is a little cheaper than a word that is missing: of two words at the
// same place one was misheard.
const (
	afterMissing = 1.0
	afterDiffer  = 0.9
	afterSimilar = 0.5
	// afterJoined is the cost of words that the other text writes as one, at most mostParts of them.
	afterJoined = 0.1
	mostParts   = 3
	// afterApart is the cost of a second between the ends. afterMoved limits it, with what the words differ by, to less than a word
	// that is missing, for the same or a similar word no further away than Moves.
	afterApart = 1.0
	afterMoved = 0.9
)

// After returns how many of the words of a text belong to what was already handed out: both begin at the same place,
// and words[After:] is what comes next. The words need not agree. Time and memory are len(handed) * len(words).
func After(handed, words []scout.Word) int {
	m, n := len(handed), len(words)
	if m == 0 || n == 0 {
		return 0
	}
	a, b := folded(handed), folded(words)
	costs := make([][]float64, m+1) // of the first i and the first j words
	costs[0] = make([]float64, n+1)
	for j := range n {
		costs[0][j+1] = costs[0][j] + afterMissing
	}
	for i := range m {
		costs[i+1] = make([]float64, n+1)
		costs[i+1][0] = costs[i][0] + afterMissing
		for j := range n {
			cost := costs[i][j]
			switch {
			case a[i] == b[j]:
			case similar(a[i], b[j]):
				cost += afterSimilar
			default:
				cost += afterDiffer
			}
			cost = min(cost, costs[i][j+1]+afterMissing, costs[i+1][j]+afterMissing)
			if parts := endsWith(a[:i+1], b[j]); parts > 1 {
				cost = min(cost, costs[i+1-parts][j]+afterJoined)
			}
			if parts := endsWith(b[:j+1], a[i]); parts > 1 {
				cost = min(cost, costs[i][j+1-parts]+afterJoined)
			}
			costs[i+1][j+1] = cost
		}
	}
	row := costs[m]
	last, at := handed[m-1].End, 0
	for j := range row {
		if j > 0 && last != nil && words[j-1].End != nil {
			apart := (*words[j-1].End - *last).Abs()
			cost := afterApart * apart.Seconds()
			beyond := afterApart * max(0, apart-Moves).Seconds()
			switch {
			case a[m-1] == b[j-1]:
				cost = min(cost, afterMoved+beyond)
			case similar(a[m-1], b[j-1]):
				cost = min(cost, afterMoved-afterSimilar+beyond)
			}
			row[j] += cost
		}
		if row[j] < row[at] {
			at = j
		}
	}
	return at
}

// endsWith returns how many of the last words are together one word, at most mostParts; 0 if none are. Words are folded.
func endsWith(words []string, whole string) int {
	for n := 1; n <= min(len(words), mostParts); n++ {
		part := words[len(words)-n]
		rest, ok := strings.CutSuffix(whole, part)
		switch {
		case part == "" || !ok:
			return 0
		case rest == "":
			return n
		}
		whole = rest
	}
	return 0
}
