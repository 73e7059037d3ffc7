package align

import (
	"strings"
	"time"
	"unicode"
)

// units are the parts of words that are said one after the other: "18-18-18." is one word of three units.
type units struct {
	text   []string // folded
	word   []int    // which word each belongs to
	counts []bool   // whether it is a number, or a letter by its name
}

func unitsOf(words []string) units {
	u := units{text: make([]string, 0, len(words)), word: make([]int, 0, len(words)), counts: make([]bool, 0, len(words))}
	for i, w := range words {
		parts := []string{w}
		if hasDigit(w) || strings.ContainsRune(w, '-') {
			parts = strings.FieldsFunc(w, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' && r != '’' })
		}
		for _, part := range parts {
			if f := fold(part); f != "" {
				u.text, u.word, u.counts = append(u.text, f), append(u.word, i), append(u.counts, counts(f))
			}
		}
	}
	return u
}

// allCount reports whether text[from:to] are all numbers or letters.
func (u units) allCount(from, to int) bool {
	for _, c := range u.counts[from:to] {
		if !c {
			return false
		}
	}
	return true
}

func hasDigit(s string) bool { return strings.ContainsFunc(s, unicode.IsDigit) }

// counts reports whether f is a folded digit, an English number word, or a single letter that is not a word.
func counts(f string) bool {
	if hasDigit(f) {
		return true
	}
	if len(f) == 1 {
		return f != "a" && f != "i" && f != "o"
	}
	for _, tens := range [...]string{"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"} {
		f = strings.TrimPrefix(f, tens)
	}
	switch f {
	case "", "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
		"fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "hundred", "thousand", "million":
		return true
	}
	return false
}

// Limits for a single word: at least wordLoop characters that repeat a pattern of at most longestPattern throughout, or
// a number of punctuation marks (marks) in a row.
const (
	wordLoop       = 12
	longestPattern = 6
	marks          = 8
)

// inOneWord finds a repetition without spaces: "1111111111111", "Asffffffffff", ".........".
func inOneWord(words []string) (at int, found bool) {
	inRow, began := 0, 0 // marks that follow each other, in whichever words
	for i, w := range words {
		run := []rune(w)
		for _, r := range run {
			if unicode.IsLetter(r) || unicode.IsDigit(r) {
				inRow = 0
				continue
			}
			if inRow == 0 {
				began = i
			}
			if inRow++; inRow >= marks {
				return began, true
			}
		}
		if len(run) < wordLoop {
			continue
		}
		for period := 1; period <= longestPattern; period++ {
			same := 0
			for k := period; k < len(run); k++ {
				if run[k] != run[k-period] {
					same = 0
					continue
				}
				if same++; same+period >= max(wordLoop, 4*period) {
					return i, true
				}
			}
		}
	}
	return 0, false
}

// Nobody says more than fastestUnits numbers or letters a second, or more than fastestDigits digits. A burst of fewer
// than leastFast proves nothing.
const (
	fastestUnits  = 5.5
	fastestDigits = 8.0
	leastFast     = 12
)

// tooFast reports whether there are more numbers and letters than can be said in the time.
func tooFast(words []string, heard time.Duration) bool {
	if heard <= 0 {
		return false
	}
	digits := 0
	for _, w := range words {
		for _, r := range w {
			if unicode.IsDigit(r) {
				digits++
			}
		}
	}
	u, counted := unitsOf(words), 0
	for _, c := range u.counts {
		if c {
			counted++
		}
	}
	seconds := heard.Seconds()
	return counted >= leastFast && float64(counted) > fastestUnits*seconds || digits >= leastFast && float64(digits) > fastestDigits*seconds
}

// Hurried reports whether there are more words than people say in the time without haste.
func Hurried(words []string, heard time.Duration) bool {
	return heard > 0 && (float64(len(unitsOf(words).text)) > hurried*heard.Seconds() || tooFast(words, heard))
}
