package align

import "time"

// Loop is a repetition that comes from the decoder, not from the speaker.
type Loop struct {
	// Reason is the sign by which the loop was recognised.
	Reason LoopReason
	// Start, Period and Count describe the repeated words for LoopRepeat: words[Start:Start+Period] are repeated Count
	// times in a row. Period and Count are zero for the other reasons, if punctuation stands alone between the words,
	// and if the repetition is inside words.
	Start, Period, Count int
}

// LoopReason is a sign by which a loop is recognised.
type LoopReason int

const (
	// LoopRepeat is a phrase repeated without end.
	LoopRepeat LoopReason = iota + 1
	// LoopDull is long text made of few different phrases, as a drifting loop produces it.
	LoopDull
	// LoopFast is more words than can be said in the time.
	LoopFast
)

// String returns the reason in lower case, as logs and metrics show it.
func (r LoopReason) String() string {
	switch r {
	case LoopRepeat:
		return "repeat"
	case LoopDull:
		return "dull"
	case LoopFast:
		return "fast"
	}
	return "unknown"
}

const (
	// hurried is the rate in words a second above which a repetition is suspicious. People read and talk at 2.5-3.5. A
	// decoder in a loop continues to its limit of tokens, at 4.5 words a second or more.
	hurried = 4.5
	// impossible is a rate that nobody can sustain for at least impossibleWords words.
	impossible      = 8.0
	impossibleWords = 16
	// longestPeriod bounds the repeated phrase.
	longestPeriod = 30
	// A text of at least dullWords words is dull if less than dullShare of its pairs of neighbouring words are
	// different. Prose has 0.9 and more, refrains about 0.4. This replaces the compression ratio by which Whisper
	// rejects its own loops (Radford et al. 2022, 4.5), and is cheaper.
	dullWords = 24
	dullShare = 0.25
	// repeatedCounts is how many equal numbers or letters in a row are suspicious: nobody counts "24, 24, 24, 24, 24".
	repeatedCounts = 5
)

// repeats returns how often a phrase of period words must be repeated to count as a loop. People repeat themselves
// ("no, no, no", a refrain), so at a human pace more repetitions are needed.
func repeats(period int, fast bool) int {
	if fast {
		switch {
		case period == 1:
			return 6
		case period <= 3:
			return 4
		}
		return 3
	}
	switch period {
	case 1:
		return 12
	case 2:
		return 7
	case 3:
		return 6
	}
	return 5
}

// FindLoop looks for a repetition loop in the words of audio of length heard, which may be 0 if it is unknown. It does
// not report repetitions as people make them, except for numbers: a decoder that lost its way in numbers repeats one,
// or continues to count, at a pace at which people also count. A caller decodes such a piece again with other cuts, so
// a false alarm costs time but no words.
func FindLoop(words []string, heard time.Duration) (Loop, bool) {
	u := unitsOf(words)
	rate := 0.0
	if heard > 0 {
		rate = float64(len(u.text)) / heard.Seconds()
	}
	if at, found := inOneWord(words); found {
		return Loop{Reason: LoopRepeat, Start: at}, true
	}
	if l, ok := findRepeat(u, rate > hurried); ok {
		start := u.word[l.Start]
		if len(u.text) != len(words) {
			// With single punctuation marks in between, or several units in a word, the phrase is not evenly spaced in
			// words.
			return Loop{Reason: LoopRepeat, Start: start}, true
		}
		return l, true
	}
	switch {
	case rate > impossible && len(u.text) >= impossibleWords, tooFast(words, heard):
		return Loop{Reason: LoopFast}, true
	case len(u.text) >= dullWords && variety(u.text) < dullShare:
		return Loop{Reason: LoopDull}, true
	}
	return Loop{}, false
}

// findRepeat returns the loop that covers the most units; of equal ones, the one with the shortest period.
func findRepeat(u units, fast bool) (found Loop, ok bool) {
	words := u.text
	for period := 1; period <= min(longestPeriod, len(words)/3); period++ {
		same := 0 // how many words in a row equal the word one period before them
		for i := period; i <= len(words); i++ {
			if i < len(words) && words[i] == words[i-period] {
				same++
				continue
			}
			count := same/period + 1
			start := i - same - period
			least := repeats(period, fast)
			if u.allCount(start, start+period) {
				least = min(least, repeatedCounts)
			}
			if count >= least && count*period > found.Count*found.Period {
				found, ok = Loop{Reason: LoopRepeat, Start: start, Period: period, Count: count}, true
			}
			same = 0
		}
	}
	return found, ok
}

// variety returns the share of different pairs among the pairs of neighbouring words.
func variety(words []string) float64 {
	type two struct{ a, b string }
	seen := make(map[two]struct{}, len(words))
	for i := 1; i < len(words); i++ {
		seen[two{words[i-1], words[i]}] = struct{}{}
	}
	return float64(len(seen)) / float64(len(words)-1)
}
