package text

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Costs of a border between two atoms, in two lines or in two cues.
const (
	borderClause    = 2.0  // after a comma
	borderLead      = 3.5  // before a word that begins a clause
	borderWords     = 5.0  // between other words
	borderBound     = 8.0  // after a word that belongs to the next
	borderScript    = 5.5  // between characters of a script without spaces
	borderWord      = 20.0 // inside a word
	borderPause     = 4.0  // subtracted for each second of a pause
	borderPauseMost = time.Second
)

// borderCost is 0 where a sentence ends.
func borderCost(left, right *atom) float64 {
	cost := borderWords
	switch {
	case left.ends:
		return 0
	case right.within == withinWord:
		cost = borderWord
	case clauseEnds(left.text):
		cost = borderClause
	case right.within == withinScript:
		cost = borderScript
	case bound[bare(left.text)]:
		cost = borderBound
	case leads[bare(right.text)]:
		cost = borderLead
	}
	pause := min(right.start-left.end, borderPauseMost)
	return max(0, cost-borderPause*pause.Seconds())
}

// clauseEnds reports whether a word ends with a comma, colon, dash or similar.
func clauseEnds(word string) bool {
	word = strings.TrimRightFunc(word, func(r rune) bool { return r == '"' || unicode.In(r, unicode.Pe, unicode.Pf) })
	r, _ := utf8.DecodeLastRuneInString(word)
	return unicode.Is(unicode.Terminal_Punctuation, r) || r == '–' || r == '—'
}

// bare returns a word in lower case, without punctuation around it.
func bare(word string) string {
	return strings.ToLower(strings.TrimFunc(word, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }))
}

func set(words string) map[string]bool {
	found := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		found[word] = true
	}
	return found
}

var (
	// bound are words that belong to the next word: articles, prepositions, conjunctions, possessives, titles, pronouns
	// before their verb.
	bound = set(`a an the of to in on at by for from with without into onto upon over under about between among through during
		and or but nor if that as than because while when where who which whose what this these those every each no not very more most
		my your his her its our their i he she we they is are was were be been am has have had do does did will would can could
		should may might must mr mrs ms dr prof st
		der die das den dem des ein eine einen einem einer und oder aber mit von zu im am auf für bei nach aus ich er sie wir
		le la les un une des du de et ou mais à au aux en dans sur pour par avec je il elle nous vous
		el los las una y o pero con por para del al lo gli i e il di da che o os as um uma do dos das em`)
	// leads are words that begin a clause, before which a reader can wait.
	leads = set(`and or but nor so because that which who whom whose when where while if although though unless until since before after
		und oder aber weil dass wenn et ou mais parce que qui y pero porque`)
)
