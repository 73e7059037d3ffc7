package whispertext

import (
	"math/big"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// numbers writes numbers that are spelt out in digits (EnglishNumberNormalizer).
func numbers(text string) string {
	c := counter{vocabulary: theVocabulary()}
	words := fields(beforeNumbers(&c.vocabulary, text))
	for i, word := range words {
		if c.skip {
			c.skip = false
			continue
		}
		prev, next := "", ""
		if i > 0 {
			prev = words[i-1]
		}
		if i+1 < len(words) {
			next = words[i+1]
		}
		c.take(prev, word, next)
	}
	c.flush()
	return afterNumbers(strings.Join(c.out, " "))
}

// counter reads words and writes numbers (EnglishNumberNormalizer.process_words). What was counted so far is an integer, or text where
// its digits are put one after the other; neither where nothing was counted.
type counter struct {
	vocabulary
	out     []string
	prefix  string
	integer *big.Int
	text    string
	isText  bool
	skip    bool // the next word was read already
}

func (c *counter) none() bool { return c.integer == nil && !c.isText }

func (c *counter) set(n *big.Int) { c.integer, c.text, c.isText = n, "", false }

func (c *counter) setText(s string) { c.integer, c.text, c.isText = nil, s, true }

// String is the value as str of Python writes it.
func (c *counter) String() string {
	if c.integer != nil {
		return c.integer.String()
	}
	return c.text
}

// orEmpty is the value as text, and "" for 0, which Python takes for nothing.
func (c *counter) orEmpty() string {
	if c.integer != nil && c.integer.Sign() == 0 {
		return ""
	}
	return c.String()
}

func (c *counter) write(word string) {
	c.out = append(c.out, c.prefix+word)
	c.prefix, c.integer, c.text, c.isText = "", nil, "", false
}

// flush writes what was counted.
func (c *counter) flush() {
	if !c.none() {
		c.write(c.String())
	}
}

// divides reports whether the value is an integer and a multiple of n.
func (c *counter) divides(n int64) bool {
	return new(big.Int).Mod(c.integer, big.NewInt(n)).Sign() == 0
}

func (c *counter) plus(n *big.Int) *big.Int { return new(big.Int).Add(c.integer, n) }

// isNumber reports whether a word is digits, perhaps with a fraction.
func isNumber(word string) bool {
	whole, fraction, point := strings.Cut(word, ".")
	digits := func(s string) bool {
		return s != "" && strings.IndexFunc(s, func(r rune) bool { return !isDigit(r) }) < 0
	}
	return digits(whole) && (!point || digits(fraction))
}

// fractionOf is Fraction of Python: nil where text is no number.
func fractionOf(text string) *big.Rat {
	ascii := strings.Map(func(r rune) rune {
		if d := digitOf(r); d >= 0 {
			return '0' + rune(d)
		}
		return r
	}, text)
	whole, fraction, _ := strings.Cut(ascii, ".")
	whole = strings.TrimLeft(whole, "+-")
	if whole+fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" || whole == "" && fraction == "" {
		return nil
	}
	r, ok := new(big.Rat).SetString("0" + whole + "." + fraction + "0")
	if !ok {
		return nil
	}
	if strings.HasPrefix(ascii, "-") {
		r.Neg(r)
	}
	return r
}

// digitOf is the value of a decimal digit of any script, -1 for other characters. In Unicode the ten digits of a script follow each other.
func digitOf(r rune) int {
	if !isDigit(r) {
		return -1
	}
	for _, table := range unicode.Nd.R16 {
		if r >= rune(table.Lo) && r <= rune(table.Hi) {
			return int(r-rune(table.Lo)) % 10
		}
	}
	for _, table := range unicode.Nd.R32 {
		if r >= rune(table.Lo) && r <= rune(table.Hi) {
			return int(r-rune(table.Lo)) % 10
		}
	}
	return -1
}

// take reads one word between two others, which are empty where there is none.
func (c *counter) take(prev, word, next string) {
	numeric := isNumber(next)
	first, size := utf8.DecodeRuneInString(word)
	signed := strings.ContainsRune("-+£€$¢", first)
	bare := word
	if signed {
		bare = word[size:]
	}
	switch {
	case isNumber(bare):
		c.digits(word, bare, string(first), signed)
	case !c.knows(word):
		c.flush()
		c.write(word)
	case isZero(word):
		c.setText(c.orEmpty() + "0")
	case c.isOne(word):
		c.addOnes(prev, big.NewInt(c.ones[word]))
	case c.onesMore[word].value != nil:
		more := c.onesMore[word]
		c.addOnes(prev, more.value)
		c.write(c.String() + more.suffix)
	case c.isTen(word):
		c.addTens(big.NewInt(c.tens[word]))
	case c.tensMore[word].value != nil:
		more := c.tensMore[word]
		c.addTens(more.value)
		c.write(c.String() + more.suffix)
	case c.isMultiplier(word):
		c.multiply(c.multipliers[word])
	case c.multipleMore[word].value != nil:
		c.multiplyMore(c.multipleMore[word])
	case signs(word) != "":
		c.flush()
		if c.knows(next) || numeric {
			c.prefix = signs(word)
		} else {
			c.write(word)
		}
	case currencies(word) != "":
		if c.none() {
			c.write(word)
		} else {
			c.prefix = currencies(word)
			c.flush()
		}
	case word == "per" || word == "percent":
		c.percent(word, next)
	default:
		c.special(prev, word, next, numeric)
	}
}

// digits reads a number in digits.
func (c *counter) digits(word, bare, first string, signed bool) {
	f := fractionOf(bare)
	if !c.none() {
		if c.isText && strings.HasSuffix(c.text, ".") { // decimals, or parts of an address
			c.setText(c.text + word)
			return
		}
		c.flush()
	}
	if signed {
		c.prefix = first
	}
	if f.IsInt() {
		c.set(new(big.Int).Set(f.Num()))
	} else {
		c.setText(bare)
	}
}

// addOnes adds a number below twenty, or puts its digits behind those that are there.
func (c *counter) addOnes(prev string, n *big.Int) {
	small := n.Cmp(big.NewInt(10)) < 0
	switch {
	case c.none():
		c.set(n)
	case c.isText || c.isOne(prev):
		if c.isTen(prev) && small { // the last zero becomes the digit
			c.setText(strings.TrimSuffix(c.text, "0") + n.String())
		} else {
			c.setText(c.String() + n.String())
		}
	case small && c.divides(10), !small && c.divides(100):
		c.set(c.plus(n))
	default:
		c.setText(c.String() + n.String())
	}
}

func (c *counter) addTens(n *big.Int) {
	switch {
	case c.none():
		c.set(n)
	case c.isText || !c.divides(100):
		c.setText(c.String() + n.String())
	default:
		c.set(c.plus(n))
	}
}

// times multiplies the thousands' rest of an integer: "two million three" and "hundred" make 2000300.
func (c *counter) times(n *big.Int) *big.Int {
	thousand := big.NewInt(1000)
	rest := new(big.Int).Mod(c.integer, thousand)
	before := new(big.Int).Sub(c.integer, rest)
	return before.Add(before, rest.Mul(rest, n))
}

// product is the value, which is text or 0, times n: nil where that is no integer.
func (c *counter) product(n *big.Int) *big.Int {
	f := fractionOf(c.String())
	if f == nil {
		return nil
	}
	if f.Mul(f, new(big.Rat).SetInt(n)); !f.IsInt() {
		return nil
	}
	return new(big.Int).Set(f.Num())
}

func (c *counter) multiply(n *big.Int) {
	switch {
	case c.none():
		c.set(n)
	case c.isText || c.integer.Sign() == 0:
		if p := c.product(n); p != nil {
			c.set(p)
		} else {
			c.flush()
			c.set(n)
		}
	default:
		c.set(c.times(n))
	}
}

func (c *counter) multiplyMore(more suffixed) {
	switch {
	case c.none():
		c.write(more.value.String() + more.suffix)
	case c.isText:
		if p := c.product(more.value); p != nil {
			c.write(p.String() + more.suffix)
		} else {
			c.flush()
			c.write(more.value.String() + more.suffix)
		}
	default:
		c.write(c.times(more.value).String() + more.suffix)
	}
}

func (c *counter) percent(word, next string) {
	switch {
	case c.none():
		c.write(word)
	case word == "percent":
		c.write(c.String() + "%")
	case next == "cent":
		c.write(c.String() + "%")
		c.skip = true
	default:
		c.flush()
		c.write(word)
	}
}

// special reads "and", "double", "triple" and "point", which mean something only before a number.
func (c *counter) special(prev, word, next string, numeric bool) {
	switch {
	case !c.knows(next) && !numeric:
		c.flush()
		c.write(word)
	case word == "and":
		if !c.isMultiplier(prev) {
			c.flush()
			c.write(word)
		}
	case word == "point":
		if c.isDecimal(next) || numeric {
			c.setText(c.orEmpty() + ".")
		}
	case c.isOne(next) || isZero(next):
		times := 2
		if word == "triple" {
			times = 3
		}
		c.setText(c.orEmpty() + strings.Repeat(big.NewInt(c.ones[next]).String(), times))
		c.skip = true
	default:
		c.flush()
		c.write(word)
	}
}

// beforeNumbers is EnglishNumberNormalizer.preprocess.
func beforeNumbers(v *vocabulary, s string) string {
	segments := splitHalves(s)
	var results []string
	for i, segment := range segments {
		words := fields(segment)
		if len(words) == 0 {
			continue
		}
		results = append(results, segment)
		if i == len(segments)-1 {
			continue
		}
		if last := words[len(words)-1]; v.isDecimal(last) || v.isMultiplier(last) {
			results = append(results, "point five")
		} else {
			results = append(results, "and a half")
		}
	}
	s = strings.Join(results, " ")
	s = thePatterns().letterDigit.ReplaceAllString(s, "$1 $2")
	s = thePatterns().digitLetter.ReplaceAllString(s, "$1 $2")
	return joinSuffixes(s)
}

// splitHalves splits a text at "and a half".
func splitHalves(s string) (segments []string) {
	begin := 0
	for at := 0; at < len(s); {
		if end := halfAt(s, at); end > 0 {
			segments = append(segments, s[begin:at])
			begin, at = end, end
			continue
		}
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return append(segments, s[begin:])
}

// halfAt returns where "and a half" ends that begins at a place, 0 where it does not begin there.
func halfAt(s string, at int) int {
	if wordBefore(s, at) {
		return 0
	}
	end := at
	for i, word := range []string{"and", "a", "half"} {
		if i > 0 {
			rest := strings.TrimLeftFunc(s[end:], isSpace)
			if len(rest) == len(s)-end {
				return 0
			}
			end = len(s) - len(rest)
		}
		if !strings.HasPrefix(s[end:], word) {
			return 0
		}
		end += len(word)
	}
	if wordAfter(s, end) {
		return 0
	}
	return end
}

// joinSuffixes takes out the space between a digit and an ending that belongs to it.
func joinSuffixes(s string) string {
	var b strings.Builder
	for at := 0; at < len(s); {
		r, size := utf8.DecodeRuneInString(s[at:])
		b.WriteRune(r)
		at += size
		if r < '0' || r > '9' {
			continue
		}
		rest := strings.TrimLeftFunc(s[at:], isSpace)
		if len(rest) == len(s)-at {
			continue
		}
		for _, ending := range []string{"st", "nd", "rd", "th", "s"} {
			if strings.HasPrefix(rest, ending) && !wordAfter(rest, len(ending)) {
				b.WriteString(ending)
				at = len(s) - len(rest) + len(ending)
				break
			}
		}
	}
	return b.String()
}

// afterNumbers is EnglishNumberNormalizer.postprocess.
func afterNumbers(s string) string {
	s = replaceEnding(s, thePatterns().sumAndCents, func(m []string) string {
		cents := m[3]
		if len(cents) == 1 {
			cents = "0" + cents
		}
		return m[1] + m[2] + "." + cents
	})
	s = replaceEnding(s, thePatterns().noSum, func(m []string) string {
		if cents := strings.TrimLeft(m[1], "0"); cents != "" {
			return "¢" + cents
		}
		return "¢0"
	})
	var b strings.Builder // "one" and "ones" instead of 1 and 1s
	for at := 0; at < len(s); {
		if s[at] == '1' && !wordBefore(s, at) {
			if strings.HasPrefix(s[at:], "1s") && !wordAfter(s, at+2) {
				b.WriteString("ones")
				at += 2
				continue
			}
			if !wordAfter(s, at+1) {
				b.WriteString("one")
				at++
				continue
			}
		}
		b.WriteByte(s[at])
		at++
	}
	return b.String()
}

// replaceEnding replaces matches that no letter or digit follows.
func replaceEnding(s string, pattern *regexp.Regexp, by func(groups []string) string) string {
	var b strings.Builder
	for {
		m := pattern.FindStringSubmatchIndex(s)
		if m == nil {
			b.WriteString(s)
			return b.String()
		}
		groups := make([]string, len(m)/2)
		for i := range groups {
			groups[i] = s[m[2*i]:m[2*i+1]]
		}
		if wordAfter(s, m[1]) {
			_, size := utf8.DecodeRuneInString(s[m[0]:])
			b.WriteString(s[:m[0]+size])
			s = s[m[0]+size:]
			continue
		}
		b.WriteString(s[:m[0]])
		b.WriteString(by(groups))
		s = s[m[1]:]
	}
}
