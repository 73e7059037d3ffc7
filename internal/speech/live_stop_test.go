package speech_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/speech"
)

// TestLiveStopIsBounded stops dictations of any length, inside a word and after the last one. What is decoded after the stop, and
// so the time until the text is there, does not grow with the length. After silence it is nothing at all: the text was made
// ready when the silence began. In a room that is not silent, the end is decoded: somebody may speak softly there.
func TestLiveStopIsBounded(t *testing.T) {
	t.Parallel()
	const perSecond = 20 * time.Millisecond
	for situation, c := range map[string]struct {
		silence time.Duration // behind the last word
		digital bool          // it has no sound at all
		most    float64       // seconds of audio that are decoded after the stop
		late    time.Duration
	}{
		"inside a word":                     {-wordLength / 2, false, 6, 125 * time.Millisecond},
		"after the last word":               {0, false, 6, 125 * time.Millisecond},
		"0.3 s after the last word":         {300 * time.Millisecond, false, 6, 125 * time.Millisecond},
		"1 s after the last word":           {time.Second, false, 6, 125 * time.Millisecond},
		"0.3 s of silence behind the words": {300 * time.Millisecond, true, 0, 0},
		"1 s of silence behind the words":   {time.Second, true, 0, 0},
	} {
		for _, length := range []time.Duration{2 * time.Second, 5 * time.Second, 8 * time.Second, 10 * time.Second, 13 * time.Second, 14600 * time.Millisecond, 27 * time.Second, time.Minute} {
			t.Run(fmt.Sprintf("%s, %v", situation, length), func(t *testing.T) {
				t.Parallel()
				said := int(length / wordLength)
				mute := func(k int) bool { return k >= said }
				stopped, after, last := false, 0.0, 0
				hears := &listener{timed: true, mute: mute}
				recognizer := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
					if last = len(r.Samples); r.Class == schedule.Dictation {
						stopped = true
						after += float64(last) / rate
					}
					return hears.Transcribe(ctx, r)
				})
				sim := &speech.Simulation{
					Samples: (pauses{said + 100, 100}).tapeOf((said + 5) * wordFrames), StopAt: time.Duration(said)*wordLength + c.silence, Block: 20 * time.Millisecond,
					Cost: func() time.Duration {
						cost := time.Duration(last) * perSecond / rate
						last = 0
						return cost
					},
				}
				if c.digital {
					clear(sim.Samples[said*wordFrames:])
				}
				p := &page{t: t}
				_, late, err := newLive(t, recognizer, p.options(speech.LiveOptions{Recorded: onDisk(len(sim.Samples))})).Simulate(t.Context(), sim)
				if err != nil {
					t.Fatal(err)
				}
				if after > c.most || stopped && c.most == 0 || late > c.late {
					t.Errorf("%.1f s were decoded after the stop, and the text was there %v after it", after, late)
				}
				want := script(said)
				if c.silence < 0 {
					want = script(said-1) + fmt.Sprintf(" garbled%d", said-1)
				}
				if got := strings.TrimSpace(p.text); got != want {
					t.Errorf("heard %q\nwant  %q", got, want)
				}
			})
		}
	}
}

// TestLiveStopTriesASecondEnd uses a model that finds nothing in the end of a dictation, or repeats itself there. A longer
// end is decoded then, not all of the piece. With two lanes both are decoded at once, and the longer one is called off where the
// first one fits.
func TestLiveStopTriesASecondEnd(t *testing.T) {
	t.Parallel()
	const firstMost = 5 * rate // frames
	for reason, lost := range map[string]*scout.Hypothesis{
		"nothing":      {Stop: scout.StopEnd, EndLogProb: new(-0.3)},
		"a loop":       {Stop: scout.StopRepeats, Text: strings.Repeat("we know ", 40)},
		"all of it":    nil,
		"a broken one": {},
	} {
		for _, length := range []time.Duration{10 * time.Second, 13 * time.Second, time.Minute} {
			for _, lanes := range []int{1, 2} {
				t.Run(fmt.Sprintf("%s, %v, lanes: %d", reason, length, lanes), func(t *testing.T) {
					t.Parallel()
					said := int(length / wordLength)
					var mu sync.Mutex
					var ends []int // lengths in frames
					calledOff := false
					hears := &listener{timed: true, mute: func(k int) bool { return k >= said }}
					recognizer := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
						if r.Class != schedule.Dictation {
							return hears.Transcribe(ctx, r)
						}
						mu.Lock()
						ends = append(ends, len(r.Samples))
						mu.Unlock()
						switch short := len(r.Samples) < firstMost; {
						case lost == nil && lanes > 1 && !short: // the first one has all, so nobody asks for this one
							<-ctx.Done()
							mu.Lock()
							calledOff = true
							mu.Unlock()
							return nil, context.Cause(ctx)
						case short && reason == "a broken one":
							return nil, scout.Errorf(scout.CodeEngineFailed, "the graph does not run")
						case short && lost != nil:
							return lost, nil
						}
						return hears.Transcribe(ctx, r)
					})
					sim := &speech.Simulation{
						Samples: (pauses{said + 100, 100}).tapeOf((said + 5) * wordFrames), StopAt: time.Duration(said) * wordLength, Block: 20 * time.Millisecond,
						Cost: func() time.Duration { return 30 * time.Millisecond },
					}
					p := &page{t: t}
					if _, _, err := newLive(t, recognizer, p.options(speech.LiveOptions{Recorded: onDisk(len(sim.Samples)), Lanes: lanes})).Simulate(t.Context(), sim); err != nil {
						t.Fatal(err)
					}
					if got := strings.TrimSpace(p.text); got != script(said) {
						t.Errorf("heard %q\nwant  %q", got, script(said))
					}
					slices.Sort(ends)
					want := 2
					if lost == nil && lanes == 1 {
						want = 1
					}
					if len(ends) != want || ends[0] >= firstMost || ends[want-1] > 15*rate/2 || calledOff != (lost == nil && lanes > 1) {
						t.Errorf("decoded after the stop: %v frames, want %d ends; called off: %v", ends, want, calledOff)
					}
				})
			}
		}
	}
}

// TestAPanicInASecondEndIsOurs panics while an end is decoded beside another one. The panic ends where panics of the dictation
// end, and not the process.
func TestAPanicInASecondEndIsOurs(t *testing.T) {
	t.Parallel()
	said := int(10 * time.Second / wordLength)
	hears := &listener{timed: true, mute: func(k int) bool { return k >= said }}
	recognizer := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
		if r.Class == schedule.Dictation {
			panic("a fault of ours")
		}
		return hears.Transcribe(ctx, r)
	})
	sim := &speech.Simulation{
		Samples: (pauses{said + 100, 100}).tapeOf((said + 5) * wordFrames), StopAt: time.Duration(said) * wordLength, Block: 20 * time.Millisecond,
		Cost: func() time.Duration { return 30 * time.Millisecond },
	}
	defer func() {
		if got := recover(); got != "a fault of ours" {
			t.Errorf("recovered %v", got)
		}
	}()
	_, _, _ = newLive(t, recognizer, (&page{t: t}).options(speech.LiveOptions{Recorded: onDisk(len(sim.Samples)), Lanes: 2})).Simulate(t.Context(), sim)
}

// wordLength is how long a word of a tape is.
const wordLength = wordFrames * time.Second / rate
