// Package sentence finds the ends of sentences in text of any script, as a speech model writes it. It uses only
// spelling: the marks of Unicode's property Sentence_Terminal, and lists of abbreviations whose full stop does not end
// a sentence.
package sentence

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Ends reports whether a sentence ends after words[i]. A word is the text between two spaces, with its punctuation; in
// scripts without spaces a word may be a whole sentence, or any part of one. Ends looks at the words around it: "Mr."
// does not end a sentence, and "a.m." ends one before "The". Before a closing quotation mark that stands alone, as in
// French, the sentence ends only after that mark.
func Ends(words []string, i int) bool {
	if i < 0 || i >= len(words) {
		return false
	}
	last := i
	for last > 0 && closesOnly(words[last]) { // a quotation mark that stands alone belongs to the word before it
		last--
	}
	if i+1 < len(words) && (closesOnly(words[i+1]) || endsOnly(words[i+1])) {
		return false // the sentence ends after that
	}
	body := strings.TrimRightFunc(words[last], closes)
	mark, _ := utf8.DecodeLastRuneInString(body)
	if !terminal(mark, body) {
		return false
	}
	next := ""
	if i+1 < len(words) {
		next = strings.TrimLeftFunc(words[i+1], opens)
	}
	switch mark {
	case '.':
		if strings.HasSuffix(body, "..") {
			return !beginsLower(next)
		}
		return stops(words, last, body, next)
	case '…', '⋯':
		return !beginsLower(next)
	}
	quoted := last < i || len(body) < len(words[last])
	return !quoted || !beginsLower(next) // “What?” he said
}

// terminal reports whether a word that ends with mark may end a sentence.
func terminal(mark rune, word string) bool {
	switch mark {
	case '…', '⋯', '។', '៕', '།', '༎': // ellipses; Khmer khan and Tibetan shad, which the property leaves out
		return true
	case ';', '\u037E': // the question mark of Greek
		return strings.ContainsFunc(word, func(r rune) bool { return unicode.Is(unicode.Greek, r) })
	}
	return unicode.Is(unicode.Sentence_Terminal, mark)
}

// closes reports whether r may stand between the end of a sentence and the next space: a quotation mark or bracket.
func closes(r rune) bool {
	return r == '"' || r == '\'' || r == '*' || r == '_' || unicode.In(r, unicode.Pe, unicode.Pf, unicode.Pi)
}

// opens reports whether r may stand before the first letter of a sentence.
func opens(r rune) bool {
	return closes(r) || r == '¿' || r == '¡' || r == '-' || r == '–' || r == '—' || unicode.Is(unicode.Ps, r)
}

// closesOnly reports whether a word consists of closing marks, such as "»". Some marks open in one language and close
// in another. Alone, after a space, they count as closing only if French uses them so.
func closesOnly(word string) bool {
	return word != "" && !strings.ContainsFunc(word, func(r rune) bool { return r != '"' && r != '»' && r != '›' && !unicode.Is(unicode.Pe, r) })
}

// endsOnly reports whether a word consists of terminal marks and closing marks after them, such as "!" in French or "।"
// in Hindi.
func endsOnly(word string) bool {
	body := strings.TrimRightFunc(word, closes)
	return body != "" && !strings.ContainsFunc(body, func(r rune) bool { return !terminal(r, "") })
}

// stops decides whether a word with one full stop at its end ends a sentence.
func stops(words []string, i int, body, next string) bool {
	word := strings.TrimLeftFunc(strings.TrimSuffix(body, "."), opens)
	if beginsLower(next) {
		return false
	}
	lower := strings.ToLower(word)
	switch {
	case word == "":
		return true // the word is only a full stop
	case titles[lower], neverLast[lower]:
		return false
	case numbered[lower] && next != "":
		return !beginsDigit(next)
	case months[lower] && next != "":
		return !beginsDigit(next)
	case number(word):
		return !ordinal(words, i, next)
	case letters(word) || maybeLast[lower]:
		return next == "" || starts(next)
	}
	return true
}

// ordinal reports whether a number with a full stop is an ordinal: "1. Open the door", German "3. Oktober".
func ordinal(words []string, i int, next string) bool {
	if germanMonths[strings.ToLower(strings.TrimRightFunc(next, func(r rune) bool { return !unicode.IsLetter(r) }))] {
		return true
	}
	return next != "" && (i == 0 || Ends(words, i-1)) && len(words[i]) <= len("99.")
}

// letters reports whether body consists of initials or single letters with stops between them: "J", "U.S", "e.g".
func letters(word string) bool {
	for part := range strings.SplitSeq(word, ".") {
		r, size := utf8.DecodeRuneInString(part)
		if size == 0 || size < len(part) || !unicode.IsLetter(r) || unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) {
			return false
		}
	}
	return word != "I" // "neither did I."
}

func number(word string) bool {
	return !strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsDigit(r) })
}

func titleCase(word string) bool {
	r, _ := utf8.DecodeRuneInString(word)
	return unicode.IsUpper(r) || unicode.IsTitle(r)
}

func beginsDigit(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsDigit(r)
}

// beginsLower reports whether a word is in lower case; "iPhone" is not.
func beginsLower(word string) bool {
	r, size := utf8.DecodeRuneInString(word)
	return unicode.IsLower(r) && !strings.ContainsFunc(word[size:], unicode.IsUpper)
}

// starts reports whether a word often begins sentences and is capitalised. An abbreviation before it may then have been
// the last word of a sentence. Names ("U.S. Army") are not among these words.
func starts(word string) bool {
	if !titleCase(word) {
		return false
	}
	word, _, _ = strings.Cut(strings.ReplaceAll(word, "’", "'"), "'") // It's, I'm
	return starters[strings.ToLower(strings.TrimRightFunc(word, func(r rune) bool { return !unicode.IsLetter(r) }))]
}
