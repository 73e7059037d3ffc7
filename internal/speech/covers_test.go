package speech

import (
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// However little is left behind a hypothesis, it does not cover the piece if there is sound in it.
func TestAHypothesisCoversSilenceOnly(t *testing.T) {
	t.Parallel()
	const length, ms = 2 * scout.EngineSampleRateHz, scout.EngineSampleRateHz / 1000
	for _, left := range []int{0, 1, 5 * ms, 10 * ms, 19 * ms, 25 * ms, 300 * ms} {
		for _, loud := range []bool{false, true} {
			samples := make([]float32, length)
			for i := range samples {
				if i < length/2 || loud && i >= length-left {
					samples[i] = 0.1 * float32(1-2*(i/20%2))
				}
			}
			h := hypothesis{to: int64(length - left)}
			if covers := h.covers(segment.Piece{Samples: samples}); covers != (left == 0 || !loud) {
				t.Errorf("%d frames are left, sound in them: %t; it covers the piece: %t", left, loud, covers)
			}
		}
	}
}
