package bench

import (
	"slices"
	"strings"
)

// Repeated counts what a text says again at once, and the reference does not.
type Repeated struct {
	// Loops are phrases of any length that stand four times or more one after the other.
	Loops int `json:"loops"`
	// Twice are phrases of three words or more that stand twice or three times.
	Twice int `json:"twice"`
	// Lost are repetitions of the reference that the text has fewer times. A phrase of which a word is heard wrong counts.
	Lost int `json:"lost"`
}

func (r Repeated) plus(o Repeated) Repeated {
	return Repeated{r.Loops + o.Loops, r.Twice + o.Twice, r.Lost + o.Lost}
}

// longestPhrase bounds what is looked for, in words. Whole pieces of 30 s are hardly longer.
const longestPhrase = 120

// loopTimes is from how many times on a repetition is a loop.
const loopTimes = 4

// twiceWords is how long a phrase is at least that nobody says twice by chance.
const twiceWords = 3

// phraseRun is a phrase that stands several times, one directly after the other.
type phraseRun struct {
	phrase []string
	times  int
}

// repetitions returns the repeated phrases of a text from left to right, of those that overlap the one that covers most, and the shortest
// of equals.
func repetitions(words []string) []phraseRun {
	var found []phraseRun
	for at := 0; at < len(words); {
		best := phraseRun{}
		for length := 1; length <= min(longestPhrase, (len(words)-at)/2); length++ {
			phrase, times := words[at:at+length], 1
			for next := at + length; next+length <= len(words) && slices.Equal(words[next:next+length], phrase); next += length {
				times++
			}
			if times > 1 && times*length > best.times*len(best.phrase) {
				best = phraseRun{phrase, times}
			}
		}
		if best.times == 0 {
			at++
			continue
		}
		found = append(found, best)
		at += best.times * len(best.phrase)
	}
	return found
}

// most returns how often a phrase stands at most one after the other.
func most(words, phrase []string) (times int) {
	for at := 0; at+len(phrase) <= len(words); at++ {
		n := 0
		for next := at; next+len(phrase) <= len(words) && slices.Equal(words[next:next+len(phrase)], phrase); next += len(phrase) {
			n++
		}
		times = max(times, n)
	}
	return times
}

// misheard returns how often something is said again that may be the phrase, heard wrong each time: it has about the same number of
// words.
func misheard(runs []phraseRun, phrase []string) (times int) {
	for _, r := range runs {
		if longer := max(len(r.phrase), len(phrase)); 3*(longer-min(len(r.phrase), len(phrase))) <= longer {
			times = max(times, r.times)
		}
	}
	return times
}

// kept reports whether a text has all of a repetition, with at most a third as many edits as the phrase has words. If it was said once
// less, there would be more.
func kept(text []string, run phraseRun) bool {
	said := slices.Repeat(run.phrase, run.times)
	found := strings.Fields(Passage(strings.Join(text, " "), strings.Join(said, " ")))
	return 3*CountEdits(said, found).Errors() <= len(run.phrase)
}

// repeatedIn compares the repetitions of a text with those of its reference.
func repeatedIn(reference, text []string) (r Repeated) {
	said, heard := repetitions(reference), repetitions(text)
	for _, run := range heard {
		real := max(most(reference, run.phrase), misheard(said, run.phrase))
		switch {
		case run.times <= real:
		case run.times >= loopTimes && run.times > real+1: // once more may be a matter of hearing
			r.Loops++
		case len(run.phrase) >= twiceWords:
			r.Twice++
		}
	}
	for _, run := range said {
		times := most(text, run.phrase)
		if times > 0 && times < run.times && misheard(heard, run.phrase) < run.times && !kept(text, run) {
			r.Lost++
		}
	}
	return r
}
