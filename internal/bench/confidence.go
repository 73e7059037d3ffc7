package bench

import "slices"

// HeardWord is a recognised word, as it is written.
type HeardWord struct {
	Text string
	// LogProb is the natural log-probability that the model gives it.
	LogProb float64
}

// Confidence says how well the probability of a word separates right words from wrong ones.
type Confidence struct {
	// Words is the number of recognised words. Wrong of them are not in the reference at their place.
	Words int `json:"words"`
	Wrong int `json:"wrong"`
	// AUC is the probability that a right word has a higher probability than a wrong one: 0.5 is chance, 1 is perfect.
	AUC float64 `json:"auc"`
}

// judged is a recognised word with its verdict.
type judged struct {
	logProb float64
	right   bool
}

// judgeWords compares recognised words with a reference. Words without letters or digits are left out.
func judgeWords(reference []string, heard []HeardWord) []judged {
	texts := make([]string, len(heard))
	for i, w := range heard {
		texts[i] = w.Text
	}
	h := tag(texts)
	right := make([]bool, len(heard))
	for _, m := range same(tag(reference), h) {
		right[m.B] = true
	}
	var out []judged
	for i, w := range heard {
		if h.count[i] > 0 {
			out = append(out, judged{w.LogProb, right[i]})
		}
	}
	return out
}

// confidenceOf summarises judged words. It returns nil if all are right or all are wrong, because then there is nothing
// to separate.
func confidenceOf(words []judged) *Confidence {
	c := Confidence{Words: len(words)}
	for _, w := range words {
		if !w.right {
			c.Wrong++
		}
	}
	if c.Wrong == 0 || c.Wrong == c.Words {
		return nil
	}
	// The area under the curve from ranks (Mann and Whitney 1947); equal values count half.
	words = slices.Clone(words)
	slices.SortFunc(words, func(a, b judged) int {
		switch {
		case a.logProb < b.logProb:
			return -1
		case a.logProb > b.logProb:
			return 1
		}
		return 0
	})
	var above, wrongBelow float64
	for i := 0; i < len(words); {
		j, right, wrong := i, 0.0, 0.0
		for ; j < len(words) && words[j].logProb == words[i].logProb; j++ {
			if words[j].right {
				right++
			} else {
				wrong++
			}
		}
		above += right * (wrongBelow + wrong/2)
		wrongBelow += wrong
		i = j
	}
	c.AUC = above / (float64(c.Wrong) * float64(c.Words-c.Wrong))
	return &c
}
