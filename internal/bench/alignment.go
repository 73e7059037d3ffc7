package bench

// match is a word that reference and hypothesis have in common: its index in each.
type match struct{ reference, hypothesis int }

// matches returns the words that a shortest edit from reference to hypothesis leaves alone, in order. Of several
// shortest ways it takes one that keeps the most words. Time and memory (a byte a cell) are len*len.
func matches(reference, hypothesis []string) []match {
	const (
		keep = iota
		substitute
		remove
		insert
	)
	n, width := len(reference), len(hypothesis)+1
	// A substitution costs a little more than half of a removal with an insertion, so that words are kept where
	// the number of edits is the same.
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
		for j := range hypothesis {
			best, step := diagonal, uint8(keep)
			if reference[i] != hypothesis[j] {
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
	var found []match
	for i, j := n, len(hypothesis); i > 0 || j > 0; {
		switch way[i*width+j] {
		case keep:
			i, j = i-1, j-1
			found = append(found, match{i, j})
		case substitute:
			i, j = i-1, j-1
		case remove:
			i--
		case insert:
			j--
		}
	}
	for a, b := 0, len(found)-1; a < b; a, b = a+1, b-1 {
		found[a], found[b] = found[b], found[a]
	}
	return found
}

// tagged is the normalised form of words that each must be found again: tokens[i] belongs to word of[i].
type tagged struct {
	tokens []string
	of     []int
	count  []int // tokens of each word
}

// tag normalises word by word, so that every token belongs to one. Numbers of several words stay several.
func tag(words []string) tagged {
	t := tagged{count: make([]int, len(words))}
	for i, word := range words {
		tokens := Words(word)
		t.count[i] = len(tokens)
		for _, token := range tokens {
			t.tokens, t.of = append(t.tokens, token), append(t.of, i)
		}
	}
	return t
}

// same returns the words of both sides that are alike as a whole, in order.
func same(reference, hypothesis tagged) []match {
	var found []match
	run := 0 // tokens in a row of the same two words
	last := match{-1, -1}
	for _, m := range matches(reference.tokens, hypothesis.tokens) {
		words := match{reference.of[m.reference], hypothesis.of[m.hypothesis]}
		if words != last {
			last, run = words, 0
		}
		run++
		if longer := max(reference.count[words.reference], hypothesis.count[words.hypothesis]); run == longer {
			found = append(found, words)
		}
	}
	return found
}
