package align

import (
	"unicode"
	"unicode/utf8"

	"github.com/scout-speech/scout"
)

// Amend makes one text of two of the same audio, as Revise does, with a as the text that somebody has seen: it is a, with those runs of b
// that differ from it and that take accepts. Words that both have stay as they are, with their marks, capitals and times. Words that are
// put in have the times of b, which the words around them bound; they end in the mark that stood there, and have a capital only where a
// sentence begins, or where b has one within a sentence.
//
// The result is new memory. If the times are in order on each side, they are in order in the result. runs is Runs(a, b).
func Amend(a, b []scout.Word, runs []Run, take func(Run) bool) []scout.Word {
	out := make([]scout.Word, 0, max(len(a), len(b)))
	taken := false // the run before was
	for _, r := range runs {
		from := len(out)
		if !r.Same && take(r) {
			taken = true
			out = append(out, r.B.Of(b)...)
			if removed := r.A.Of(a); len(removed) > 0 && len(out) > 0 && (len(out) > from || !marked(out[from-1].Text)) {
				last := &out[len(out)-1]
				last.Text = withTail(last.Text, removed[len(removed)-1].Text)
			}
			if len(out) > from {
				recase(&out[from], out[:from], r.B.From == 0 || endsSentence(b[:r.B.From]))
			}
			ordered(out, from)
			continue
		}
		out = append(out, r.A.Of(a)...)
		if taken && len(out) > from {
			recase(&out[from], out[:from], r.Same && !capital(b[r.B.From].Text)) // in b it is within a sentence
		}
		taken = false
		ordered(out, from)
	}
	return out
}

// recase gives a word behind others its capital where a sentence begins, and takes it away elsewhere if it is there only because a
// sentence began with it.
func recase(word *scout.Word, before []scout.Word, began bool) {
	letter, size := utf8.DecodeRuneInString(word.Text)
	switch begins := len(before) == 0 || endsSentence(before); {
	case begins && unicode.IsLower(letter):
		word.Text = string(unicode.ToUpper(letter)) + word.Text[size:]
	case !begins && began:
		word.Text = WithinSentence(word.Text)
	}
}

// WithinSentence returns a word that began a sentence as it is written within one: without its capital, unless it has that anywhere.
// Names cannot be told from other words.
func WithinSentence(word string) string {
	letter, size := utf8.DecodeRuneInString(word)
	if !unicode.IsUpper(letter) || alwaysCapital(word) {
		return word
	}
	return string(unicode.ToLower(letter)) + word[size:]
}

// marked reports whether a word has marks behind its last letter or digit.
func marked(word string) bool { return bare(word) < len(word) }
