package capture

import (
	"slices"
	"sync"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
)

// Gap is a stretch of the ring for which no audio exists: it holds silence. The writer of a recording knows where that
// is in the recording.
type Gap struct {
	Start  ring.Position
	Frames uint64 // length, never 0 once the gap is over
	Reason scout.GapReason
}

// End returns the position of the first frame after the gap.
func (g Gap) End() ring.Position { return g.Start.Add(g.Frames) }

// ledger holds the gaps of a recording in the order of position. The owner writes it, any goroutine reads it.
type ledger struct {
	mu   sync.Mutex
	gaps []Gap
}

// begin empties the ledger for a new recording.
func (l *ledger) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gaps = nil
}

// note appends a gap. A gap that begins where the last one does is the same gap, which was open until now and has its
// new length.
func (l *ledger) note(g Gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.gaps); n > 0 && l.gaps[n-1].Start == g.Start {
		l.gaps[n-1] = g
		return
	}
	l.gaps = append(l.gaps, g)
}

// all returns a copy of the gaps.
func (l *ledger) all() []Gap {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.gaps)
}

// count is how many gaps there are.
func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.gaps)
}
