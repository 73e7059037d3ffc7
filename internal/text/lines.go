package text

import (
	"math"
	"strings"
)

// balance is the cost of a line that is wider than necessary, compared with the costs of borders.
const balance = 12.0

// lines breaks the text of a cue into as few lines of the given width as possible. It chooses lines that are of similar
// width and end at good places.
func lines(atoms []atom, columns int) []string {
	n := len(atoms)
	fewest := filling{width: columns, lines: n}
	for i := range atoms {
		fewest.add(&atoms[i])
	}
	// least[k][i] is the least cost of the first i atoms in k lines.
	least := make([][]float64, fewest.used+1)
	from := make([][]int, fewest.used+1)
	for k := range least {
		least[k], from[k] = make([]float64, n+1), make([]int, n+1)
		for i := range least[k] {
			least[k][i] = math.Inf(1)
		}
	}
	least[0][0] = 0
	for k := 1; k <= fewest.used; k++ {
		for i := range n {
			cost := least[k-1][i]
			if math.IsInf(cost, 1) {
				continue
			}
			if i > 0 {
				cost += atoms[i].border
			}
			wide := 0
			for j := i; j < n; j++ {
				if j == i {
					wide = atoms[j].width
				} else {
					wide += atoms[j].columnsBehind()
				}
				if wide > columns && j > i {
					break
				}
				share := float64(wide) / float64(columns)
				if c := cost + balance*share*share; c < least[k][j+1] {
					least[k][j+1], from[k][j+1] = c, i
				}
			}
		}
	}
	broken := make([]string, fewest.used)
	for k, to := fewest.used, n; k > 0; k-- {
		broken[k-1] = joined(atoms[from[k][to]:to])
		to = from[k][to]
	}
	return broken
}

// joined returns the text of atoms in one line.
func joined(atoms []atom) string {
	var b strings.Builder
	for i := range atoms {
		if i > 0 && atoms[i].spaced {
			b.WriteByte(' ')
		}
		b.WriteString(atoms[i].text)
	}
	return b.String()
}
