package store

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/scout-speech/scout"
)

// Term is one part of a query.
type Term struct {
	// Words are what must follow each other in the text, as Fold writes them; never empty.
	Words []string
	// Prefix is true where the last word is the beginning of one.
	Prefix bool
	// Without is true where texts with it are left out.
	Without bool
}

// maxTerms bounds the work for one query.
const maxTerms = 64

// ParseQuery reads what a person typed. Terms without a letter or digit are left out: nothing could match them. It is not
// an error where nothing is left; then nothing matches.
func ParseQuery(query string) ([]Term, error) {
	var terms []Term
	for rest := strings.TrimSpace(query); rest != ""; rest = strings.TrimSpace(rest) {
		var term Term
		if after, minus := strings.CutPrefix(rest, "-"); minus && after != "" && !unicode.IsSpace(firstRune(after)) {
			term.Without, rest = true, after
		}
		var text string
		if quoted, is := strings.CutPrefix(rest, `"`); is && strings.Contains(quoted, `"`) {
			text, rest, _ = strings.Cut(quoted, `"`)
		} else {
			text, rest = rest, ""
			if end := strings.IndexFunc(text, unicode.IsSpace); end >= 0 {
				text, rest = text[:end], text[end:]
			}
		}
		if strings.HasPrefix(rest, "*") {
			term.Prefix, rest = true, rest[1:]
		}
		term.Prefix = term.Prefix || strings.HasSuffix(text, "*")
		for _, t := range tokens(text) {
			term.Words = append(term.Words, t.word)
		}
		if len(term.Words) > 0 {
			terms = append(terms, term)
		}
		if len(terms) > maxTerms {
			return nil, scout.Errorf(scout.CodeInvalidArgument, "more than %d words to search for", maxTerms).WithHint("search for fewer words")
		}
	}
	return terms, nil
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}

// wordBreak is put between the letters of scripts without spaces: each of them is searched for as a word.
const wordBreak = '\u200b'

// Indexable returns the text with an invisible break around each letter of a script that is written without spaces, so that
// a database's search finds words inside. Readable takes the breaks out again.
func Indexable(text string) string {
	if strings.IndexFunc(text, scout.Spaceless) < 0 && !strings.ContainsRune(text, wordBreak) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == wordBreak:
		case scout.Spaceless(r):
			b.WriteRune(wordBreak)
			b.WriteRune(r)
			b.WriteRune(wordBreak)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Readable undoes Indexable.
func Readable(text string) string { return strings.ReplaceAll(text, string(wordBreak), "") }

// token is a word of a text: letters and digits, folded, and where it stands in runes.
type token struct {
	word     string
	from, to int
}

// tokens parts a text the way the search does: into runs of letters and digits, without case and accents; each letter of a
// script that is written without spaces is a word.
func tokens(text string) []token {
	var found []token
	var word strings.Builder
	position, from := 0, -1
	flush := func() {
		if word.Len() > 0 {
			found = append(found, token{word.String(), from, position})
			word.Reset()
		}
		from = -1
	}
	for _, r := range text {
		switch {
		case r >= 0x300 && r <= 0x36f && from >= 0: // an accent of the letter before
		case !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.Co, r):
			flush()
		case scout.Spaceless(r):
			flush()
			word.WriteString(fold(r))
			from = position
			position++
			flush()
			continue
		default:
			if from < 0 {
				from = position
			}
			word.WriteString(fold(r))
		}
		position++
	}
	flush()
	return found
}

// fold returns the letter without case and accents.
func fold(r rune) string {
	if r < 0x80 {
		return string(unicode.ToLower(r))
	}
	var b strings.Builder
	for _, d := range norm.NFD.String(string(r)) {
		if d < 0x300 || d > 0x36f {
			b.WriteRune(unicode.ToLower(d))
		}
	}
	return b.String()
}

// maxSnippets is how many stretches of one text an answer shows.
const maxSnippets = 3

// snippetRunes is about how long a snippet is, in characters.
const snippetRunes = 160

// Snippets returns the stretches of the first segments that match a term. segments are their texts; at returns where one
// begins in the audio.
func Snippets(terms []Term, segments []string, at func(segment int) Snippet) []Snippet {
	var found []Snippet
	for i, text := range segments {
		if len(found) == maxSnippets {
			break
		}
		marks := matches(terms, tokens(text))
		if len(marks) == 0 {
			continue
		}
		snippet := at(i)
		snippet.Text, snippet.Marks = window(text, marks)
		found = append(found, snippet)
	}
	return found
}

// matches returns where terms stand, in runes, in order and without overlap.
func matches(terms []Term, words []token) [][2]int {
	var marks [][2]int
	for i := 0; i < len(words); {
		length := 0
		for _, term := range terms {
			if !term.Without && standsAt(term, words[i:]) {
				length = max(length, len(term.Words))
			}
		}
		if length == 0 {
			i++
			continue
		}
		marks = append(marks, [2]int{words[i].from, words[i+length-1].to})
		i += length
	}
	return marks
}

func standsAt(term Term, words []token) bool {
	if len(words) < len(term.Words) {
		return false
	}
	for i, word := range term.Words {
		last := i == len(term.Words)-1
		if words[i].word != word && (!last || !term.Prefix || !strings.HasPrefix(words[i].word, word)) {
			return false
		}
	}
	return true
}

// window returns about snippetRunes characters of the text around the first mark, and the marks in it.
func window(text string, marks [][2]int) (string, [][2]int) {
	runes := []rune(text)
	from, to := 0, len(runes)
	if to > snippetRunes {
		from = max(0, marks[0][0]-snippetRunes/3)
		for from > 0 && from < marks[0][0] && !unicode.IsSpace(runes[from-1]) && !scout.Spaceless(runes[from-1]) {
			from++ // whole words
		}
		to = min(len(runes), max(from+snippetRunes, marks[0][1]))
		for to < len(runes) && to > marks[0][1] && !unicode.IsSpace(runes[to]) && !scout.Spaceless(runes[to]) {
			to--
		}
	}
	var inside [][2]int
	for _, m := range marks {
		if m[0] >= from && m[1] <= to {
			inside = append(inside, [2]int{m[0] - from, m[1] - from})
		}
	}
	return string(runes[from:to]), inside
}
