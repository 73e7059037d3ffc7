package align

import "slices"

// Pair is a word that two texts have in common: its index in each text.
type Pair struct{ A, B int }

// Kept returns the words that a shortest edit from a text of n words to one of m words keeps, in order. same reports
// whether word i of the first and word j of the second are alike. Of several shortest edits it takes one that keeps the
// most words. Time and memory (one byte per cell) are n*m.
func Kept(n, m int, same func(i, j int) bool) []Pair {
	const (
		keep = iota
		substitute
		remove
		insert
	)
	width := m + 1
	// A substitution costs a little more than half of a removal with an insertion, so that equally short edits keep
	// words.
	const one, swap = 1000, 1001
	way := make([]uint8, (n+1)*width)
	row := make([]int32, width)
	for j := range row {
		row[j] = int32(j * one)
		way[j] = insert
	}
	for i := range n {
		diagonal := row[0]
		row[0] += one
		way[(i+1)*width] = remove
		for j := range m {
			best, step := diagonal, uint8(keep)
			if !same(i, j) {
				best, step = diagonal+swap, substitute
				if c := row[j+1] + one; c < best {
					best, step = c, remove
				}
				if c := row[j] + one; c < best {
					best, step = c, insert
				}
			}
			diagonal, row[j+1] = row[j+1], best
			way[(i+1)*width+j+1] = step
		}
	}
	var kept []Pair
	for i, j := n, m; i > 0 || j > 0; {
		switch way[i*width+j] {
		case keep:
			i, j = i-1, j-1
			kept = append(kept, Pair{i, j})
		case substitute:
			i, j = i-1, j-1
		case remove:
			i--
		case insert:
			j--
		}
	}
	slices.Reverse(kept)
	return kept
}
