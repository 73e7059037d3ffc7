package speech_test

import (
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/speech"
)

// TestLiveMonologue dictates two minutes without a pause: every word is in the text once. On a machine that keeps up, a word whose time
// the model tells is committed at most 4 s after it began, and the stop leaves only the tail.
func TestLiveMonologue(t *testing.T) {
	t.Parallel()
	const length = 2 * time.Minute
	const frames = int(length/time.Second) * rate
	for situation, c := range map[string]struct {
		timed   bool
		cost    time.Duration // of a decode
		keepsUp bool
	}{
		"words have times":            {true, 20 * time.Millisecond, true},
		"a slower machine":            {true, 100 * time.Millisecond, true},
		"words have no times":         {false, 20 * time.Millisecond, false},
		"the machine is slow":         {true, 300 * time.Millisecond, false},
		"the machine is too slow":     {true, 4 * time.Second, false},
		"so, and words have no times": {false, 4 * time.Second, false},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			p := &page{t: t}
			sim := &speech.Simulation{Samples: tapeOf(frames), StopAt: length, Block: 20 * time.Millisecond, Cost: func() time.Duration { return c.cost }}
			options := p.options(speech.LiveOptions{Recorded: onDisk(frames)})
			var longest time.Duration
			note := options.Committed
			options.Committed = func(committed speech.LiveCommitted) {
				if before := p.through; sim.Now() <= length && committed.Through > before {
					longest = max(longest, sim.Now()-before)
				}
				note(committed)
			}
			_, late, err := newLive(t, &listener{timed: c.timed}, options).Simulate(t.Context(), sim)
			if err != nil {
				t.Fatal(err)
			}
			if want := (pauses{}).script(frames / wordFrames); strings.TrimSpace(p.text) != want {
				t.Errorf("heard %q\nwant  %q", p.text, want)
			}
			if c.keepsUp && (longest == 0 || longest > 4*time.Second || late > time.Second/2) {
				t.Errorf("a word waited %s, the text was complete %s after the stop", longest, late)
			}
		})
	}
}
