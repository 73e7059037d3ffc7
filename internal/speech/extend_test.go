package speech

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// utterance is what is said, for TestExtend: words and when.
type utterance []scout.Word

// drawUtterance draws words that differ from each other, short and long, with pauses between some.
func drawUtterance(t *rapid.T) utterance {
	var said utterance
	at := time.Duration(0)
	for k := range rapid.IntRange(14, 26).Draw(t, "words") {
		at += time.Duration(rapid.SampledFrom([]int{0, 0, 0, 30, 250, 800}).Draw(t, "pause")) * time.Millisecond
		start := at
		at += time.Duration(rapid.IntRange(120, 450).Draw(t, "length")) * time.Millisecond
		end := at
		text := string(rune('a' + k))
		if rapid.Bool().Draw(t, "long") {
			text += "xyzzy"
		}
		said = append(said, scout.Word{Text: text, Start: &start, End: &end})
	}
	return said
}

// heardAs draws what a decoder makes of the audio between two times. Words that are cut through become wrong words, or are
// not heard, and so may the word beside them. wrong[k] is set for words that are not heard right.
func (u utterance) heardAs(t *rapid.T, side string, from, to time.Duration) (heard align.Heard, wrong map[int]bool) {
	heard, wrong = align.Heard{From: from, To: to}, map[int]bool{}
	jitter := rapid.SampledFrom([]int{0, 20, 90}).Draw(t, side+" jitter")
	untimed := rapid.SampledFrom([]string{"none", "none", "one", "all"}).Draw(t, side+" without times")
	alsoWrong := rapid.Bool().Draw(t, side+" wrong word at the edge")
	var whole []int
	for k, w := range u {
		if *w.Start >= from && *w.End <= to {
			whole = append(whole, k)
		}
	}
	last := from
	for k, w := range u {
		inside := min(*w.End, to) - max(*w.Start, from)
		if inside <= 0 {
			continue
		}
		word := scout.Word{Text: w.Text}
		cut := *w.Start < from || *w.End > to
		edge := alsoWrong && len(whole) > 0 && (side == "left" && k == whole[len(whole)-1] || side == "right" && k == whole[0])
		if cut || edge {
			wrong[k] = true
			if word.Text = fmt.Sprintf("%s%cwrong", side, 'a'+k); cut && rapid.Bool().Draw(t, side+" cut word not heard") {
				continue
			}
		}
		moved := func(at time.Duration) time.Duration {
			return min(max(at+time.Duration(rapid.IntRange(-jitter, jitter).Draw(t, side+" moved"))*time.Millisecond, last), to)
		}
		start := moved(max(*w.Start, from))
		last = start
		end := moved(min(*w.End, to))
		last = end
		word.Start, word.End = &start, &end
		heard.Words = append(heard.Words, word)
	}
	for i := range heard.Words {
		if n := len(heard.Words); untimed == "all" || untimed == "one" && i == n/2 {
			heard.Words[i].Start, heard.Words[i].End = nil, nil
		}
	}
	return heard, wrong
}

// TestExtend joins a text with the end of its piece, decoded by itself. Both heard a stretch of the audio, with times that
// differ or are missing, and with wrong words at the edges: no word is there twice, and none is missing that both sides
// heard right, or that only one side could hear.
func TestExtend(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		said := drawUtterance(t)
		end := *said[len(said)-1].End
		until := time.Duration(rapid.IntRange(1600, int(end/time.Millisecond)).Draw(t, "heard until")) * time.Millisecond
		from := until - min(until, time.Duration(rapid.IntRange(1500, 3000).Draw(t, "shared"))*time.Millisecond)
		left, leftWrong := said.heardAs(t, "left", 0, until)
		right, rightWrong := said.heardAs(t, "right", from, end)
		p := segment.Piece{Samples: make([]float32, int(end.Seconds()*scout.EngineSampleRateHz))}
		h := hypothesis{to: int64(until.Seconds() * scout.EngineSampleRateHz), text: Decoded{Heard: left}}
		d, ok := h.extend(p, Decoded{Heard: right})
		if !ok {
			return // all of it is decoded
		}
		count := make([]int, len(said))
		at := -1
		for _, w := range d.Words {
			k := -1
			for i := range said {
				if w.Text == said[i].Text || w.Text == fmt.Sprintf("left%cwrong", 'a'+i) || w.Text == fmt.Sprintf("right%cwrong", 'a'+i) {
					k = i
				}
			}
			count[k]++
			if k < at {
				t.Fatalf("the words are out of order: %q", texts(d.Words))
			}
			at = k
		}
		for k, n := range count {
			w := said[k]
			leftHas := !leftWrong[k] && *w.End <= until
			rightHas := !rightWrong[k] && *w.Start >= from
			must := leftHas && rightHas || leftHas && *w.End <= from || rightHas && *w.Start >= until
			if n > 1 || n == 0 && must {
				t.Fatalf("%q is there %d times:\nleft  %q to %v\nright %q from %v\ngave  %q", w.Text, n, texts(left.Words), until, texts(right.Words), from, texts(d.Words))
			}
		}
	})
}
