package align_test

import (
	"math/bits"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/speech/align"
	"pgregory.net/rapid"
)

func TestPeopleRepeatThemselves(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		heard      time.Duration
	}{
		{"nothing", "", 10 * second},
		{"one word", "stop", 300 * time.Millisecond},
		{"no", "No, no, no, no, no!", 2 * second},
		{"very", "It was very, very, very, very good and really, really big.", 4 * second},
		{"counting", "one two three four five six seven eight nine ten eleven twelve thirteen fourteen", 8 * second},
		{"counting by hundreds", "one hundred two hundred three hundred four hundred five hundred six hundred seven hundred", 7 * second},
		{"laughing", "ha ha ha ha ha ha ha ha", 2 * second},
		{"testing a microphone", "test test test one two one two one two can you hear me", 6 * second},
		{"a refrain", "let it be let it be let it be let it be whisper words of wisdom let it be", 14 * second},
		{"a chorus twice", "she loves you yeah yeah yeah she loves you yeah yeah yeah with a love like that", 10 * second},
		{"a slogan", "we will we will rock you we will we will rock you", 9 * second},
		{"three times the same sentence", "please turn the page please turn the page please turn the page", 7 * second},
		{"a shopping list", "bread and milk and eggs and butter and cheese and apples and pears and rice and tea and salt", 8 * second},
		{"anaphora", "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness it was the epoch of belief", 10 * second},
		{"fast talk", strings.Join(distinct(80), " "), 14 * second},
		{"a phone number", "zero zero four nine one one one one five five five zero zero zero", 7 * second},
		{"unknown length", "no no no no no no no no", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if l, found := align.FindLoop(strings.Fields(tt.text), tt.heard); found {
				t.Errorf("taken for a loop: %v %+v", l.Reason, l)
			}
		})
	}
}

func TestDecodersLoop(t *testing.T) {
	t.Parallel()
	start := "and then he said that it was "
	tests := []struct {
		name, text string
		heard      time.Duration
		want       align.LoopReason
		period     int
	}{
		{"one word up to the limit", start + strings.Repeat("the ", 70), 14 * second, align.LoopRepeat, 1},
		{"two words", start + strings.Repeat("of the ", 30), 12 * second, align.LoopRepeat, 2},
		{"a sentence", start + strings.Repeat("i do not know what to say. ", 9), 12 * second, align.LoopRepeat, 7},
		{"a long sentence three times", strings.Repeat("i think that this is the right way to go about it in the end ", 4), 10 * second, align.LoopRepeat, 15},
		{"in the middle", start + strings.Repeat("no ", 20) + "and then she left", 6 * second, align.LoopRepeat, 1},
		{"slow, many times", start + strings.Repeat("you know ", 12), 14 * second, align.LoopRepeat, 2},
		{"drifting", drifting(25), 14 * second, align.LoopDull, 0},
		{"more words than time", strings.Join(distinct(60), " "), 5 * second, align.LoopFast, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l, found := align.FindLoop(strings.Fields(tt.text), tt.heard)
			if !found || l.Reason != tt.want || l.Period != tt.period {
				t.Errorf("found %v: %v %+v, want %v of period %d", found, l.Reason, l, tt.want, tt.period)
			}
		})
	}
}

func TestLoopIsFoundWhereItIs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before := distinct(rapid.IntRange(0, 20).Draw(t, "before"))
		phrase := strings.Fields(strings.ToUpper(strings.Join(distinct(rapid.IntRange(1, 12).Draw(t, "period")), " phrase"+" ")))
		for i := range phrase {
			phrase[i] += string(rune('a'+i)) + "!"
		}
		count := rapid.IntRange(12, 20).Draw(t, "count")
		all := append([]string{}, before...)
		for range count {
			all = append(all, phrase...)
		}
		all = append(all, "tail")
		l, found := align.FindLoop(all, 0)
		if !found || l.Reason != align.LoopRepeat || l.Start != len(before) || l.Period != len(phrase) || l.Count != count {
			t.Fatalf("found %v %+v, want %d words %d times from %d on", found, l, len(phrase), count, len(before))
		}
	})
}

// distinct makes n words that all differ.
func distinct(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = "w" + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	return out
}

// drifting strings phrases together in an order in which none ever follows itself, alone or as a group: the differences
// of the Thue-Morse sequence are square-free.
func drifting(n int) string {
	var b strings.Builder
	parity := func(i int) int { return bits.OnesCount(uint(i)) % 2 }
	for i := range n {
		b.WriteString([]string{"and the man ", "and the woman ", "and the child "}[parity(i+1)-parity(i)+1])
	}
	return b.String()
}
