package align_test

import (
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/speech/align"
)

// TestLoopsOfNumbers checks that a decoder which loops in numbers, letters or punctuation is noticed, however it writes
// them.
func TestLoopsOfNumbers(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		text  string
		heard time.Duration
		start int // word at which it begins; -1 if it is not reported
	}{
		"a number in words of its own":     {"21, 22, 23, 24, 25, 26, 24, 24, 24, 24, 24, 24", 6 * second, 6},
		"inside one word":                  {"18-18-18-18-18-18", 4 * second, 0},
		"behind others in one word":        {"well 1-2-3-4-5-18-18-18-18-18-18", 6 * second, 1},
		"two in turn":                      {"9010, 1, 9010, 1, 9010, 1, 9010, 1, 9010, 1", 8 * second, 0},
		"number words":                     {"it is twenty seven twenty seven twenty seven twenty seven twenty seven", 8 * second, 2},
		"one number word":                  {"it is zero zero zero zero zero", 4 * second, 2},
		"digits without spaces":            {"123456789111111111111111111", 4 * second, 0},
		"groups of zeros":                  {"100,000,000,000,000,000,000", 3 * second, 0},
		"letters without spaces":           {"Asffffffffffffffff", 5 * second, 0},
		"a syllable without spaces":        {"hahahahahahahahaha", 5 * second, 0},
		"letters by their names":           {"A-B-C-D-D-D-D-D-D", 5 * second, 0},
		"marks":                            {"well . . . . . . . .", 5 * second, 1},
		"marks in one word":                {"well then..........", 5 * second, 1},
		"counting on without end":          {upTo(1, 60), 8 * second, -1},
		"more digits than can be said":     {"1871, 1278, 1878, 1888, 1314-1516, 1718-1818, 1819", 3 * second, -1},
		"numbers that change a little":     {strings.Repeat("1718 1818 1718 1819 1718 1818 ", 8), 20 * second, -1},
		"more letters than can be said":    {"G-H-I-G-H-A-L-M-N-O-P-Q-R-S-T-U-V-W-X-Y", 3 * second, -1},
		"Chinese digits":                   {"1一1一1一1一1一1一1一", 5 * second, 0},
		"numbers with a currency in front": {"$24 $24 $24 $24 $24", 5 * second, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, found := align.FindLoop(strings.Fields(test.text), test.heard)
			if !found {
				t.Fatal("no loop found")
			}
			if test.start >= 0 && (l.Reason != align.LoopRepeat || l.Start != test.start) {
				t.Errorf("%v from word %d on, want %v from %d on", l.Reason, l.Start, align.LoopRepeat, test.start)
			}
		})
	}
}

// TestPeopleSayNumbers checks that numbers and letters as people say them are not taken for a loop.
func TestPeopleSayNumbers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		text  string
		heard time.Duration
	}{
		"counting in one word":     {"1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16-17-18-19-20.", 9 * second},
		"counting to thirty":       {upTo(1, 30), 18 * second},
		"pi":                       {"Three, one, four, one, five, nine, two, six, five, three, five, eight, nine, seven, nine", 8 * second},
		"a phone number":           {"0049, 1111, 555, 000.", 7 * second},
		"a card number":            {"4111 1111 1111 1111", 7 * second},
		"a million millions":       {"It cost 1,000,000,000 dollars.", 3 * second},
		"the alphabet":             {"A-B-C-D-E-F-G-H-I-J-K-L-M-N-O-P-Q-R-S-T-U-V-W-X-Y-Z.", 8 * second},
		"years":                    {"From 1914 to 1918, and from 1939 to 1945.", 5 * second},
		"a score":                  {"It was 6-4, 6-4, 6-4.", 4 * second},
		"a version":                {"version 1.2.3-4", 3 * second},
		"an ellipsis":              {"Well... I do not know... perhaps...", 5 * second},
		"a long word":              {"Donaudampfschifffahrtsgesellschaft", 3 * second},
		"one, one, one, one":       {"one one one one", 2 * second},
		"hyphens":                  {"a state-of-the-art, up-to-date, well-to-do neighbour", 4 * second},
		"unknown length":           {upTo(1, 60), 0},
		"dashes between sentences": {"yes - no - well - perhaps - so - then - or - not - at - all", 5 * second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if l, found := align.FindLoop(strings.Fields(test.text), test.heard); found {
				t.Errorf("taken for a loop: %v %+v", l.Reason, l)
			}
		})
	}
}

func upTo(from, to int) string {
	var numbers []string
	for n := from; n <= to; n++ {
		numbers = append(numbers, strings.Repeat("9", n/100)+string(rune('0'+n/10%10))+string(rune('0'+n%10)))
	}
	return strings.Join(numbers, ", ")
}
