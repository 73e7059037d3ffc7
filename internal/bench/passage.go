package bench

import (
	"strings"

	"github.com/scout-speech/scout/internal/speech/align"
)

// Passage returns the part of a text that somebody wrote down otherwise: the one with the fewest differences to it, by whole words without
// marks and capitals.
func Passage(text, written string) string {
	words, other := strings.Fields(text), strings.Fields(written)
	type cell struct{ cost, from int } // of the best passage that ends here
	row := make([]cell, len(words)+1)
	for j := range row {
		row[j].from = j
	}
	folded := make([]string, len(words))
	for j, w := range words {
		folded[j] = align.Folded(w)
	}
	for _, w := range other {
		w = align.Folded(w)
		diagonal := row[0]
		row[0].cost++
		for j := range words {
			best, up := diagonal, row[j+1]
			if folded[j] != w {
				best.cost++
			}
			for _, c := range []cell{{up.cost + 1, up.from}, {row[j].cost + 1, row[j].from}} {
				if c.cost < best.cost {
					best = c
				}
			}
			diagonal, row[j+1] = up, best
		}
	}
	end := 0
	for j := range row {
		if row[j].cost < row[end].cost {
			end = j
		}
	}
	return strings.Join(words[row[end].from:end], " ")
}
