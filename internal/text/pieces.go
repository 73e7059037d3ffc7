package text

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// piece is a part of a token that is not divided, and the kind of border before it.
type piece struct {
	text   string
	within within
}

// pieces divides a token, which has no spaces, at the places where a line may be broken. These are the borders between
// characters of scripts without spaces, according to Unicode Standard Annex 14, so that no closing mark begins a line.
// Words wider than columns are also divided, where addresses are broken, or anywhere between two characters.
func pieces(token string, columns int) []piece {
	var parts []piece
	if strings.ContainsFunc(token, spaceless) {
		for _, part := range lineSegments(token) {
			for _, p := range clusters(part) {
				parts = append(parts, piece{p, withinScript})
			}
		}
	} else {
		parts = []piece{{text: token}}
	}
	var fitting []piece
	for _, p := range parts {
		fitting = append(fitting, fit(p, columns)...)
	}
	fitting[0].within = betweenWords
	return fitting
}

// fit divides a piece that is wider than a line.
func fit(p piece, columns int) []piece {
	if width(p.text) <= columns {
		return []piece{p}
	}
	var fitting []piece
	for i, part := range lineSegments(p.text) {
		border := withinWord
		if i == 0 {
			border = p.within
		}
		if width(part) <= columns {
			fitting = append(fitting, piece{part, border})
			continue
		}
		for g := uniseg.NewGraphemes(part); g.Next(); border = withinWord {
			fitting = append(fitting, piece{g.Str(), border})
		}
	}
	return fitting
}

// lineSegments divides s where Unicode Standard Annex 14 allows a line to end.
func lineSegments(s string) []string {
	var parts []string
	for state := -1; s != ""; {
		var part string
		part, s, _, state = uniseg.FirstLineSegmentInString(s, state)
		parts = append(parts, part)
	}
	return parts
}

// clusters divides text into characters if only a dictionary knows its words, as in Thai. It does not divide before a
// mark or dependent vowel, or after a vowel that is written before its consonant. Other text stays whole.
func clusters(s string) []string {
	if !strings.ContainsFunc(s, dictionary) {
		return []string{s}
	}
	var parts []string
	for g := uniseg.NewGraphemes(s); g.Next(); {
		part := g.Str()
		if n := len(parts); n > 0 && clings(parts[n-1], part) {
			parts[n-1] += part
			continue
		}
		parts = append(parts, part)
	}
	return parts
}

func dictionary(r rune) bool {
	return unicode.In(r, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// clings reports whether no line may be broken between left and right.
func clings(left, right string) bool {
	l, _ := utf8.DecodeLastRuneInString(left)
	r, _ := utf8.DecodeRuneInString(right)
	switch {
	case !dictionary(l) && !dictionary(r): // a number or a foreign word
		return true
	case unicode.In(r, unicode.Mark, unicode.Pe, unicode.Pf, unicode.Po, unicode.Lm):
		return true
	case unicode.In(l, unicode.Ps, unicode.Pi):
		return true
	case l >= 0x0E40 && l <= 0x0E44, l >= 0x0EC0 && l <= 0x0EC4: // vowels before their consonant
		return true
	case l == 0x17D2, l == 0x1039: // written below its consonant
		return true
	}
	return strings.ContainsRune("\u0E2F\u0E30\u0E32\u0E33\u0E45\u0EAF\u0EB0\u0EB2\u0EB3", r)
}
