package bench

// Edits count how a hypothesis differs from a reference, in the fewest changes.
type Edits struct {
	// Reference is the length of the reference.
	Reference int `json:"reference"`
	// Substituted, Deleted (only in the reference) and Inserted (only in the hypothesis).
	Substituted int `json:"substituted"`
	Deleted     int `json:"deleted"`
	Inserted    int `json:"inserted"`
}

// Errors is the edit distance.
func (e Edits) Errors() int { return e.Substituted + e.Deleted + e.Inserted }

func (e Edits) plus(o Edits) Edits {
	return Edits{e.Reference + o.Reference, e.Substituted + o.Substituted, e.Deleted + o.Deleted, e.Inserted + o.Inserted}
}

// CountEdits counts the edits from reference to hypothesis (Levenshtein, all changes cost one). Of several shortest
// edits it takes the one with the most substitutions. Time is len*len, memory len(hypothesis).
func CountEdits(reference, hypothesis []string) Edits {
	a, b := trim(reference, hypothesis)
	type cell struct{ cost, substituted, deleted, inserted int32 }
	row := make([]cell, len(b)+1)
	for j := range row {
		row[j] = cell{cost: int32(j), inserted: int32(j)}
	}
	for i := range a {
		diagonal := row[0]
		row[0].cost++
		row[0].deleted++
		for j := range b {
			up := row[j+1]
			best := diagonal
			if a[i] != b[j] {
				best.cost++
				best.substituted++
				if up.cost+1 < best.cost {
					best = up
					best.cost++
					best.deleted++
				}
				if left := row[j]; left.cost+1 < best.cost {
					best = left
					best.cost++
					best.inserted++
				}
			}
			diagonal, row[j+1] = up, best
		}
	}
	last := row[len(b)]
	return Edits{len(reference), int(last.substituted), int(last.deleted), int(last.inserted)}
}

// Distance returns the edit distance of two texts in runes. It examines only cells that can be part of a path of at
// most k changes, and doubles k until it suffices (Ukkonen, Information and Control 64, 1985): time is len*distance.
func Distance(reference, hypothesis string) int {
	a, b := trim([]rune(reference), []rune(hypothesis))
	for k := 64; ; k *= 2 {
		if d := within(a, b, k); d <= k || k >= max(len(a), len(b)) {
			return d
		}
	}
}

// within returns the distance of a and b if it is at most k, else a number above k.
func within(a, b []rune, k int) int {
	if d := len(a) - len(b); d > k || -d > k {
		return k + 1
	}
	const far = 1 << 30
	row := make([]int32, len(b)+1)
	for j := range row {
		row[j] = int32(j)
		if j > k {
			row[j] = far
		}
	}
	for i := range a {
		from, to := max(1, i+1-k), min(len(b), i+1+k)
		diagonal := row[from-1]
		row[from-1] = far
		if from == 1 && i+1 <= k {
			row[0] = int32(i + 1)
		}
		for j := from; j <= to; j++ {
			up := row[j]
			best := diagonal
			if a[i] != b[j-1] {
				best = min(best, up, row[j-1]) + 1
			}
			diagonal, row[j] = up, best
		}
	}
	return int(row[len(b)])
}

// trim removes the common prefix and the common suffix.
func trim[T comparable](a, b []T) (restA, restB []T) {
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	a, b = a[head:], b[head:]
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return a, b
}
