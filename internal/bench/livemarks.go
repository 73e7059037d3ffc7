package bench

import (
	"fmt"
	"strings"
	"unicode"
)

// LiveMarks compares how the words that a text shares with that of a single pass are written: which end a sentence, and
// which begin with a capital.
type LiveMarks struct {
	// Words is how many words both texts have.
	Words int `json:"words"`
	// Ends is how many of them end a sentence in one of the texts, EndsDiffer how many in only one.
	Ends       int `json:"ends"`
	EndsDiffer int `json:"ends_differ"`
	// Capitals is how many begin with a capital in one of the texts, CapitalsDiffer how many in only one.
	Capitals       int `json:"capitals"`
	CapitalsDiffer int `json:"capitals_differ"`
}

func (m LiveMarks) plus(o LiveMarks) LiveMarks {
	return LiveMarks{
		Words: m.Words + o.Words, Ends: m.Ends + o.Ends, EndsDiffer: m.EndsDiffer + o.EndsDiffer,
		Capitals: m.Capitals + o.Capitals, CapitalsDiffer: m.CapitalsDiffer + o.CapitalsDiffer,
	}
}

// share is how many of the sentence ends and capitals differ, in per cent.
func (m LiveMarks) share() float64 {
	return 100 * float64(m.EndsDiffer+m.CapitalsDiffer) / float64(max(m.Ends+m.Capitals, 1))
}

// String is for people.
func (m LiveMarks) String() string {
	return fmt.Sprintf("%d of %d sentence ends and %d of %d capitals differ", m.EndsDiffer, m.Ends, m.CapitalsDiffer, m.Capitals)
}

// compareMarks compares the words that two texts share.
func compareMarks(live, single string) LiveMarks {
	a, b := strings.Fields(live), strings.Fields(single)
	var m LiveMarks
	for _, p := range same(tag(a), tag(b)) {
		m.Words++
		m.Ends, m.EndsDiffer = either(m.Ends, m.EndsDiffer, endsSentence(a[p.A]), endsSentence(b[p.B]))
		m.Capitals, m.CapitalsDiffer = either(m.Capitals, m.CapitalsDiffer, capital(a[p.A]), capital(b[p.B]))
	}
	return m
}

// either counts a word of which something is true in one of two texts, or in both.
func either(one, differ int, a, b bool) (int, int) {
	if a || b {
		one++
	}
	if a != b {
		differ++
	}
	return one, differ
}

func endsSentence(word string) bool {
	return strings.ContainsAny(word[max(0, len(word)-1):], ".?!") || strings.HasSuffix(strings.TrimRight(word, `"')`), ".")
}

func capital(word string) bool {
	for _, r := range word {
		if unicode.IsLetter(r) {
			return unicode.IsUpper(r)
		}
	}
	return false
}
