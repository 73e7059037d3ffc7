package scout

import (
	"unicode"
	"unicode/utf8"
)

// Between is what stands between two texts that follow each other: nothing inside of a script that is written without
// spaces, else a space.
func Between(left, right string) string {
	l, _ := utf8.DecodeLastRuneInString(left)
	r, _ := utf8.DecodeRuneInString(right)
	if left == "" || right == "" || Spaceless(l) && Spaceless(r) {
		return ""
	}
	return " "
}

// Spaceless is true for letters and marks of scripts that are written without spaces between words.
func Spaceless(r rune) bool {
	switch {
	case r < 0x0E00:
		return false
	case r >= 0x3000 && r <= 0x303F, r >= 0xFF01 && r <= 0xFF65: // punctuation of ideographs, full-width and half-width marks
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) ||
		r == 'ー'
}
