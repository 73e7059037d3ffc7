package daemon

import (
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
)

// A second model is loaded for a dictation only where it fits beside what runs.
func TestRoomForASecondModel(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	loaded := []recognize.Model{{State: engine.State{Running: true, ExpectBytes: 120 * mb}}}
	for situation, c := range map[string]struct {
		limit        int // in MB, 0 for auto
		machine      uint64
		used, expect uint64
		fits         bool
	}{
		"auto, on a large machine":       {0, 16_000 * mb, 180 * mb, 180 * mb, true},
		"auto, in a small control group": {0, 600 * mb, 180 * mb, 180 * mb, false},
		"auto, the machine is not known": {0, 0, 180 * mb, 180 * mb, true},
		"a limit that leaves room":       {400, 16_000 * mb, 180 * mb, 180 * mb, true},
		"a limit that leaves none":       {300, 16_000 * mb, 180 * mb, 180 * mb, false},
	} {
		s := newStrain(observe.Scope{}, time.Now)
		s.limits = func() (memoryMB, processorPercent int) { return c.limit, 80 }
		s.machine, s.last = c.machine, measured{memory: c.used, engines: loaded}
		if err := s.room(c.expect); (err == nil) != c.fits || err != nil && scout.CodeOf(err) != scout.CodeOutOfMemory {
			t.Errorf("%s: %v", situation, err)
		}
	}
}
