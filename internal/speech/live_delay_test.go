package speech_test

import (
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/speech"
)

// How late words are is counted: all of them, and later ones where the machine is slow.
func TestLiveDelayOfWords(t *testing.T) {
	t.Parallel()
	const frames = 26 * rate
	mean := func(cost time.Duration) float64 {
		registry := prom.NewRegistry()
		scope := observe.NewScope(nil, registry, nil)
		live, err := speech.NewLive(scope, observe.NewFailures(scope), &listener{timed: true}, (&page{t: t}).options(speech.LiveOptions{Recorded: onDisk(frames)}))
		if err != nil {
			t.Fatal(err)
		}
		sim := &speech.Simulation{Samples: tapeOf(frames), StopAt: 26 * time.Second, Block: 20 * time.Millisecond, Cost: func() time.Duration { return cost }}
		if _, _, err := live.Simulate(t.Context(), sim); err != nil {
			t.Fatal(err)
		}
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, family := range families {
			if family.GetName() == "scout_live_word_delay_seconds" {
				h := family.GetMetric()[0].GetHistogram()
				if h.GetSampleCount() != frames/wordFrames {
					t.Errorf("%d words were counted, want %d", h.GetSampleCount(), frames/wordFrames)
				}
				return h.GetSampleSum() / float64(h.GetSampleCount())
			}
		}
		t.Fatal("nothing was counted")
		return 0
	}
	fast, slow := mean(10*time.Millisecond), mean(4*time.Second)
	if fast <= 0 || fast > 4 || slow < fast+1 {
		t.Errorf("words were %.2f s late, and %.2f s on a slow machine", fast, slow)
	}
}
