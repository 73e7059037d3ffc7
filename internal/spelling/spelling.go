// Package spelling finds the word that was probably meant, and writes numbers of things.
package spelling

import (
	"fmt"
	"strings"
)

// Closest returns the word of the list that was probably meant, or "" if there is none. It allows one letter too many,
// too few or wrong, two letters in the wrong order, or only the beginning of a word. Case does not matter.
func Closest(word string, list []string) string {
	word = strings.ToLower(word)
	best, least := "", 1+max(1, len(word)/3)
	for _, candidate := range list {
		if d := distance(word, strings.ToLower(candidate)); d < least {
			best, least = candidate, d
		}
	}
	if best == "" && len(word) > 1 {
		for _, candidate := range list {
			if strings.HasPrefix(strings.ToLower(candidate), word) {
				return candidate
			}
		}
	}
	return best
}

// distance is the number of edits between two words (Damerau-Levenshtein, restricted: no part is edited twice).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := make([][]int, len(x)+1)
	for i := range rows {
		rows[i] = make([]int, len(y)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(x)][len(y)]
}

// Count writes a number of things: "1 gap", "2 gaps". The noun is regular and in the singular.
func Count[N ~int | ~int64 | ~uint64](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %s%s", n, noun, pluralEnding(noun))
}

// pluralEnding returns what a regular noun has in the plural: frames, stretches.
func pluralEnding(noun string) string {
	for _, hiss := range []string{"s", "x", "ch", "sh"} {
		if strings.HasSuffix(noun, hiss) {
			return "es"
		}
	}
	return "s"
}
