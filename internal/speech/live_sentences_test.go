package speech_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// fullStops is a recognizer that puts a full stop behind the last word that it hears, as models do, whether or not the
// sentence ends there. The words are lower case.
func fullStops(hears speech.Recognizer) recognizerFunc {
	return func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
		h, err := hears.Transcribe(ctx, r)
		if err != nil || len(h.Words) == 0 {
			return h, err
		}
		heard := *h
		heard.Words = slices.Clone(h.Words)
		heard.Words[len(heard.Words)-1].Text += "."
		heard.Text += "."
		return &heard, nil
	}
}

// TestLiveSentences dictates a sentence with pauses to a model that ends every text with a full stop. It stays in the
// text only where nobody waits long enough for what follows, and then another sentence begins.
func TestLiveSentences(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		pauses pauses
		words  int
		breaks bool
	}{
		"no pause":                             {pauses{}, 100, false},
		"short pauses":                         {pauses{12, 4}, 108, false},
		"pauses in which pieces end":           {pauses{28, 5}, 112, false},
		"pauses in which nobody waits so long": {pauses{40, 15}, 105, true},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			frames := c.words * wordFrames
			sim := &speech.Simulation{
				Samples: c.pauses.tapeOf(frames), StopAt: time.Duration(c.words) * wordLength, Block: 20 * time.Millisecond,
				Cost: func() time.Duration { return 60 * time.Millisecond },
			}
			p := &page{t: t}
			recognizer := fullStops(&listener{timed: true, mute: c.pauses.mute})
			if _, _, err := newLive(t, recognizer, p.options(speech.LiveOptions{Recorded: onDisk(frames)})).Simulate(t.Context(), sim); err != nil {
				t.Fatal(err)
			}
			var want []string
			begins := true
			for k := range c.words {
				switch {
				case c.pauses.mute(k):
					if c.breaks && !begins {
						want[len(want)-1] += "."
					}
					begins = c.breaks
					continue
				case begins && k > 0:
					want = append(want, strings.ToUpper(speechtest.Word(k)[:1])+speechtest.Word(k)[1:])
				default:
					want = append(want, speechtest.Word(k))
				}
				begins = false
			}
			if got := strings.TrimSuffix(strings.TrimSpace(p.text), "."); got != strings.TrimSuffix(strings.Join(want, " "), ".") {
				t.Errorf("heard %s\nwant  %s", got, strings.Join(want, " "))
			}
		})
	}
}

// unsure is a recognizer whose tokens have a log-probability.
func unsure(hears speech.Recognizer, logProb float64) recognizerFunc {
	return func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
		h, err := hears.Transcribe(ctx, r)
		if err != nil {
			return h, err
		}
		heard := *h
		for range h.Words {
			heard.Tokens = append(heard.Tokens, scout.Token{ID: -1, LogProb: &logProb})
		}
		return &heard, nil
	}
}

// TestLiveUnsure dictates to a model that is more or less sure of what it hears: the less, the longer words wait, but no
// believable one longer than 4 s.
func TestLiveUnsure(t *testing.T) {
	t.Parallel()
	var before time.Duration
	for _, c := range []struct {
		situation string
		logProb   float64
		sureness  float64 // of the model
		within    time.Duration
	}{
		{"sure", -0.05, 0, 2 * time.Second},
		{"doubtful", -0.4, 0, 4 * time.Second},
		{"not believable", -0.9, 0, 15 * time.Second},
		{"a model that is never surer", -0.4, 0.5, 2 * time.Second},
		{"the same, doubtful", -0.9, 0.5, 4 * time.Second},
	} {
		if c.sureness > 0 && before > 4*time.Second {
			before = 0
		}
		sim := &speech.Simulation{
			Samples: tapeOf(20 * rate), StopAt: 20 * time.Second, Block: 20 * time.Millisecond, Cost: func() time.Duration { return 40 * time.Millisecond },
		}
		var longest time.Duration
		l := newLive(t, unsure(&listener{timed: true}, c.logProb), speech.LiveOptions{Recorded: onDisk(len(sim.Samples)), Trait: speech.Trait{Sureness: c.sureness}, Committed: func(committed speech.LiveCommitted) {
			for _, w := range committed.Words {
				if *w.End > 4*time.Second && *w.End < 10*time.Second { // the first words of a piece wait for what follows them
					longest = max(longest, sim.Now()-*w.End)
				}
			}
		}})
		if _, _, err := l.Simulate(t.Context(), sim); err != nil {
			t.Fatal(err)
		}
		if longest > c.within || longest <= before {
			t.Errorf("%s: the longest wait was %v, at most %v is right, and more than %v", c.situation, longest, c.within, before)
		}
		before = longest
	}
}
