package capture

import (
	"math"
	"time"
)

// Time constants of the timeline.
const (
	// anchorStep is the width of a slot in which the promptest block counts.
	anchorStep = time.Second
	// anchorSlots slots make the memory of what was prompt: long enough to see through a busy
	// machine, short enough that a device clock off by 0.1 % moves it by only 10 ms.
	anchorSlots = 10
	// deficitSlots is for how long every block must be late before frames count as missing.
	deficitSlots = 3
	// deficitLimit is how late: less is a change of the path's delay.
	deficitLimit = 80 * time.Millisecond
	// driftAfter is how long a stretch must be before its drift means anything.
	driftAfter = 30 * time.Second
)

// timeline relates positions in the ring to time. A block that comes at time t and ends at position p
// says that the device's zero was at p - rate*t or later: blocks come late, never early. The promptest
// block of the last seconds is therefore the best witness (Paxson, "On Calibrating Measurements of
// Packet Transit Times", SIGMETRICS 1998, takes the minimum of one-way delays for the same reason).
//
// Times are durations since one epoch, monotonic. Positions are ring frames. It is pure arithmetic.
type timeline struct {
	rate  float64 // ring frames for each second
	slots [anchorSlots]slot
	first slot // the first whole slot of a stretch: where drift is measured from
	begun bool
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

func newTimeline(rateHz int) timeline { return timeline{rate: float64(rateHz)} }

// observe notes that frames up to position were there at time at.
func (l *timeline) observe(position uint64, at time.Duration) {
	zero := float64(position) - l.rate*at.Seconds()
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

// known is true once a block was observed.
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

// zeroOf is the zero by the slots with the newest numbers, of which there are count.
func (l *timeline) zeroOf(count int64) (float64, bool) {
	newest, found := l.newest()
	zero := math.Inf(-1)
	for _, s := range l.slots {
		if s.used && s.number > newest-count {
			zero = max(zero, s.zero)
		}
	}
	return zero, found
}

// expected is the position that a device without loss has reached at time at; 0 where nothing is
// known yet.
func (l *timeline) expected(at time.Duration) uint64 {
	zero, ok := l.zeroOf(anchorSlots)
	if !ok {
		return 0
	}
	return uint64(max(zero+l.rate*at.Seconds(), 0))
}

// deficit is the number of frames that are missing since every block of the last deficitSlots
// seconds was late by them, compared with the rest of the stretch; 0 as long as that may be chance.
// The first second of a stretch is not compared with: a stream may begin with what its source had
// waiting.
func (l *timeline) deficit() uint64 {
	newest, found := l.newest()
	if !found || !l.begun {
		return 0
	}
	long, short := math.Inf(-1), math.Inf(-1)
	recent := 0
	for _, s := range l.slots {
		switch {
		case !s.used || s.number <= newest-anchorSlots || s.number < l.first.number:
		case s.number > newest-deficitSlots:
			short = max(short, s.zero)
			recent++
		default:
			long = max(long, s.zero)
		}
	}
	if recent < deficitSlots || long-short < l.rate*deficitLimit.Seconds() {
		return 0
	}
	return uint64(math.Round(long - short))
}

// filled notes that so many frames were put in the place of a deficit: what came since was not late.
func (l *timeline) filled(frames uint64) {
	newest, _ := l.newest()
	for i := range l.slots {
		if s := &l.slots[i]; s.used && s.number > newest-deficitSlots {
			s.zero += float64(frames)
		}
	}
	l.endStretch()
}

// endStretch ends the measuring of drift and deficit at a gap: across it the clock is not the
// device's. The next block begins a new stretch; what was prompt before stays known.
func (l *timeline) endStretch() {
	if frames, seconds, ok := l.stretch(); ok {
		l.driftFrames += frames
		l.driftSeconds += seconds
	}
	l.begun = false
}

// stretch is the drift since the stretch began.
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

// drift is how much faster (positive) or slower the device's clock runs than the machine's, in parts
// per million; false where the stretches were too short to tell.
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
