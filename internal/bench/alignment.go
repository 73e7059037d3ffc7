package bench

import "github.com/scout-speech/scout/internal/speech/align"

// matches returns the words that a shortest edit from reference to hypothesis keeps.
func matches(reference, hypothesis []string) []align.Pair {
	return align.Kept(len(reference), len(hypothesis), func(i, j int) bool { return reference[i] == hypothesis[j] })
}

// tagged is the normalised form of words, each of which must be found again: tokens[i] belongs to word of[i].
type tagged struct {
	tokens []string
	of     []int
	count  []int // tokens of each word
}

// tag normalises word by word, so that every token belongs to one word. Numbers of several words are not combined.
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

// same returns the words that are alike as a whole on both sides, in order.
func same(reference, hypothesis tagged) []align.Pair {
	var found []align.Pair
	run := 0 // consecutive tokens of the same two words
	last := align.Pair{A: -1, B: -1}
	for _, m := range matches(reference.tokens, hypothesis.tokens) {
		words := align.Pair{A: reference.of[m.A], B: hypothesis.of[m.B]}
		if words != last {
			last, run = words, 0
		}
		run++
		if longer := max(reference.count[words.A], hypothesis.count[words.B]); run == longer {
			found = append(found, words)
		}
	}
	return found
}
