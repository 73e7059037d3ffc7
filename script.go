package scout

import (
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
