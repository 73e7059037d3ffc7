package capture

import (
	"math"
	"slices"
	"time"

	"github.com/scout-speech/scout/internal/audio/ring"
)

// Time constants of the timeline.
const (
	// anchorStep is the width of a slot in which the promptest block counts.
	anchorStep = time.Second
	// anchorSlots is the number of slots in the memory of prompt blocks: long enough to average over a busy machine,
	// short enough that a device clock off by 0.1 % moves the result by only 10 ms.
	anchorSlots = 10
	// deficitSlots is for how long every block must be late before frames count as missing.
	deficitSlots = 3
	// deficitAgainst slots of the stretch must be known before those.
	deficitAgainst = 3
	// deficitLimit is by how much they must be late: less is a change of the path's delay.
	deficitLimit = 80 * time.Millisecond
	// fastestClock is how much faster than the machine's a device's clock may run.
	fastestClock = 0.005
	// driftAfter is how long a stretch must be before its drift means anything.
	driftAfter = 30 * time.Second
)

// timeline relates positions in the ring to time. A block that comes at time t and ends at position p puts the device's
// zero at p - rate*t. Blocks come late, so the promptest of a second is the best measurement (Paxson, "On Calibrating
// Measurements of Packet Transit Times", SIGMETRICS 1998, takes the minimum of one-way delays for the same reason).
// Sometimes they come early, too: the monitor of an output delivers audio that is rendered ahead, up to two seconds of
// it when the output's latency changes. So no frame is older than the opening of its device, and of several seconds the
// median counts.
//
// Times are durations since one epoch, monotonic. Positions are ring frames. It is pure arithmetic.
type timeline struct {
	rate  float64 // ring frames for each second
	slots [anchorSlots]slot
	first slot // the first whole slot of a stretch: where drift is measured from
	begun bool
	limit float64       // no zero can be later; see heardSince
	since time.Duration // when the limit was set
	// drift summed over ended stretches
	driftFrames  float64
	driftSeconds float64
}

// slot is the promptest block within anchorStep.
type slot struct {
	number int64 // time divided by anchorStep
	zero   float64
	at     time.Duration
	used   bool
}

func newTimeline(rateHz int) timeline { return timeline{rate: float64(rateHz), limit: math.Inf(1)} }

// heardSince records that frames after position were not captured before at.
func (l *timeline) heardSince(position ring.Position, at time.Duration) {
	l.limit, l.since = float64(position)-l.rate*at.Seconds(), at
}

// observe records that frames up to position were there at time at.
func (l *timeline) observe(position ring.Position, at time.Duration) {
	clock := fastestClock * l.rate * max(at-l.since, 0).Seconds()
	zero := min(float64(position)-l.rate*at.Seconds(), l.limit+clock)
	number := int64(at / anchorStep)
	s := &l.slots[number%anchorSlots]
	if !s.used || s.number != number {
		*s = slot{number: number, zero: zero, at: at, used: true}
	} else if zero > s.zero {
		s.zero, s.at = zero, at
	}
	if !l.begun {
		l.begun = true
		l.first = slot{number: number + 1} // the first slot may hold but one late block
	} else if l.first.number == number {
		l.first = *s
	}
}

// known reports whether a block was observed.
func (l *timeline) known() bool { _, found := l.newest(); return found }

// newest returns the latest slot's number, and false without any.
func (l *timeline) newest() (int64, bool) {
	var number int64
	found := false
	for _, s := range l.slots {
		if s.used && (!found || s.number > number) {
			number, found = s.number, true
		}
	}
	return number, found
}

// zero returns the device's zero from all slots.
func (l *timeline) zero() (float64, bool) {
	newest, found := l.newest()
	return l.median(newest-anchorSlots, newest), found
}

// median returns the lower median of the slots with numbers above after, up to last; minus infinity if there are none.
func (l *timeline) median(after, last int64) float64 {
	var zeros [anchorSlots]float64
	n := 0
	for _, s := range l.slots {
		if s.used && s.number > after && s.number <= last {
			zeros[n] = s.zero
			n++
		}
	}
	if n == 0 {
		return math.Inf(-1)
	}
	slices.Sort(zeros[:n])
	return zeros[(n-1)/2]
}

// expected returns the position that a device without loss has reached at time at; 0 if nothing is known yet.
func (l *timeline) expected(at time.Duration) ring.Position {
	zero, ok := l.zero()
	if !ok {
		return 0
	}
	return ring.Position(max(zero+l.rate*at.Seconds(), 0))
}

// captured returns when the frame at a position was captured; false if nothing is known yet.
func (l *timeline) captured(position ring.Position) (at time.Duration, known bool) {
	zero, known := l.zero()
	if !known {
		return 0, false
	}
	return time.Duration((float64(position) - zero) / l.rate * float64(time.Second)), true
}

// deficit returns the number of frames by which every block of the last deficitSlots seconds was late, compared with
// the rest of the stretch; 0 as long as that may be chance. The first second of a stretch does not count: a stream may
// begin with frames that its source had waiting.
func (l *timeline) deficit() uint64 {
	newest, found := l.newest()
	if !found || !l.begun {
		return 0
	}
	short := math.Inf(-1)
	recent, before := 0, 0
	for _, s := range l.slots {
		switch {
		case !s.used || s.number <= newest-anchorSlots || s.number < l.first.number:
		case s.number > newest-deficitSlots:
			short = max(short, s.zero)
			recent++
		default:
			before++
		}
	}
	if recent < deficitSlots || before < deficitAgainst {
		return 0
	}
	missing := l.median(max(newest-anchorSlots, l.first.number-1), newest-deficitSlots) - short
	if missing < l.rate*deficitLimit.Seconds() {
		return 0
	}
	return uint64(math.Round(missing))
}

// filled records that frames were put in the place of a deficit: blocks since then were not late.
func (l *timeline) filled(frames uint64) {
	newest, _ := l.newest()
	for i := range l.slots {
		if s := &l.slots[i]; s.used && s.number > newest-deficitSlots {
			s.zero += float64(frames)
		}
	}
	l.endStretch()
}

// endStretch ends the measuring of drift and deficit at a gap, because the device's clock does not count across it. The
// next block begins a new stretch; the known prompt blocks are kept.
func (l *timeline) endStretch() {
	if frames, seconds, ok := l.stretch(); ok {
		l.driftFrames += frames
		l.driftSeconds += seconds
	}
	l.begun = false
}

// stretch returns the drift since the stretch began.
func (l *timeline) stretch() (frames, seconds float64, ok bool) {
	if !l.begun || !l.first.used {
		return 0, 0, false
	}
	newest, _ := l.newest()
	var last slot
	for _, s := range l.slots { // the newest slot is not complete: the one before it
		if s.used && s.number == newest-1 {
			last = s
		}
	}
	seconds = (last.at - l.first.at).Seconds()
	if !last.used || seconds < driftAfter.Seconds() {
		return 0, 0, false
	}
	return last.zero - l.first.zero, seconds, true
}

// drift returns how much faster (positive) or slower the device's clock runs than the machine's, in parts per million;
// false if the stretches were too short to tell.
func (l *timeline) drift() (ppm float64, ok bool) {
	frames, seconds := l.driftFrames, l.driftSeconds
	if f, s, ok := l.stretch(); ok {
		frames, seconds = frames+f, seconds+s
	}
	if seconds == 0 {
		return 0, false
	}
	return frames / (l.rate * seconds) * 1e6, true
}
