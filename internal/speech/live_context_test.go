package speech_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// longestHeard notes the longest request, and where the earliest one begins.
type longestHeard struct {
	speechtest.Model
	mu      sync.Mutex
	samples int
	first   int
}

func (l *longestHeard) Transcribe(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
	l.mu.Lock()
	if from := speechtest.PositionOf(r.Samples[0]); l.samples == 0 || from < l.first {
		l.first = from
	}
	l.samples = max(l.samples, len(r.Samples))
	l.mu.Unlock()
	return l.Model.Transcribe(ctx, r)
}

// TestLiveContext hears sound again that is text already, where little follows it: none of its words is said twice, and none of what follows is lost, wherever the
// text ends.
func TestLiveContext(t *testing.T) {
	t.Parallel()
	known := func(n int, misheard, timed bool) (words []scout.Word) {
		for k := range n {
			start := time.Duration(k*wordFrames) * time.Second / speechtest.RateHz
			end := start + wordFrames*time.Second/speechtest.RateHz
			w := scout.Word{Text: speechtest.Word(k)}
			if misheard && k == n-1 {
				w.Text = "nonsense"
			}
			if timed {
				w.Start, w.End = &start, &end
			}
			words = append(words, w)
		}
		return words
	}
	for _, c := range []struct {
		words           int
		beyond          int // frames of the context behind its last word
		misheard, timed bool
		follow          int // words behind it
		first, from     int // the first word that must come, and where the earliest request may begin at least
	}{
		{words: 0, follow: 8, beyond: 0, timed: true, first: 0},
		{words: 1, follow: 8, beyond: 0, timed: true, first: 1},
		{words: 10, follow: 8, beyond: 0, timed: true, first: 10},
		{words: 10, follow: 8, beyond: 0, first: 10},
		{words: 10, follow: 8, beyond: wordFrames / 3, timed: true, first: 10},
		{words: 10, follow: 8, beyond: 0, misheard: true, timed: true, first: 10},
		{words: 50, follow: 8, beyond: 0, timed: true, first: 50, from: 50*wordFrames - 14*speechtest.RateHz},
		{words: 10, follow: 60, timed: true, first: 10},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			t.Parallel()
			heard, all := &longestHeard{}, c.words+c.follow
			var text string
			var said []scout.Word
			live, err := speech.NewLive(observe.Scope{}, observe.NewFailures(observe.Scope{}), heard, speech.LiveOptions{
				Recorded:  onDisk(all * wordFrames),
				Context:   speech.Context{Frames: int64(c.words*wordFrames + c.beyond), Words: known(c.words, c.misheard, c.timed)},
				Committed: func(l speech.LiveCommitted) { text, said = text+l.Text, append(said, l.Words...) },
			})
			if err != nil {
				t.Fatal(err)
			}
			live.Write(0, tapeOf(all*wordFrames))
			live.End(int64(all * wordFrames))
			if _, err := live.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			if want := speechtest.Script(c.first, all); text != want {
				t.Errorf("%q, want %q", text, want)
			}
			if again := heard.first < c.words*wordFrames; again != (c.words > 0 && c.follow*wordFrames < 4*speechtest.RateHz) || heard.first < c.from || heard.samples > 30*speechtest.RateHz {
				t.Errorf("it was heard from frame %d on, at most %d at once", heard.first, heard.samples)
			}
			for _, w := range said {
				if w.Start != nil && *w.Start < time.Duration(c.words*wordFrames)*time.Second/speechtest.RateHz {
					t.Errorf("%s begins at %v, in the context", w.Text, *w.Start)
				}
			}
			if strings.HasPrefix(text, " ") {
				t.Error("the text begins with a space")
			}
		})
	}
}
