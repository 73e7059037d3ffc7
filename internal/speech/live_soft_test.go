package speech_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// TestLiveSoftSpeech dictates to somebody who speaks on as softly as others pause: farther from the microphone, or another
// person. Only the decoder can tell that from a pause, so every word is in the text, whenever the stop comes.
func TestLiveSoftSpeech(t *testing.T) {
	t.Parallel()
	const loudWords, pause = 8, 2
	for _, softly := range []int{1, 2, 3, 6, 12, 30} { // words that are said softly
		for _, behind := range []time.Duration{-wordLength / 2, 0, 100 * time.Millisecond, 300 * time.Millisecond, time.Second} {
			t.Run(fmt.Sprintf("%d words, stop %v behind", softly, behind), func(t *testing.T) {
				t.Parallel()
				said := loudWords + pause + softly
				mute := func(k int) bool { return k >= loudWords && k < loudWords+pause || k >= said }
				sim := &speech.Simulation{
					Samples: (pauses{said + 100, 100 + said - loudWords}).tapeOf((said + 5) * wordFrames),
					StopAt:  time.Duration(said)*wordLength + behind, Block: 20 * time.Millisecond,
					Cost: func() time.Duration { return 30 * time.Millisecond },
				}
				p := &page{t: t}
				if _, _, err := newLive(t, &listener{timed: true, mute: mute}, p.options(speech.LiveOptions{Recorded: onDisk(len(sim.Samples))})).Simulate(t.Context(), sim); err != nil {
					t.Fatal(err)
				}
				var want []string
				for k := range said {
					switch {
					case mute(k):
					case k == said-1 && behind < 0:
						want = append(want, fmt.Sprintf("garbled%d", k))
					default:
						want = append(want, speechtest.Word(k))
					}
				}
				if got := strings.TrimSpace(p.text); got != strings.Join(want, " ") {
					t.Errorf("heard %q\nwant  %q", got, strings.Join(want, " "))
				}
			})
		}
	}
}
