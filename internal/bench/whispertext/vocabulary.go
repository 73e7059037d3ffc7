package whispertext

import (
	"math/big"
	"strings"
	"sync"
)

// suffixed is a number in the form of an ordinal or a plural.
type suffixed struct {
	value  *big.Int
	suffix string
}

// vocabulary are the words of numbers (EnglishNumberNormalizer.__init__).
type vocabulary struct {
	ones, tens                       map[string]int64
	multipliers                      map[string]*big.Int
	onesMore, tensMore, multipleMore map[string]suffixed // "sixes", "sixth", "sixties", "hundredth"
}

var theVocabulary = sync.OnceValue(newVocabulary) //nolint:gochecknoglobals // it never changes

func newVocabulary() vocabulary {
	v := vocabulary{
		ones: map[string]int64{}, tens: map[string]int64{}, multipliers: map[string]*big.Int{},
		onesMore: map[string]suffixed{}, tensMore: map[string]suffixed{}, multipleMore: map[string]suffixed{},
	}
	for i, name := range []string{
		"one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
		"fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
	} {
		value := int64(i + 1)
		v.ones[name] = value
		plural, ordinal := name+"s", name+"th"
		if name == "six" {
			plural = "sixes"
		}
		if strings.HasSuffix(name, "t") {
			ordinal = name + "h"
		}
		v.onesMore[plural] = suffixed{big.NewInt(value), "s"}
		if value > 3 && value != 5 && value != 12 {
			v.onesMore[ordinal] = suffixed{big.NewInt(value), "th"}
		}
	}
	for name, s := range map[string]suffixed{
		"zeroth": {big.NewInt(0), "th"}, "first": {big.NewInt(1), "st"}, "second": {big.NewInt(2), "nd"}, "third": {big.NewInt(3), "rd"},
		"fifth": {big.NewInt(5), "th"}, "twelfth": {big.NewInt(12), "th"},
	} {
		v.onesMore[name] = s
	}
	for i, name := range []string{"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"} {
		value := int64(i+2) * 10
		v.tens[name] = value
		v.tensMore[strings.ReplaceAll(name, "y", "ies")] = suffixed{big.NewInt(value), "s"}
		v.tensMore[strings.ReplaceAll(name, "y", "ieth")] = suffixed{big.NewInt(value), "th"}
	}
	value, thousand := big.NewInt(100), big.NewInt(1000)
	for i, name := range []string{
		"hundred", "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion", "octillion",
		"nonillion", "decillion",
	} {
		if i == 1 {
			value = big.NewInt(1)
		}
		if i > 0 {
			value = new(big.Int).Mul(value, thousand)
		}
		v.multipliers[name] = value
		v.multipleMore[name+"s"] = suffixed{value, "s"}
		v.multipleMore[name+"th"] = suffixed{value, "th"}
	}
	return v
}

func isZero(word string) bool { return word == "o" || word == "oh" || word == "zero" }

// signs are the prefixes of words before a number, and currencies those of words after one.
func signs(word string) string {
	return map[string]string{"minus": "-", "negative": "-", "plus": "+", "positive": "+"}[word]
}

func currencies(word string) string {
	return map[string]string{
		"pound": "£", "pounds": "£", "euro": "€", "euros": "€", "dollar": "$", "dollars": "$", "cent": "¢", "cents": "¢",
	}[word]
}

// isOne, isTen and isMultiplier report whether a word is one of these.
func (v *vocabulary) isOne(word string) bool { _, ok := v.ones[word]; return ok }

func (v *vocabulary) isTen(word string) bool { _, ok := v.tens[word]; return ok }

func (v *vocabulary) isMultiplier(word string) bool { _, ok := v.multipliers[word]; return ok }

// isDecimal reports whether a word may follow "point".
func (v *vocabulary) isDecimal(word string) bool {
	return v.isOne(word) || v.isTen(word) || isZero(word)
}

// knows reports whether a word may be part of a number.
func (v *vocabulary) knows(word string) bool {
	switch word {
	case "per", "percent", "and", "double", "triple", "point":
		return true
	}
	for _, more := range []map[string]suffixed{v.onesMore, v.tensMore, v.multipleMore} {
		if _, ok := more[word]; ok {
			return true
		}
	}
	return v.isDecimal(word) || v.isMultiplier(word) || signs(word) != "" || currencies(word) != ""
}
