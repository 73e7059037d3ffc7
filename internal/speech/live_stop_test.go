package speech_test

import (
	"context"
	"fmt"
	"strings"
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
// end is decoded then, not all of the piece.
func TestLiveStopTriesASecondEnd(t *testing.T) {
	t.Parallel()
	for reason, lost := range map[string]*scout.Hypothesis{
		"nothing": {Stop: scout.StopEnd, EndLogProb: new(-0.3)},
		"a loop":  {Stop: scout.StopRepeats, Text: strings.Repeat("we know ", 40)},
	} {
		for _, length := range []time.Duration{10 * time.Second, 13 * time.Second, time.Minute} {
			t.Run(fmt.Sprintf("%s, %v", reason, length), func(t *testing.T) {
				t.Parallel()
				said := int(length / wordLength)
				var ends []int // lengths in frames
				hears := &listener{timed: true, mute: func(k int) bool { return k >= said }}
				recognizer := recognizerFunc(func(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
					if r.Class == schedule.Dictation {
						if ends = append(ends, len(r.Samples)); len(ends) == 1 {
							return lost, nil
						}
					}
					return hears.Transcribe(ctx, r)
				})
				sim := &speech.Simulation{
					Samples: (pauses{said + 100, 100}).tapeOf((said + 5) * wordFrames), StopAt: time.Duration(said) * wordLength, Block: 20 * time.Millisecond,
					Cost: func() time.Duration { return 30 * time.Millisecond },
				}
				p := &page{t: t}
				if _, _, err := newLive(t, recognizer, p.options(speech.LiveOptions{Recorded: onDisk(len(sim.Samples))})).Simulate(t.Context(), sim); err != nil {
					t.Fatal(err)
				}
				if got := strings.TrimSpace(p.text); got != script(said) {
					t.Errorf("heard %q\nwant  %q", got, script(said))
				}
				if len(ends) != 2 || ends[1] <= ends[0] || ends[1] > 15*rate/2 {
					t.Errorf("decoded after the stop: %v frames", ends)
				}
			})
		}
	}
}

// wordLength is how long a word of a tape is.
const wordLength = wordFrames * time.Second / rate
