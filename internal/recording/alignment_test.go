package recording

import (
	"math"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
)

func TestAlignmentConvertsBothWays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ring      ring.Position
		recording scout.Position
	}{
		"both begin together":                  {0, 0},
		"the ring has heard more":              {5000, 0},
		"the recording is older than the ring": {0, 5000},
		"neither is new":                       {480, 16_000},
		"a very long recording":                {10, math.MaxInt64 - 1000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := align(c.ring, c.recording)
			for _, later := range []uint64{0, 1, 100} {
				inRing, inRecording := c.ring.Add(later), c.recording.Add(later)
				if a.ring(inRecording) != inRing || a.recording(inRing) != inRecording {
					t.Errorf("%d frames later: ring %d, recording %d, want %d and %d", later, a.ring(inRecording), a.recording(inRing), inRing, inRecording)
				}
			}
		})
	}
}

// Frames from before the beginning of the recording are not part of it. Their position must not wrap around to a value near 2^64.
func TestAlignmentClampsFramesBeforeTheBeginning(t *testing.T) {
	t.Parallel()
	if at := align(5000, 0).recording(4000); at != 0 {
		t.Errorf("position %d, want 0", at)
	}
	if at := align(5000, 100).recording(4950); at != 50 {
		t.Errorf("position %d, want 50: heard before the ring's frame 5000, but within the recording", at)
	}
}
