package capture

import (
	"slices"
	"sync"

	"github.com/scout-speech/scout"
)

// ledger holds the gaps of a recording in the order of position. The owner writes it, anybody reads it.
type ledger struct {
	mu   sync.Mutex
	gaps []scout.Gap
}

// begin empties the ledger for a new recording.
func (l *ledger) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gaps = nil
}

// note adds a gap behind the others. One that begins where the last one does is the same gap: it was open until
// now, and has its new length.
func (l *ledger) note(g scout.Gap) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.gaps); n > 0 && l.gaps[n-1].Start == g.Start {
		l.gaps[n-1] = g
		return
	}
	l.gaps = append(l.gaps, g)
}

// all returns a copy of the gaps.
func (l *ledger) all() []scout.Gap {
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
