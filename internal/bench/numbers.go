package bench

import (
	"math"
	"strconv"
	"strings"
)

// numbers converts numbers in words to digits, whole phrases at once: "sixteen hundred", "one thousand six hundred" and
// "1600" become 1600, "twenty first" becomes 21st, "nineteen eighty four" becomes 1984, "three point one four" becomes
// 3.14.
func numbers(words []string) []string {
	out := make([]string, 0, len(words))
	for i := 0; i < len(words); {
		w := words[i]
		if strings.HasPrefix(w, unitMark) {
			// A currency follows its whole number: "$5 million" is read "5 million dollars".
			out = append(out, strings.TrimPrefix(w, unitMark))
			i++
			continue
		}
		if number, next, ok := parseDigits(words, i); ok {
			out = append(out, number...)
			i = next
			continue
		}
		if number, next, ok := parseYear(words, i); ok {
			out = append(out, number)
			i = next
			continue
		}
		if number, next, ok := parseNumber(words, i); ok {
			out = append(out, number)
			i = next
			continue
		}
		out = append(out, w)
		i++
	}
	return out
}

var (
	cardinals = map[string]int{
		"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
		"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
		"seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
		"sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
	}
	ordinals = map[string]int{
		"first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
		"tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15,
		"sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
		"fortieth": 40, "fiftieth": 50, "sixtieth": 60, "seventieth": 70, "eightieth": 80, "ninetieth": 90,
	}
	decades = map[string]int{
		"twenties": 20, "thirties": 30, "forties": 40, "fifties": 50, "sixties": 60, "seventies": 70, "eighties": 80,
		"nineties": 90,
	}
	scales        = map[string]int{"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
	ordinalScales = map[string]int{"hundredth": 100, "thousandth": 1e3, "millionth": 1e6, "billionth": 1e9}
)

// at returns the word at i, or nothing after the end.
func at(words []string, i int) string {
	if i < len(words) {
		return words[i]
	}
	return ""
}

// parseDigits reads a number in digits with the scale after it: "5 million", "5.2 million", and with
// the unit of its currency put after the scale.
func parseDigits(words []string, i int) (out []string, next int, ok bool) {
	w := words[i]
	value, err := strconv.ParseFloat(w, 64)
	if w == "" || !isDigit(rune(w[0])) || err != nil {
		return nil, 0, false
	}
	next = i + 1
	unit := ""
	if strings.HasPrefix(at(words, next), unitMark) {
		unit = strings.TrimPrefix(at(words, next), unitMark)
		next++
	}
	out = []string{w}
	for {
		scale, scaled := scales[at(words, next)]
		if at(words, next) == "hundred" {
			scale, scaled = 100, true
		}
		if !scaled || value*float64(scale) >= 1e15 {
			break
		}
		value *= float64(scale)
		out[0] = formatFloat(value)
		next++
		if unit == "dollar" || unit == "pound" || unit == "euro" {
			unit += "s"
		}
	}
	if unit != "" {
		out = append(out, unit)
	}
	return out, next, true
}

// formatFloat writes up to six decimals.
func formatFloat(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
}

// parseYear reads a year as it is spoken: "nineteen eighty four", "nineteen oh five", "nineteen eighties". Counting
// ("thirteen fourteen") is not a year.
func parseYear(words []string, i int) (year string, next int, ok bool) {
	century, known := cardinals[words[i]]
	if !known || century < 13 || century > 20 {
		return "", 0, false
	}
	if d, ok := decades[at(words, i+1)]; ok {
		return strconv.Itoa(century*100+d) + "s", i + 2, true
	}
	if at(words, i+1) == "oh" {
		if unit, ok := cardinals[at(words, i+2)]; ok && unit >= 1 && unit <= 9 {
			return strconv.Itoa(century*100 + unit), i + 3, true
		}
	}
	small, next, isOrdinal, ok := parseSmall(words, i+1)
	if !ok || isOrdinal || small < 10 || small == century+1 {
		return "", 0, false
	}
	if _, scaled := scales[at(words, next)]; scaled || at(words, next) == "hundred" {
		return "", 0, false
	}
	return strconv.Itoa(century*100 + small), next, true
}

// parseSmall reads a number below a hundred.
func parseSmall(words []string, i int) (value, next int, ordinal, ok bool) {
	w := at(words, i)
	if v, ok := ordinals[w]; ok {
		return v, i + 1, true, true
	}
	v, known := cardinals[w]
	if !known {
		return 0, 0, false, false
	}
	if v < 20 {
		return v, i + 1, false, true
	}
	if unit, ok := cardinals[at(words, i+1)]; ok && unit >= 1 && unit <= 9 {
		return v + unit, i + 2, false, true
	}
	if unit, ok := ordinals[at(words, i+1)]; ok && unit <= 9 {
		return v + unit, i + 2, true, true
	}
	return v, i + 1, false, true
}

// parseGroup reads what may precede a scale: a number below a hundred, or that many hundred with a rest ("sixteen
// hundred", "one hundred and five").
func parseGroup(words []string, i int) (value, next int, ordinal, ok bool) {
	value, next, ordinal, ok = parseSmall(words, i)
	if at(words, i) == "a" {
		switch after := at(words, i+1); {
		case after == "hundred", scales[after] != 0:
			value, next, ok = 1, i+1, true
		}
	}
	if !ok || ordinal || value == 0 {
		return value, next, ordinal, ok
	}
	if at(words, next) == "hundredth" {
		return value * 100, next + 1, true, true
	}
	if at(words, next) != "hundred" || value%10 == 0 {
		return value, next, false, true
	}
	value, next = value*100, next+1
	if rest, after, isOrdinal, ok := parseRest(words, next); ok && rest > 0 {
		return value + rest, after, isOrdinal, true
	}
	return value, next, false, true
}

// parseRest reads a number below a hundred that ends a larger one, with or without "and". If it begins a new number
// ("one hundred and two hundred"), it does not count.
func parseRest(words []string, i int) (value, next int, ordinal, ok bool) {
	if at(words, i) == "and" {
		i++
	}
	value, next, ordinal, ok = parseSmall(words, i)
	if ok && (at(words, next) == "hundred" || at(words, next) == "hundredth") {
		return 0, 0, false, false
	}
	return value, next, ordinal, ok
}

// parseNumber reads the longest number in words that begins at i.
func parseNumber(words []string, i int) (number string, next int, ok bool) {
	if d, ok := decades[words[i]]; ok {
		return strconv.Itoa(d) + "s", i + 1, true
	}
	total, limit := 0, math.MaxInt
	for j := i; ; {
		group, after, ordinal, found := parseGroup(words, j)
		if !found && limit < math.MaxInt && at(words, j) == "and" {
			// "two thousand and five", but not "two thousand and three hundred": there the number has ended.
			group, after, ordinal, found = parseRest(words, j)
			if _, scaled := scales[at(words, after)]; found && scaled {
				found = false
			}
		}
		if !found || group >= limit {
			break
		}
		scale := scales[at(words, after)]
		switch {
		case ordinal:
			return ordinalOf(total + group), after, true
		case ordinalScales[at(words, after)] >= 1000 && ordinalScales[at(words, after)] < limit:
			return ordinalOf(total + group*ordinalScales[at(words, after)]), after + 1, true
		case scale != 0 && scale < limit && group > 0:
			total, limit = total+group*scale, scale
			j, next, ok = after+1, after+1, true
			continue
		case scale != 0:
			// "one thousand two thousand": the second begins a new number.
		default:
			total, next, ok = total+group, after, true
		}
		break
	}
	if !ok {
		return "", 0, false
	}
	return parseDecimals(words, total, next)
}

// parseDecimals reads "point" and digits after a whole number, and a scale after those.
func parseDecimals(words []string, whole, i int) (number string, next int, ok bool) {
	number = strconv.Itoa(whole)
	if at(words, i) != "point" {
		return number, i, true
	}
	digits := ""
	j := i + 1
	for ; ; j++ {
		d, known := cardinals[at(words, j)]
		if at(words, j) == "oh" && digits != "" {
			d, known = 0, true
		}
		if !known || d > 9 {
			break
		}
		digits += strconv.Itoa(d)
	}
	if digits == "" {
		return number, i, true
	}
	number = canonicalDigits(number + "." + digits)
	if scale, ok := scales[at(words, j)]; ok {
		if v, err := strconv.ParseFloat(number, 64); err == nil && v*float64(scale) < 1e15 {
			return formatFloat(v * float64(scale)), j + 1, true
		}
	}
	return number, j, true
}

func ordinalOf(n int) string {
	suffix := "th"
	switch n % 10 {
	case 1:
		suffix = "st"
	case 2:
		suffix = "nd"
	case 3:
		suffix = "rd"
	}
	if n%100 >= 11 && n%100 <= 13 {
		suffix = "th"
	}
	return strconv.Itoa(n) + suffix
}
