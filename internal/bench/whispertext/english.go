package whispertext

import (
	_ "embed" // spellings.tsv
	"strings"
	"unicode/utf8"
)

//go:embed spellings.tsv
var spellingsTable string // british, a tab, american: whisper/normalizers/english.json

func readSpellings() map[string]string {
	american := map[string]string{}
	for line := range strings.Lines(spellingsTable) {
		before, after, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		american[before] = after
	}
	return american
}

// English normalises an English text (EnglishTextNormalizer). Like the original it may begin or end with a space.
func English(text string) string {
	s := withoutBrackets(lower(text))
	s = replaceAny(s, []string{"hmm", "mm", "mhm", "mmm", "uh", "um"})
	s = joinApostrophes(s)
	for _, r := range replacements() {
		s = r.apply(s)
	}
	s = joinThousands(s)
	s = fullStops(s)
	s = removeSymbols(s, ".%$¢€£")
	s = numbers(s)
	words := fields(s)
	american := spellings()
	for i, word := range words {
		if other, ok := american[word]; ok {
			words[i] = other
		}
	}
	s = strings.Join(words, " ")
	s = thePatterns().loneSign.ReplaceAllString(s, " $1")
	s = thePatterns().lonePercent.ReplaceAllString(s, "$1 ")
	return oneSpace(s)
}

// replacement replaces a stretch of text that ends with a word, and begins with one unless it begins with an apostrophe or is the end of
// a word.
type replacement struct {
	from, to string
	inside   bool // from may begin inside a word
}

// replacements are made in this order (EnglishTextNormalizer.replacers).
func replacements() []replacement {
	return []replacement{
		// common contractions
		{"won't", "will not", false},
		{"can't", "can not", false},
		{"let's", "let us", false},
		{"ain't", "aint", false},
		{"y'all", "you all", false},
		{"wanna", "want to", false},
		{"kinda", "kind of", false},
		{"sorta", "sort of", false},
		{"dunno", "do not know", false},
		{"gotta", "got to", false},
		{"gonna", "going to", false},
		{"i'ma", "i am going to", false},
		{"imma", "i am going to", false},
		{"woulda", "would have", false},
		{"coulda", "could have", false},
		{"shoulda", "should have", false},
		{"cause", "because", false},
		{"ma'am", "madam", false},
		// titles
		{"mr", "mister ", false},
		{"mrs", "missus ", false},
		{"st", "saint ", false},
		{"dr", "doctor ", false},
		{"prof", "professor ", false},
		{"capt", "captain ", false},
		{"gov", "governor ", false},
		{"ald", "alderman ", false},
		{"gen", "general ", false},
		{"sen", "senator ", false},
		{"rep", "representative ", false},
		{"pres", "president ", false},
		{"rev", "reverend ", false},
		{"hon", "honorable ", false},
		{"asst", "assistant ", false},
		{"assoc", "associate ", false},
		{"lt", "lieutenant ", false},
		{"col", "colonel ", false},
		{"jr", "junior ", false},
		{"sr", "senior ", false},
		{"esq", "esquire ", false},
		// perfect tenses
		{"'d been", " had been", true},
		{"'s been", " has been", true},
		{"'d gone", " had gone", true},
		{"'s gone", " has gone", true},
		{"'d done", " had done", true},
		{"'s got", " has got", true},
		// general contractions
		{"n't", " not", true},
		{"'re", " are", true},
		{"'s", " is", true},
		{"'d", " would", true},
		{"'ll", " will", true},
		{"'t", " not", true},
		{"'ve", " have", true},
		{"'m", " am", true},
	}
}

func (r replacement) apply(s string) string {
	var b strings.Builder
	done, at := 0, 0
	for {
		n := strings.Index(s[at:], r.from)
		if n < 0 {
			b.WriteString(s[done:])
			return b.String()
		}
		begin := at + n
		end := begin + len(r.from)
		if (r.inside || !wordBefore(s, begin)) && !wordAfter(s, end) {
			b.WriteString(s[done:begin])
			b.WriteString(r.to)
			done, at = end, end
			continue
		}
		at = begin + 1 // all of from is ASCII
	}
}

// wordBefore and wordAfter report whether a letter, digit or underscore stands directly before or after a place.
func wordBefore(s string, at int) bool {
	r, size := utf8.DecodeLastRuneInString(s[:at])
	return size > 0 && isWord(r)
}

func wordAfter(s string, at int) bool {
	r, size := utf8.DecodeRuneInString(s[at:])
	return size > 0 && isWord(r)
}

// replaceAny takes words out.
func replaceAny(s string, words []string) string {
	var b strings.Builder
	for at := 0; at < len(s); {
		out := 0
		for _, word := range words {
			if strings.HasPrefix(s[at:], word) && !wordBefore(s, at) && !wordAfter(s, at+len(word)) {
				out = len(word)
				break
			}
		}
		if out == 0 {
			_, out = utf8.DecodeRuneInString(s[at:])
			b.WriteString(s[at : at+out])
		}
		at += out
	}
	return b.String()
}

// joinApostrophes takes out the white space before apostrophes.
func joinApostrophes(s string) string {
	parts := strings.Split(s, "'")
	for i := range parts[:len(parts)-1] {
		parts[i] = strings.TrimRightFunc(parts[i], isSpace)
	}
	return strings.Join(parts, "'")
}

// joinThousands takes out commas between digits.
func joinThousands(s string) string {
	runes := []rune(s)
	out := make([]rune, 0, len(runes))
	for i := 0; i < len(runes); i++ {
		out = append(out, runes[i])
		if i+2 < len(runes) && isDigit(runes[i]) && runes[i+1] == ',' && isDigit(runes[i+2]) {
			out = append(out, runes[i+2]) // which takes part in no other match
			i += 2
		}
	}
	return string(out)
}

// fullStops puts spaces in the place of full stops that no number follows.
func fullStops(s string) string {
	runes := []rune(s)
	out := make([]rune, 0, len(runes))
	for i := 0; i < len(runes); i++ {
		switch {
		case runes[i] != '.':
			out = append(out, runes[i])
		case i+1 == len(runes):
			out = append(out, ' ')
		case runes[i+1] < '0' || runes[i+1] > '9':
			out = append(out, ' ', runes[i+1]) // which takes part in no other match
			i++
		default:
			out = append(out, '.')
		}
	}
	return string(out)
}
