package speech_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/speech"
)

// TestTimesFollowEachOther gives words times that each piece knows a little differently, some none and some a full
// stop: in the transcript, words and segments stand in order and apart all the same, and nothing is made up.
func TestTimesFollowEachOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		source := &tape{frames: rapid.IntRange(1, 75).Draw(rt, "words") * wordFrames, block: 4096}
		seed := rapid.Uint64().Draw(rt, "seed")
		unplaced, stops := rapid.Float64Range(0, 1).Draw(rt, "unplaced"), rapid.Float64Range(0, 0.5).Draw(rt, "stops")
		given := false // any time at all
		l := &listener{}
		l.fault = func(from, to int) (*wire.Result, error) {
			result := hear(from, to, true)
			rng := rand.New(rand.NewPCG(seed, uint64(from)))
			shift := float32(300 * (rng.Float64() - 0.5)) // of the whole piece: another look at the same words
			for i := range result.Words {
				w := &result.Words[i]
				if rng.Float64() < stops {
					w.Text += "."
				}
				if rng.Float64() < unplaced {
					w.StartMS, w.EndMS = nil, nil
					continue
				}
				given = true
				*w.StartMS = max(*w.StartMS+shift, 0)
				*w.EndMS = max(*w.EndMS+shift, *w.StartMS)
			}
			return result, nil
		}
		tr, _ := transcriber(l)
		got, err := tr.Transcribe(context.Background(), source, speech.Options{Words: true})
		if err != nil {
			rt.Fatal(err)
		}
		var word, segment time.Duration
		var texts []string
		for i, s := range got.Segments {
			if s.Start < segment || s.End < s.Start {
				rt.Fatalf("segment %d from %v to %v, the one before ends at %v", i, s.Start, s.End, segment)
			}
			segment = s.End
			for _, w := range s.Words {
				texts = append(texts, strings.TrimRight(w.Text, "."))
				if w.Start == nil && w.End == nil {
					continue
				}
				if !given || w.Start == nil || w.End == nil || *w.Start < word || *w.End < *w.Start {
					rt.Fatalf("%q from %v to %v, the word before ends at %v", w.Text, w.Start, w.End, word)
				}
				if *w.Start < s.Start || *w.End > s.End {
					rt.Fatalf("%q from %v to %v in a segment from %v to %v", w.Text, *w.Start, *w.End, s.Start, s.End)
				}
				word = *w.End
			}
		}
		if unplaced == 0 && strings.Join(texts, " ") != script(source.words()) {
			rt.Fatalf("got  %s\nwant %s", strings.Join(texts, " "), script(source.words()))
		}
	})
}
