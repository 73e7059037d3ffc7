package speech_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/align"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// windowed is the trait of a model for which a long piece costs too much to hear it again and again.
func windowed() speech.Trait {
	cut := segment.Defaults()
	cut.Min, cut.Max, cut.Tail = 12*time.Second, 20*time.Second, 6*time.Second
	ends := speech.DefaultEnds()
	ends.Longest, ends.Rest = 9*time.Second, 28*time.Second
	return speech.Trait{LiveCut: &cut, Window: speech.Window{Least: 6 * time.Second, Most: 12 * time.Second}, Ends: ends, Rechecks: true}
}

// TestLiveWindowsEveryWordOnce is TestLiveEveryWordOnce for peeks that hear windows.
func TestLiveWindowsEveryWordOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		frames := rapid.SampledFrom([]int{0, 12, 25, 35}).Draw(t, "seconds")*rate + rapid.IntRange(1, 2*rate).Draw(t, "frames")
		timed := rapid.Bool().Draw(t, "timed")
		cost := time.Duration(rapid.SampledFrom([]int{20, 100, 700, 4000}).Draw(t, "cost")) * time.Millisecond
		pause := rapid.SampledFrom([]pauses{{}, {10, 1}, {16, 2}, {25, 1}, {25, 5}}).Draw(t, "pauses")
		p := &page{t: t}
		l := newLive(t, &listener{timed: timed, mute: pause.mute}, p.options(speech.LiveOptions{Recorded: onDisk(frames), Trait: windowed()}))
		sim := &speech.Simulation{
			Samples: pause.tapeOf(frames), StopAt: time.Duration(frames) * time.Second / rate, Block: 20 * time.Millisecond, Cost: func() time.Duration { return cost },
		}
		final, _, err := l.Simulate(context.Background(), sim)
		if err != nil {
			t.Fatalf("%v", err)
		}
		if got, _, _ := strings.Cut(p.text, fmt.Sprintf("garbled%d", frames/wordFrames)); strings.TrimSpace(got) != pause.script(frames/wordFrames) {
			t.Fatalf("heard %q\nwant  %q", p.text, pause.script(frames/wordFrames))
		}
		if p.partial != "" || p.through != final.Duration {
			t.Fatalf("at the end %q is partial, text through %v of %v", p.partial, p.through, final.Duration)
		}
	})
}

// TestLiveWindowsAreBounded dictates a minute to a model that takes long for a second of audio. No decode hears more than a window, all
// of them take their share of a slot at most, words are committed in time, and the stop decodes the last seconds.
func TestLiveWindowsAreBounded(t *testing.T) {
	t.Parallel()
	for _, perSecond := range []time.Duration{5 * time.Millisecond, 30 * time.Millisecond, 45 * time.Millisecond} {
		for _, pause := range []pauses{{}, {12, 2}, {25, 5}} {
			t.Run(fmt.Sprintf("%v for a second, %v", perSecond, pause), func(t *testing.T) {
				t.Parallel()
				const said = 150 // words
				trait, most := windowed(), speech.DefaultRhythm().Share
				hears := &listener{timed: true, mute: pause.mute}
				last, peeks, after := 0, time.Duration(0), time.Duration(0)
				recognizer := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
					last = len(r.Samples)
					if heard := time.Duration(last) * time.Second / rate; heard > trait.Window.Most+20*time.Millisecond {
						t.Errorf("a decode hears %v", heard)
					} else if r.Class == schedule.Dictation {
						after += heard
					}
					return hears.Transcribe(ctx, r)
				})
				sim := &speech.Simulation{Samples: pause.tapeOf(said * wordFrames), StopAt: said * wordLength, Block: 20 * time.Millisecond}
				sim.Cost = func() time.Duration {
					cost := time.Duration(last) * perSecond / rate
					if last = 0; sim.Now() < sim.StopAt {
						peeks += cost
					}
					return cost
				}
				p := &page{t: t}
				o := p.options(speech.LiveOptions{Recorded: onDisk(len(sim.Samples)), Trait: trait})
				told, latest := o.Committed, time.Duration(0)
				o.Committed = func(c speech.LiveCommitted) {
					told(c)
					for _, w := range c.Words {
						latest = max(latest, sim.Now()-*w.End)
					}
				}
				if _, _, err := newLive(t, recognizer, o).Simulate(t.Context(), sim); err != nil {
					t.Fatal(err)
				}
				if got := strings.TrimSpace(p.text); got != pause.script(said) {
					t.Errorf("heard %q\nwant  %q", got, pause.script(said))
				}
				if share := peeks.Seconds() / sim.StopAt.Seconds(); share > most {
					t.Errorf("decodes took %.2f of a slot, at most %.2f is right", share, most)
				}
				if latest > 4*time.Second || after > trait.Ends.Longest {
					t.Errorf("the latest word was committed after %v, %v were decoded after the stop", latest, after)
				}
			})
		}
	}
}

// sleepwalker is a recognizer that places a word that follows a pause into the pause, as long as it has heard little of what comes
// after it.
type sleepwalker struct {
	hears speech.Recognizer
	until time.Duration // how much it must have heard behind the word
	early time.Duration // how far the word is from its place, at most into the pause
}

func (s *sleepwalker) Transcribe(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
	h, err := s.hears.Transcribe(ctx, r)
	if err != nil {
		return h, err
	}
	before, length := time.Duration(0), r.Audio()
	for i := range h.Words {
		w := &h.Words[i]
		end := *w.End
		if pause := *w.Start - before; pause > time.Second && length-end < s.until && end < length { // it is whole
			by := min(s.early, pause)
			start, end := *w.Start-by, *w.End-by
			w.Start, w.End = &start, &end
		}
		before = end
	}
	return h, nil
}

// TestLiveWordsThatMove dictates with pauses to a model that places words into them, and elsewhere when it has heard more: each word
// is in the text once, and those that are said twice are there twice.
func TestLiveWordsThatMove(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pause := rapid.SampledFrom([]pauses{{8, 4}, {12, 5}, {20, 8}, {30, 6}}).Draw(t, "pauses")
		again := rapid.SampledFrom([]int{1, 2, 3}).Draw(t, "each said so often")
		frames := rapid.IntRange(20, 80).Draw(t, "words") * wordFrames
		s := &sleepwalker{
			hears: &listener{timed: true, mute: pause.mute},
			until: time.Duration(rapid.IntRange(500, 3000).Draw(t, "until ms")) * time.Millisecond,
			early: time.Duration(rapid.IntRange(0, int(align.Moves.Milliseconds())).Draw(t, "early ms")) * time.Millisecond,
		}
		same := func(text string) string { // words of which `again` in a row are the same
			for k := frames / wordFrames; k >= 0; k-- {
				text = strings.ReplaceAll(text, speechtest.Word(k), fmt.Sprintf("v%dy", k/again))
			}
			return text
		}
		spelled := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
			h, err := s.Transcribe(ctx, r)
			if err == nil {
				for i := range h.Words {
					h.Words[i].Text = same(h.Words[i].Text)
				}
			}
			return h, err
		})
		sim := &speech.Simulation{
			Samples: pause.tapeOf(frames), StopAt: time.Duration(frames) * time.Second / rate, Block: 20 * time.Millisecond,
			Cost: func() time.Duration { return 60 * time.Millisecond },
		}
		text := ""
		l := newLive(t, spelled, speech.LiveOptions{Recorded: onDisk(frames), Trait: windowed(), Committed: func(c speech.LiveCommitted) { text += c.Text }})
		if _, _, err := l.Simulate(context.Background(), sim); err != nil {
			t.Fatalf("%v", err)
		}
		if got, want := strings.TrimSpace(text), same(pause.script(frames/wordFrames)); got != want {
			t.Fatalf("heard %q\nwant  %q", got, want)
		}
	})
}
