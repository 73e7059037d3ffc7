package bench

import (
	"strings"
	"unicode"
)

// Words normalises a text to the words that are compared: docs/formats/wer-normalisation.md. Reference and hypothesis
// pass through the same rules, so a rule can only remove differences in writing.
func Words(text string) []string {
	tokens := tokens(text)
	tokens = spell(tokens)
	return numbers(tokens)
}

// currencies are the units of the signs before a number.
var currencies = map[rune]string{'$': "dollars", '£': "pounds", '€': "euros"}

// unitMark marks a unit that a currency sign put after a number, until it is known whether a scale follows ("$5
// million").
const unitMark = "\x00"

// tokens splits a text into words and numbers in lower case. Apostrophes inside words are kept. Numbers keep their
// decimal point and lose the commas between groups of three. Every other sign separates.
func tokens(text string) []string {
	s := scanner{text: []rune(strings.ToLower(text))}
	for i, r := range s.text {
		switch r {
		case '’', '‘', 'ʼ', '`', '´':
			s.text[i] = '\''
		}
	}
	for s.at < len(s.text) {
		s.next()
	}
	return s.tokens
}

// scanner walks over the runes of a text.
type scanner struct {
	text   []rune
	at     int
	tokens []string
}

func (s *scanner) peek(n int) rune {
	if s.at+n < len(s.text) && s.at+n >= 0 {
		return s.text[s.at+n]
	}
	return ' '
}

func (s *scanner) emit(token string) {
	if token != "" {
		s.tokens = append(s.tokens, token)
	}
}

func (s *scanner) next() {
	r := s.peek(0)
	switch {
	case isDigit(r):
		s.emit(s.number())
		s.suffix()
	case currencies[r] != "" && isDigit(s.peek(1)):
		s.at++
		number := s.number()
		s.emit(number)
		unit := currencies[r]
		if number == "1" {
			unit = strings.TrimSuffix(unit, "s")
		}
		s.emit(unitMark + unit)
	case isLetter(r):
		s.word()
	case r == '%':
		s.at++
		s.emit("percent")
	case r == '&':
		s.at++
		s.emit("and")
	default:
		s.at++
	}
}

// number takes digits with their decimal point, and without the commas before groups of three.
func (s *scanner) number() string {
	var b strings.Builder
	for {
		switch r := s.peek(0); {
		case isDigit(r):
			b.WriteRune(r)
		case r == ',' && isDigit(s.peek(-1)) && isDigit(s.peek(1)) && isDigit(s.peek(2)) && isDigit(s.peek(3)) && !isDigit(s.peek(4)):
		case r == '.' && isDigit(s.peek(1)) && !strings.Contains(b.String(), "."):
			b.WriteRune(r)
		default:
			return canonicalDigits(b.String())
		}
		s.at++
	}
}

// canonicalDigits drops trailing zeros after a decimal point: 1.50 is 1.5, 2.0 is 2.
func canonicalDigits(digits string) string {
	if strings.Contains(digits, ".") {
		digits = strings.TrimRight(strings.TrimRight(digits, "0"), ".")
	}
	return digits
}

// suffix takes the letters directly after a number: they make an ordinal (1st) or a decade (1980s) of it, or are a
// separate word (5km).
func (s *scanner) suffix() {
	letters := 0
	for isLetter(s.peek(letters)) {
		letters++
	}
	switch tail := string(s.text[s.at : s.at+letters]); tail {
	case "st", "nd", "rd", "th", "s":
		s.tokens[len(s.tokens)-1] += tail
		s.at += letters
	}
	if s.peek(0) == '\'' && s.peek(1) == 's' && !isLetter(s.peek(2)) { // the 1980's
		s.tokens[len(s.tokens)-1] += "s"
		s.at += 2
	}
}

// word takes letters, with digits and apostrophes inside them. Single letters that are each followed by a full stop are
// one word: u.s., a.m.
func (s *scanner) word() {
	var b strings.Builder
	for {
		r := s.peek(0)
		inside := r == '\'' && isLetter(s.peek(-1)) && isLetter(s.peek(1))
		if !isLetter(r) && !isDigit(r) && !inside {
			break
		}
		b.WriteRune(r)
		s.at++
		for r = s.peek(0); unicode.Is(unicode.Mn, r); r = s.peek(0) {
			b.WriteRune(r)
			s.at++
		}
	}
	w := b.String()
	if len([]rune(w)) == 1 && s.peek(0) == '.' && isLetter(s.peek(1)) && s.peek(2) == '.' {
		for s.peek(0) == '.' && isLetter(s.peek(1)) && !isLetter(s.peek(2)) {
			w += string(s.peek(1))
			s.at += 2
		}
	}
	s.emit(w)
}

func isDigit(r rune) bool  { return r >= '0' && r <= '9' }
func isLetter(r rune) bool { return unicode.IsLetter(r) }
