package align

import (
	"slices"
	"strings"
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
