package speech_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech"
)

// TestTimesFollowEachOther gives words times that each piece knows a little differently. Some words have no time and
// some a full stop. In the transcript, words and segments must be in order and must not overlap, and no time is made
// up.
func TestTimesFollowEachOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		timesFollowEachOther(rt, told{
			words: rapid.IntRange(1, 75).Draw(rt, "words"), seed: rapid.Uint64().Draw(rt, "seed"),
			unplaced: rapid.Float64Range(0, 1).Draw(rt, "unplaced"), stops: rapid.Float64Range(0, 0.5).Draw(rt, "stops"),
		})
	})
}

// A sentence whose words have no times ends before a word with a known time in the context of the next piece.
func TestKnownWordBeforeItsCore(t *testing.T) {
	t.Parallel()
	for _, c := range []told{{36, 0x52b, 0.5, 0.5}, {60, 0x3460a, 0.5, 0.5}} {
		timesFollowEachOther(t, c)
	}
}

// told is a recording of words. The share unplaced of them gets no times and the share stops gets a full stop.
type told struct {
	words           int
	seed            uint64
	unplaced, stops float64
}

// failing is what testing and rapid have in common.
type failing interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func timesFollowEachOther(t failing, c told) {
	source := &tape{frames: c.words * wordFrames, block: 4096}
	given := false // whether any word has a time
	l := &listener{}
	l.fault = func(from, to int) (*scout.Hypothesis, error) {
		result := hear(from, to, true)
		rng := rand.New(rand.NewPCG(c.seed, uint64(from)))
		shift := time.Duration(300 * (rng.Float64() - 0.5) * float64(time.Millisecond)) // of the whole piece: another look at the same words
		for i := range result.Words {
			w := &result.Words[i]
			if rng.Float64() < c.stops {
				w.Text += "."
			}
			if rng.Float64() < c.unplaced {
				w.Start, w.End = nil, nil
				continue
			}
			given = true
			*w.Start = max(*w.Start+shift, 0)
			*w.End = max(*w.End+shift, *w.Start)
		}
		return result, nil
	}
	tr, _ := transcriber(l)
	got, err := tr.Transcribe(context.Background(), source, speech.Options{Words: true})
	if err != nil {
		t.Fatal(err)
	}
	var word, segment time.Duration
	var texts []string
	for i, s := range got.Segments {
		if s.Start < segment || s.End < s.Start {
			t.Fatalf("segment %d is at %v to %v, but the one before it ends at %v", i, s.Start, s.End, segment)
		}
		segment = s.End
		for _, w := range s.Words {
			texts = append(texts, strings.TrimRight(w.Text, "."))
			if w.Start == nil && w.End == nil {
				continue
			}
			if !given || w.Start == nil || w.End == nil || *w.Start < word || *w.End < *w.Start {
				t.Fatalf("%q is at %v to %v, but the word before it ends at %v", w.Text, w.Start, w.End, word)
			}
			if *w.Start < s.Start || *w.End > s.End {
				t.Fatalf("%q at %v to %v is in a segment at %v to %v", w.Text, *w.Start, *w.End, s.Start, s.End)
			}
			word = *w.End
		}
	}
	if c.unplaced == 0 && strings.Join(texts, " ") != script(source.words()) {
		t.Fatalf("got  %s\nwant %s", strings.Join(texts, " "), script(source.words()))
	}
}
