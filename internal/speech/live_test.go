package speech_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// onDisk is a recording of a tape.
type onDisk int

func (n onDisk) ReadAt(ctx context.Context, dst []float32, at int64) (int, error) {
	for i := range dst {
		dst[i] = speechtest.SampleAt(int(at) + i)
	}
	return len(dst), ctx.Err()
}

func tapeOf(frames int) []float32 {
	samples := make([]float32, frames)
	for i := range samples {
		samples[i] = speechtest.SampleAt(i)
	}
	return samples
}

// pauses are stretches of a tape in which nothing is said: the last `length` words of every `every`. Zero means none.
type pauses struct{ every, length int }

func (p pauses) mute(k int) bool { return p.every > 0 && k%p.every >= p.every-p.length }

// tapeOf returns the beginning of the tape with these pauses.
func (p pauses) tapeOf(frames int) []float32 { return tapeWith(frames, p.mute) }

// tapeWith returns the beginning of the tape with soft words.
func tapeWith(frames int, soft func(k int) bool) []float32 {
	samples := tapeOf(frames)
	for i, level := range samples {
		switch {
		case !soft(i/wordFrames) || max(level, -level) < speechtest.Loud:
		case level < 0:
			samples[i] += speechtest.Loud
		default:
			samples[i] -= speechtest.Loud
		}
	}
	return samples
}

// script is what is said in the first n words of the tape.
func (p pauses) script(n int) string {
	var words []string
	for k := range n {
		if !p.mute(k) {
			words = append(words, speechtest.Word(k))
		}
	}
	return strings.Join(words, " ")
}

// page is a client that only appends, and checks the order of what it gets.
type page struct {
	t       interface{ Fatalf(string, ...any) }
	text    string
	partial string
	through time.Duration
	last    time.Duration // end of the last word
	states  []speech.LiveState
	at      []int // length of text at each state
	owed    []speech.LiveOwed
}

func (p *page) options(o speech.LiveOptions) speech.LiveOptions {
	o.Committed = func(c speech.LiveCommitted) {
		p.text += c.Text
		p.partial = ""
		if c.Through < p.through {
			p.t.Fatalf("committed through %v, was at %v", c.Through, p.through)
		}
		p.through = c.Through
		for _, w := range c.Words {
			if w.Start == nil {
				continue
			}
			if *w.Start < p.last || *w.End < *w.Start {
				p.t.Fatalf("word %q from %v to %v comes after one that ends at %v", w.Text, *w.Start, *w.End, p.last)
			}
			p.last = *w.End
		}
		p.states, p.at = append(p.states, c.State), append(p.at, len(p.text))
	}
	o.Partial = func(s speech.LivePartial) { p.partial = s.Text }
	o.Owed = func(s speech.LiveOwed) { p.owed = append(p.owed, s) }
	return o
}

func testScope() observe.Scope { return observe.NewScope(nil, prom.NewRegistry(), nil) }

func newLive(t interface{ Fatalf(string, ...any) }, r speech.Recognizer, o speech.LiveOptions) *speech.Live {
	scope := testScope()
	l, err := speech.NewLive(scope, observe.NewFailures(scope), r, o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return l
}

// TestLiveEveryWordOnce dictates tapes of any length, with any speed of the machine and any block: the text is that of
// the tape, and it was only ever appended to.
func TestLiveEveryWordOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		frames := rapid.SampledFrom([]int{0, 5, 12, 17, 26}).Draw(t, "seconds")*rate + rapid.IntRange(1, 2*rate).Draw(t, "frames")
		timed := rapid.Bool().Draw(t, "timed")
		cost := time.Duration(rapid.SampledFrom([]int{0, 20, 100, 700, 4000}).Draw(t, "cost")) * time.Millisecond
		block := time.Duration(rapid.SampledFrom([]int{5, 20, 100, 900}).Draw(t, "block")) * time.Millisecond
		pause := rapid.SampledFrom([]pauses{{}, {10, 1}, {16, 2}, {25, 1}, {25, 5}}).Draw(t, "pauses")
		p := &page{t: t}
		l := newLive(t, &listener{timed: timed, mute: pause.mute}, p.options(speech.LiveOptions{Recorded: onDisk(frames)}))
		length := time.Duration(frames) * time.Second / rate
		sim := &speech.Simulation{Samples: pause.tapeOf(frames), StopAt: length, Block: block, Cost: func() time.Duration { return cost }}
		final, _, err := l.Simulate(context.Background(), sim)
		if err != nil {
			t.Fatalf("%v", err)
		}
		want := pause.script(frames / wordFrames)
		if got, _, _ := strings.Cut(p.text, fmt.Sprintf("garbled%d", frames/wordFrames)); strings.TrimSpace(got) != want {
			t.Fatalf("heard %q\nwant  %q", p.text, want)
		}
		if p.partial != "" || p.through != final.Duration {
			t.Fatalf("at the end %q is partial, text through %v of %v", p.partial, p.through, final.Duration)
		}
	})
}

// TestLiveOverdue dictates to an engine that spells every word in another way each time: no two hypotheses agree, and
// words are committed in time nevertheless. Without the rule they wait for the end of their piece.
func TestLiveOverdue(t *testing.T) {
	t.Parallel()
	const length = 12 * time.Second
	for situation, c := range map[string]struct {
		overdue, latest time.Duration
		within          bool
	}{
		"a word is overdue after 2.5 s":    {speech.DefaultCommitRule().Overdue, 0, true},
		"never, but it may wait no longer": {0, speech.DefaultCommitRule().Latest, true},
		"never":                            {0, 0, false},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			hears, calls := &listener{timed: true}, 0
			flips := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
				h, err := hears.Transcribe(ctx, r)
				if calls++; err == nil && calls%2 == 0 {
					heard := *h
					heard.Words = slices.Clone(h.Words)
					texts := make([]string, len(heard.Words))
					for i := range heard.Words {
						heard.Words[i].Text += "x"
						texts[i] = heard.Words[i].Text
					}
					heard.Text = strings.Join(texts, " ")
					h = &heard
				}
				return h, err
			})
			rule := speech.DefaultCommitRule()
			rule.Overdue, rule.Latest = c.overdue, c.latest
			sim := &speech.Simulation{Samples: tapeOf(int(length.Seconds() * rate)), StopAt: length, Block: 20 * time.Millisecond, Cost: func() time.Duration { return 40 * time.Millisecond }}
			var longest time.Duration
			words := 0
			l := newLive(t, flips, speech.LiveOptions{Recorded: onDisk(len(sim.Samples)), Commit: rule, Committed: func(committed speech.LiveCommitted) {
				for _, w := range committed.Words {
					if words++; w.End != nil {
						longest = max(longest, sim.Now()-*w.End)
					}
				}
			}})
			if _, _, err := l.Simulate(t.Context(), sim); err != nil {
				t.Fatal(err)
			}
			if within := longest <= 4*time.Second; within != c.within || words == 0 {
				t.Errorf("%d words, the last was committed %v after its end", words, longest)
			}
		})
	}
}
