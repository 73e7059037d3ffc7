package capture

import (
	"math"
	"slices"
	"time"

	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture/sound"
)

// Time constants of catching up; docs/adr/0022-gap-policy.md explains them.
const (
	// leastLost is the smallest loss that counts after this program stood still. The sound system drops whole periods, of 20 ms.
	leastLost = 15 * time.Millisecond
	// promptFor is for how long blocks must come, none of them more promptly than those before it, until the rest counts as lost.
	promptFor = 500 * time.Millisecond
	// samePrompt is how much more promptly a block must come to count as that.
	samePrompt = 5 * time.Millisecond
	// nearlyPrompt is how late a block may be that counts as the end of what the sound system had kept.
	nearlyPrompt = 30 * time.Millisecond
)

// catchUp is the time after this program stood still (SIGSTOP, a machine that gave it no time). The sound system keeps frames for a
// program that takes none, some seconds of them, and drops what comes then without a word. What it kept comes at once, and then what is
// heard now: the time alone shows whether something is missing between the two. Until that is known, blocks that may stand behind the hole
// wait in the intake. Blocks that are later than the promptest one stand before it.
type catchUp struct {
	wentOn time.Duration // when this program went on; 0 while frames are taken as they come
	zero   float64       // the device's, as it was known before
	came   bool          // blocks have come since
	hole   hole
}

// hole is where frames are missing among those that wait.
type hole struct {
	before int    // blocks in front of it
	frames uint64 // its length in the ring; 0 for none
	start  ring.Position
	filled uint64 // so much of it is in the ring
}

// catchesUp reports whether frames are to wait. It takes those that need not.
//
//	passed  the time since the last step
func (o *owner) catchesUp(now, passed time.Duration) bool {
	l, stall := o.line, o.session.options.StallAfter
	if o.wentOn == 0 {
		zero, known := o.timeline.zero()
		if passed <= stall || !l.stream.RealTime() || !known || o.hole.frames > 0 {
			return false
		}
		o.catchUp = catchUp{wentOn: now, zero: zero}
	}
	w := o.waiting()
	switch {
	case isDone(l.stream.Done()):
	case len(w.since) == 0 && !w.steady:
		if now-o.wentOn < stall {
			return true // they are on their way, or the device is silent, as will turn out
		}
	case o.lost(&w) > 0 && w.promptFor(o.timeline.rate) < promptFor && now-w.since[len(w.since)-1].at <= stall:
		o.came = true
		for range w.before + w.late(o.timeline.rate) {
			o.takeBlock()
		}
		return true
	}
	o.caughtUp()
	return false
}

// caughtUp ends the waiting and notes where frames are missing among those that wait.
func (o *owner) caughtUp() {
	if o.wentOn == 0 {
		return
	}
	o.wentOn = 0
	if w := o.waiting(); w.promptFor(o.timeline.rate) >= settleFor { // else what was kept may still be coming
		o.hole = hole{before: w.before + w.kept(o.timeline.rate), frames: o.lost(&w)}
	}
}

// lost returns how many frames of the ring are missing between the waiting blocks, as far as time can tell.
func (o *owner) lost(w *waiting) uint64 {
	if frames := o.zero - w.prompt(); frames >= o.timeline.rate*leastLost.Seconds() && len(w.since) > 0 {
		return uint64(math.Round(frames))
	}
	return 0
}

// waiting are the blocks in the intake.
type waiting struct {
	before int     // how many came before this program stood still
	since  []block // those that came after it
	steady bool    // all came in time: it did not stand still, only the owner did
}

// block is one of them.
type block struct {
	zero       float64       // where it puts the device's zero, as timeline.observe does
	length, at time.Duration // how long it is, and when it came
}

// waiting returns the blocks in the intake. It takes none.
func (o *owner) waiting() waiting {
	l, rate, stall := o.line, o.timeline.rate, o.session.options.StallAfter
	w := waiting{steady: !o.came}
	begin := float64(l.converter.position())
	last := time.Duration(o.session.lastFrame.Load())
	var frames sound.Frames
	l.intake.Span(func(n sound.Frames, at time.Duration) {
		frames += n
		if at-last > stall && !o.came {
			w.before, w.since, w.steady = w.before+len(w.since), nil, false
		}
		last = at
		w.since = append(w.since, block{
			zero:   begin + float64(l.converter.frames(frames)) - rate*at.Seconds(),
			length: time.Duration(n) * time.Second / time.Duration(l.intake.Format().SampleRateHz), at: at,
		})
	})
	if w.steady {
		w.before, w.since = len(w.since), nil
		w.steady = w.before > 0 && o.now()-last <= stall
	}
	return w
}

// prompt returns where the promptest block puts the device's zero, minus infinity if there is none.
func (w *waiting) prompt() float64 {
	best := math.Inf(-1)
	for _, b := range w.since {
		best = max(best, b.zero)
	}
	return best
}

// first returns the first block that is at most that much later than the promptest one; 0 if there is none.
func (w *waiting) first(rate float64, later time.Duration) int {
	limit := w.prompt() - rate*later.Seconds()
	return max(slices.IndexFunc(w.since, func(b block) bool { return b.zero >= limit }), 0)
}

// promptFor is for how long blocks have come of which none is more prompt.
func (w *waiting) promptFor(rate float64) time.Duration {
	if len(w.since) == 0 {
		return 0
	}
	return w.since[len(w.since)-1].at - w.since[w.first(rate, samePrompt)].at
}

// late returns how many blocks are so late that the sound system had kept them, less one: the next may have come at its time.
func (w *waiting) late(rate float64) int { return max(w.first(rate, nearlyPrompt)-1, 0) }

// kept returns how many of the waiting blocks the sound system had kept: those before the first one that came at the pace of speech.
func (w *waiting) kept(rate float64) int {
	first := w.first(rate, nearlyPrompt)
	if first == 0 {
		return 0 // it had kept nothing
	}
	for i := first; i < len(w.since); i++ {
		if w.since[i].at-w.since[i-1].at >= w.since[i].length/2 {
			return i
		}
	}
	return first
}

// passHole puts silence in the place of a hole that stands before the next block. It reports false if the rest of the hole goes into the
// ring with the next step: the readers must be able to follow, or what was kept before the hole would be overwritten.
func (o *owner) passHole() bool {
	h, s := &o.hole, o.session
	switch {
	case h.frames == 0:
		return true
	case h.before > 0:
		h.before--
		return true
	case h.filled == 0:
		o.line.converter.flush()
		h.start = s.ring.Head()
	}
	portion := min(h.frames-h.filled, s.ring.Capacity()/2)
	s.ring.WriteSilence(portion)
	h.filled += portion
	gap := Gap{Start: h.start, Frames: h.filled, Reason: GapMissing}
	if h.filled < h.frames {
		if o.recording() {
			s.gaps.note(gap)
		}
		return false
	}
	o.line.converter.begin()
	o.gap(gap)
	o.timeline.endStretch()
	o.hole = hole{}
	return true
}
