package align

import "slices"

// Pair is a word that two texts have in common: its index in each text.
type Pair struct{ A, B int }

// Kept returns the words that a shortest edit from a text of n words to one of m words keeps, in order. same reports
// whether word i of the first and word j of the second are alike. Of several shortest edits it takes one that keeps the
// most words. Time and memory (one byte per cell) are n*m.
func Kept(n, m int, same func(i, j int) bool) []Pair {
	// A substitution costs a little more than half of a removal with an insertion, so that equally short edits keep
	// words.
	const one, swap = 1000, 1001
	return cheapest(n, m, one, func(i, j int) float64 {
		if same(i, j) {
			return 0
		}
		return swap
	})
}

// cheapest returns the equal words of the cheapest alignment of two texts of n and m words, in order. Of equally cheap ones it takes
// one that pairs words.
//
//	missing  the cost of a word that one of the texts lacks
//	differ   the cost of word i of the first in the place of word j of the second: 0 if they are equal, else more
//
// Time and memory (one byte per cell) are n*m.
func cheapest(n, m int, missing float64, differ func(i, j int) float64) []Pair {
	const (
		pair = iota
		onlyA
		onlyB
	)
	width := m + 1
	way := make([]uint8, (n+1)*width)
	row := make([]float64, width)
	for j := range row {
		row[j], way[j] = float64(j)*missing, onlyB
	}
	for i := range n {
		diagonal := row[0]
		row[0] += missing
		way[(i+1)*width] = onlyA
		for j := range m {
			best, step := diagonal+differ(i, j), uint8(pair)
			if c := row[j+1] + missing; c < best {
				best, step = c, onlyA
			}
			if c := row[j] + missing; c < best {
				best, step = c, onlyB
			}
			diagonal, row[j+1] = row[j+1], best
			way[(i+1)*width+j+1] = step
		}
	}
	var equal []Pair
	for i, j := n, m; i > 0 || j > 0; {
		switch way[i*width+j] {
		case pair:
			i, j = i-1, j-1
			if differ(i, j) == 0 {
				equal = append(equal, Pair{i, j})
			}
		case onlyA:
			i--
		case onlyB:
			j--
		}
	}
	slices.Reverse(equal)
	return equal
}
