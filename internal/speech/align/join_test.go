package align_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	scout "github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"pgregory.net/rapid"
)

func words(text string) []scout.Word {
	var out []scout.Word
	for _, w := range strings.Fields(text) {
		out = append(out, scout.Word{Text: w})
	}
	return out
}

func text(words []scout.Word) string {
	var out []string
	for _, w := range words {
		out = append(out, w.Text)
	}
	return strings.Join(out, " ")
}

const second = time.Second

// TestJoin joins the words of two pieces. Both cover the seconds 8.5 to 11.5; the cut is at 10 s.
func TestJoin(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, left, right, want string }{
		{
			"both agree",
			"we met in the afternoon and walked along the river until it was dark outside",
			"until it was dark outside and then we went home by the late train again",
			"we met in the afternoon and walked along the river until it was dark outside and then we went home by the late train again",
		},
		{
			"words cut through at both ends",
			"we met in the afternoon and walked along the river until it was dark out",
			"till it was dark outside and then we went home by the late train again",
			"we met in the afternoon and walked along the river until it was dark outside and then we went home by the late train again",
		},
		{
			"an invented full stop and capital at the ends",
			"we met in the afternoon and walked along the river until it was dark outside.",
			"Along the river until it was dark outside, and then we went home by the late train",
			"we met in the afternoon and walked along the river until it was dark outside, and then we went home by the late train",
		},
		{
			"the only agreed word is the first of the right side",
			"we met in the afternoon and walked along the Danube.",
			"Danube, where we had been before and where we wanted to stay",
			"we met in the afternoon and walked along the Danube, where we had been before and where we wanted to stay",
		},
		{
			"a word that only one side heard differently, ahead of the middle",
			"she told us all about the colour of the sea and the sand",
			"collar of the sea and the sand and the way home to the city",
			"she told us all about the colour of the sea and the sand and the way home to the city",
		},
		{
			"two equal phrases in the overlap",
			"it was the best of times it was the worst of times it was the age",
			"it was the worst of times it was the age of wisdom it was the age of foolishness",
			"it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness",
		},
		{"nothing on the left", "", "then came the rest of it", "then came the rest of it"},
		{"nothing on the right", "that was all of it", "", "that was all of it"},
		{"nothing at all", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// The pieces are as long as the words take at 2.8 a second, or longer by a pause outside the overlap.
			for _, pause := range []time.Duration{0, 6 * second} {
				left := align.Heard{Words: words(tt.left), To: 11500 * time.Millisecond}
				right := align.Heard{Words: words(tt.right), From: 8500 * time.Millisecond}
				left.From = left.To - time.Duration(len(left.Words))*second*10/28 - pause
				right.To = right.From + time.Duration(len(right.Words))*second*10/28 + pause
				seam := align.Join(left, right, 10*second)
				if got := text(align.Splice(left, right, seam)); got != tt.want {
					t.Errorf("joined %+v:\n got %s\nwant %s", seam, got, tt.want)
				}
				if text(left.Words) != strings.Join(strings.Fields(tt.left), " ") {
					t.Error("the words of the left side were changed")
				}
			}
		})
	}
}

// timed gives each word 0.3 s from start on.
func timed(ws []scout.Word, start time.Duration) []scout.Word {
	out := slices.Clone(ws)
	for i := range out {
		from := start + time.Duration(i)*300*time.Millisecond
		to := from + 280*time.Millisecond
		out[i].Start, out[i].End = &from, &to
	}
	return out
}

func TestJoinWithoutAgreement(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		left, right []scout.Word
		want        string
	}{
		{
			"the cut decides",
			timed(words("a1 a2 a3 a4 a5 a6"), 9*second), // 9.0 to 10.8
			timed(words("b1 b2 b3 b4 b5 b6"), 9*second), // 9.0 to 10.8
			"a1 a2 a3 b4 b5 b6",
		},
		{
			"the right side heard nothing in the overlap",
			timed(words("a1 a2 a3 a4 a5 a6"), 9*second),
			timed(words("b1 b2"), 12*second),
			"a1 a2 a3 a4 a5 a6 b1 b2",
		},
		{
			"the left side heard nothing in the overlap",
			timed(words("a1 a2"), 5*second),
			timed(words("b1 b2 b3 b4"), 9*second),
			"a1 a2 b1 b2 b3 b4",
		},
		{
			"equal words far apart are not one word",
			timed(words("river a2 a3 a4 a5"), 5*second),
			timed(words("b1 river"), 10800*time.Millisecond),
			"river a2 a3 a4 a5 b1 river",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			left := align.Heard{Words: tt.left, From: 0, To: 11500 * time.Millisecond}
			right := align.Heard{Words: tt.right, From: 8500 * time.Millisecond, To: 20 * second}
			seam := align.Join(left, right, 10*second)
			if got := text(align.Splice(left, right, seam)); got != tt.want || seam.Agreed != 0 {
				t.Errorf("joined %+v:\n got %s\nwant %s", seam, got, tt.want)
			}
		})
	}
}

func TestJoinWithoutOverlapKeepsEverything(t *testing.T) {
	t.Parallel()
	left := align.Heard{Words: words("very"), From: 0, To: 10 * second}
	right := align.Heard{Words: words("very good"), From: 10 * second, To: 20 * second}
	if got := text(align.Splice(left, right, align.Join(left, right, 10*second))); got != "very very good" {
		t.Errorf("got %q", got)
	}
}

// spoken draws a text of n words from the vocabulary, each with a time. With a vocabulary of 100 or more no word is
// repeated among the next 16: without times nothing else distinguishes repetitions.
func spoken(t *rapid.T, n, vocabulary int) ([]scout.Word, []time.Duration) {
	out := make([]scout.Word, n)
	at := make([]time.Duration, n+1)
	for i := range out {
		out[i].Text = fmt.Sprintf("w%03dx", rapid.IntRange(0, vocabulary-1).Draw(t, "word"))
		if vocabulary >= 100 {
			out[i].Text += string(rune('a' + i%17))
		}
		at[i+1] = at[i] + time.Duration(rapid.IntRange(150, 600).Draw(t, "ms"))*time.Millisecond
	}
	return out, at
}

// heard is what a perfect decoder makes of words [from, to).
func heard(ws []scout.Word, at []time.Duration, from, to int, times bool) align.Heard {
	h := align.Heard{From: at[from], To: at[to]}
	for i := from; i < to; i++ {
		w := ws[i]
		if times {
			w.Start, w.End = &at[i], &at[i+1]
		}
		h.Words = append(h.Words, w)
	}
	return h
}

func TestExactOverlapGivesTheOriginal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		vocabulary int
		times      bool
	}{
		{"many words, no times", 900, false},
		{"many words with times", 900, true},
		{"three words over and over, with times", 3, true},
		{"one word over and over, with times", 1, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				n := rapid.IntRange(4, 60).Draw(t, "n")
				ws, at := spoken(t, n, tt.vocabulary)
				from := rapid.IntRange(0, n-2).Draw(t, "from")
				to := rapid.IntRange(from+2, min(n, from+12)).Draw(t, "to")
				left, right := heard(ws, at, 0, to, tt.times), heard(ws, at, from, n, tt.times)
				cut := (at[from] + at[to]) / 2
				seam := align.Join(left, right, cut)
				if got, want := text(align.Splice(left, right, seam)), text(ws); got != want {
					t.Fatalf("overlap [%d,%d) of %d joined %+v:\n got %s\nwant %s", from, to, n, seam, got, want)
				}
			})
		})
	}
}

// mangle changes up to k words at one end of ws, as a decoder does that gets only part of them: another word, none, or
// two.
func mangle(t *rapid.T, ws []scout.Word, k int, atEnd bool) []scout.Word {
	out := slices.Clone(ws)
	for c := rapid.IntRange(0, k).Draw(t, "changes"); c > 0; c-- {
		i := c - 1
		if atEnd {
			i = len(out) - c
		}
		wrong := scout.Word{Text: "wrong" + out[i].Text, Start: out[i].Start, End: out[i].End}
		switch rapid.IntRange(0, 2).Draw(t, "how") {
		case 0:
			out[i] = wrong
		case 1:
			if atEnd != (c == 1) { // keeps the indices of the remaining words valid
				out[i] = wrong
				continue
			}
			out = slices.Delete(out, i, i+1)
		default:
			if atEnd {
				out = append(out, wrong)
				continue
			}
			out = slices.Insert(out, 0, wrong)
		}
	}
	return out
}

func TestErrorsAtTheEndsDoNotReachTheText(t *testing.T) {
	t.Parallel()
	for _, times := range []bool{false, true} {
		t.Run(fmt.Sprintf("times %v", times), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				n := rapid.IntRange(20, 60).Draw(t, "n")
				ws, at := spoken(t, n, 900)
				from := rapid.IntRange(4, n-14).Draw(t, "from")
				to := from + rapid.IntRange(8, 10).Draw(t, "overlap")
				left, right := heard(ws, at, 0, to, times), heard(ws, at, from, n, times)
				left.Words, right.Words = mangle(t, left.Words, 2, true), mangle(t, right.Words, 2, false)
				seam := align.Join(left, right, (at[from]+at[to])/2)
				if got, want := text(align.Splice(left, right, seam)), text(ws); got != want {
					t.Fatalf("overlap [%d,%d) joined %+v:\n left %s\nright %s\n  got %s\n want %s",
						from, to, seam, text(left.Words), text(right.Words), got, want)
				}
			})
		})
	}
}

func TestNoWordOutsideTheOverlapIsLostOrDoubled(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(12, 60).Draw(t, "n")
		ws, at := spoken(t, n, 900)
		for i := range ws {
			ws[i].Text = fmt.Sprintf("word%02d%s", i, ws[i].Text) // each occurs once
		}
		from := rapid.IntRange(1, n-4).Draw(t, "from")
		to := rapid.IntRange(from+2, min(n-1, from+9)).Draw(t, "to")
		times := rapid.Bool().Draw(t, "times")
		left, right := heard(ws, at, 0, to, times), heard(ws, at, from, n, times)
		// Inside the overlap the two sides may differ.
		for i := from; i < to; i++ {
			if rapid.Bool().Draw(t, "left wrong") {
				left.Words[i].Text = "other"
			}
			if rapid.Bool().Draw(t, "right wrong") {
				right.Words[i-from].Text = "else"
			}
		}
		seam := align.Join(left, right, (at[from]+at[to])/2)
		if !times && seam.Agreed == 0 {
			return // with estimated positions only words far from the cut can be checked
		}
		got := align.Splice(left, right, seam)
		count := map[string]int{}
		for _, w := range got {
			count[w.Text]++
		}
		for i, w := range ws {
			c := count[w.Text]
			if outside := i < from || i >= to; outside && c != 1 || c > 1 {
				t.Fatalf("word %d %q occurs %d times, overlap [%d,%d), joined %+v:\n%s", i, w.Text, c, from, to, seam, text(got))
			}
		}
		if len(got) > n+1 || len(got) < n-1 {
			t.Fatalf("%d words became %d", n, len(got))
		}
	})
}

// FuzzJoin checks that any two texts can be joined, that the seam lies inside both, and that words outside the common
// audio are unchanged.
func FuzzJoin(f *testing.F) {
	f.Add("we met in the afternoon", "the afternoon was warm", 1000, 500)
	f.Add("", "a", 0, 0)
	f.Add("a a a a", "a a a", 10, 9)
	f.Add("- \xff .", "\xff", -5, 70000)
	f.Fuzz(func(t *testing.T, a, b string, to, from int) {
		left := align.Heard{Words: words(a), To: time.Duration(to) * time.Millisecond}
		right := align.Heard{Words: words(b), From: time.Duration(from) * time.Millisecond, To: time.Duration(to) * 2 * time.Millisecond}
		s := align.Join(left, right, time.Duration(to+from)/2*time.Millisecond)
		if s.Left < 0 || s.Left > len(left.Words) || s.Right < 0 || s.Right > len(right.Words) {
			t.Fatalf("seam %+v of %d and %d words", s, len(left.Words), len(right.Words))
		}
		align.Splice(left, right, s)
	})
}

func BenchmarkJoin(b *testing.B) {
	ws := words(strings.Repeat("the quick brown fox jumps over the lazy dog and then it sleeps ", 4))
	left := align.Heard{Words: ws, To: 16 * second}
	right := align.Heard{Words: ws, From: 13 * second, To: 30 * second}
	b.ReportAllocs()
	for b.Loop() {
		align.Join(left, right, 14500*time.Millisecond)
	}
}

// If the times are in order on each side, they are in order in the joined text: a word that does not fit loses its
// time, and no time is made up.
func TestSpliceKeepsTimesInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		side := func(name string, from time.Duration) align.Heard {
			h := align.Heard{From: from}
			at := from
			for range rapid.IntRange(0, 12).Draw(t, name) {
				w := scout.Word{Text: rapid.SampledFrom([]string{"river", "the", "house", "x"}).Draw(t, "word")}
				start := at + time.Duration(rapid.IntRange(0, 300).Draw(t, "gap"))*time.Millisecond
				at = start + time.Duration(rapid.IntRange(0, 500).Draw(t, "length"))*time.Millisecond
				if end := at; rapid.Bool().Draw(t, "placed") {
					w.Start, w.End = &start, &end
				}
				h.Words = append(h.Words, w)
			}
			h.To = at + 100*time.Millisecond
			return h
		}
		left := side("left", 0)
		right := side("right", max(left.To-time.Duration(rapid.IntRange(0, 3000).Draw(t, "overlap"))*time.Millisecond, 0))
		seam := align.Join(left, right, (left.To+right.From)/2)
		var before time.Duration
		for i, w := range align.Splice(left, right, seam) {
			if (w.Start == nil) != (w.End == nil) {
				t.Fatalf("word %d has only a start or only an end", i)
			}
			if w.Start == nil {
				continue
			}
			if *w.Start < before || *w.End < *w.Start {
				t.Fatalf("word %d from %v to %v, the one before ends at %v", i, *w.Start, *w.End, before)
			}
			before = *w.End
		}
	})
}
