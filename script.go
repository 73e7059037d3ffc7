package scout

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Between returns the separator between two consecutive texts: nothing inside a script that is written without spaces,
// else a space.
func Between(left, right string) string {
	l, _ := utf8.DecodeLastRuneInString(left)
	r, _ := utf8.DecodeRuneInString(right)
	if left == "" || right == "" || Spaceless(l) && Spaceless(r) {
		return ""
	}
	return " "
}

// Divides reports whether a word may end between two characters without a space between them: both are of scripts without
// spaces, and the second is neither a mark that belongs to the first nor punctuation that closes.
func Divides(left, right rune) bool {
	if !Spaceless(left) || !Spaceless(right) {
		return false
	}
	return unicode.IsLetter(right) && right != 'ー' || unicode.In(right, unicode.Ps, unicode.Pi)
}

// Words returns the words of a text: what stands between spaces, and each letter of a script without spaces, with the
// punctuation beside it.
func Words(text string) []string {
	var words []string
	for part := range strings.FieldsSeq(text) {
		from, last, spoken := 0, rune(0), false // whether the word has a letter
		for i, r := range part {
			if i > 0 && spoken && Divides(last, r) {
				words = append(words, part[from:i])
				from, spoken = i, false
			}
			spoken = spoken || unicode.IsLetter(r) || unicode.IsDigit(r)
			last = r
		}
		words = append(words, part[from:])
	}
	return words
}

// Spaceless reports whether r is a letter or mark of a script that is written without spaces between words.
func Spaceless(r rune) bool {
	switch {
	case r < 0x0E00:
		return false
	case r >= 0x3000 && r <= 0x303F, r >= 0xFF01 && r <= 0xFF65: // ideographic punctuation, full-width and half-width marks
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) ||
		r == 'ー'
}
