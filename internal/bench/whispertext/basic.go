package whispertext

import (
	"regexp"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// patterns are the regular expressions that mean the same in Go and in Python.
type patterns struct {
	bracketed             []*regexp.Regexp // is taken out
	loneSign, lonePercent *regexp.Regexp
	letterDigit           *regexp.Regexp
	digitLetter           *regexp.Regexp
	sumAndCents, noSum    *regexp.Regexp
}

var thePatterns = sync.OnceValue(func() patterns { //nolint:gochecknoglobals // it never changes
	return patterns{
		bracketed:   []*regexp.Regexp{regexp.MustCompile(`[<\[][^>\]]*[>\]]`), regexp.MustCompile(`\(([^)]+?)\)`)},
		loneSign:    regexp.MustCompile(`[.$¢€£]([^0-9])`),
		lonePercent: regexp.MustCompile(`([^0-9])%`),
		letterDigit: regexp.MustCompile(`([a-z])([0-9])`),
		digitLetter: regexp.MustCompile(`([0-9])([a-z])`),
		sumAndCents: regexp.MustCompile(`([€£$])([0-9]+) (?:and )?¢([0-9]{1,2})`),
		noSum:       regexp.MustCompile(`[€£$]0.([0-9]{1,2})`),
	}
})

// withoutBrackets takes out what stands in brackets.
func withoutBrackets(s string) string {
	for _, pattern := range thePatterns().bracketed {
		s = pattern.ReplaceAllString(s, "")
	}
	return s
}

// Basic normalises a text of any language but English (BasicTextNormalizer).
//
//	split  put a space between all characters
func Basic(text string, split bool) string {
	s := withoutBrackets(lower(text))
	s = lower(strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.M, unicode.S, unicode.P) {
			return ' '
		}
		return r
	}, norm.NFKC.String(s)))
	if split {
		s = strings.Join(graphemes(s), " ")
	}
	return oneSpace(s)
}

// diacritics are letters that Unicode does not decompose (ADDITIONAL_DIACRITICS).
func diacritics(r rune) (string, bool) {
	plain, ok := map[rune]string{
		'œ': "oe", 'Œ': "OE", 'ø': "o", 'Ø': "O", 'æ': "ae", 'Æ': "AE", 'ß': "ss", 'ẞ': "SS", 'đ': "d", 'Đ': "D",
		'ð': "d", 'Ð': "D", 'þ': "th", 'Þ': "th", 'ł': "l", 'Ł': "L",
	}[r]
	return plain, ok
}

// removeSymbols takes out diacritics and puts spaces in the place of symbols, except for those in keep
// (remove_symbols_and_diacritics).
func removeSymbols(text, keep string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(text) {
		plain, found := diacritics(r)
		switch {
		case strings.ContainsRune(keep, r):
			b.WriteRune(r)
		case found:
			b.WriteString(plain)
		case unicode.Is(unicode.Mn, r):
		case unicode.In(r, unicode.M, unicode.S, unicode.P):
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// isSpace is \s of Python.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1C && r <= 0x1F }

// isWord is \w of Python.
func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

// isDigit is \d of Python.
func isDigit(r rune) bool { return unicode.Is(unicode.Nd, r) }

// fields is split of Python.
func fields(text string) []string { return strings.FieldsFunc(text, isSpace) }

// oneSpace replaces each stretch of white space by one space.
func oneSpace(text string) string {
	var b strings.Builder
	before := false
	for _, r := range text {
		space := isSpace(r)
		switch {
		case !space:
			b.WriteRune(r)
		case !before:
			b.WriteByte(' ')
		}
		before = space
	}
	return b.String()
}
