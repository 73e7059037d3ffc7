package speech

import (
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Rhythm says how often the open piece is decoded.
type Rhythm struct {
	// Step is the least new audio between two decodes.
	Step time.Duration
	// First replaces Step while no partial text is shown: who begins to speak waits for the first word.
	First time.Duration
	// Quiet replaces Step while nothing louder than the background is heard. It is not a threshold for speech: what is
	// quiet is decoded too, only less often.
	Quiet time.Duration
	// Share is how much of the time of a slot decoding may take, at most: a slower machine decodes less often.
	Share float64
	// Within is how much time may pass from the audio that a decode hears last to the text of the next one. It comes before Share. 0 is any
	// time for a model that hears windows, and mostWithin for another one.
	Within time.Duration
}

// mostWithin is Within in dictations: a decode that is doubted commits nothing, and the next one must come before words have waited for 4 s.
// Measured on machines 1, 3 and 6 times slower: docs/adr/0061-commit-rule.md.
const mostWithin = 1700 * time.Millisecond

// DefaultRhythm returns the rhythm that was measured best.
func DefaultRhythm() Rhythm {
	return Rhythm{Step: 250 * time.Millisecond, First: 100 * time.Millisecond, Quiet: time.Second, Share: 0.25}
}

// step is how much new audio the next peek needs.
func (g *growth) step() time.Duration {
	r := g.options.Rhythm
	step := r.Step
	if g.shown == "" && r.First > 0 {
		step = min(step, r.First)
	}
	if g.quiet() && (r.Within <= 0 || len(g.settling.pending) == 0) {
		step = max(step, r.Quiet)
	}
	if r.Share > 0 {
		open := segment.Duration(g.pos - g.next.First())
		if w := g.options.Trait.Window; g.options.Trait.windows() && open > w.Most {
			open = segment.Duration(g.pos - g.windowAt)
			if open > w.Most {
				open = w.Least + (w.Most-w.Least)/2 // the next one begins later
			}
		}
		takes := time.Duration(float64(g.cost)*open.Seconds()) * time.Duration(g.decodes())
		least := time.Duration(float64(takes) / r.Share)
		if within := g.within(); within > 0 { // no rarer than words may wait, as far as the engine can
			least = min(least, max(within-takes, takes))
		}
		step = max(step, least)
	}
	return step
}

// urgent reports whether words may wait no longer for a decode of the open piece, which has so much new audio.
func (g *growth) urgent(fresh time.Duration) bool {
	within := g.within()
	return within > 0 && fresh >= within
}

// within is that of the rhythm, with what it is where nothing was chosen.
func (g *growth) within() time.Duration {
	if w := g.options.Rhythm.Within; w > 0 || g.options.Trait.windows() {
		return w
	}
	return mostWithin
}

// decodes is how many decodes of the open piece the next peek takes, about.
func (g *growth) decodes() int {
	if g.careful {
		return 3 // all of it, its halves, and theirs
	}
	return 1
}

// quiet reports whether nothing louder than the background was heard lately.
func (g *growth) quiet() bool {
	const lately = scout.EngineSampleRateHz * 2 / 5
	from := g.pos - lately
	return from > g.next.Start && g.cutter.Loudest(from).Faint()
}
