package capture

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/scout-speech/scout/internal/capture/sound"
)

// Time constants of catching up; docs/adr/0022-gap-policy.md explains them.
const (
	// leastLost is the smallest loss that counts after this program stood still. The sound system drops whole periods, of 20 ms.
	leastLost = 15 * time.Millisecond
	// promptFor is for how long no block may come more promptly than those before it until the rest counts as lost.
	promptFor = 500 * time.Millisecond
	// longestCatchUp is how long frames wait at most; the intake has room for more.
	longestCatchUp = 3 * time.Second
	// nearlyPrompt is how late a block may be that counts as the end of what the sound system had kept.
	nearlyPrompt = 30 * time.Millisecond
)

// catchUp is the time after this program stood still (SIGSTOP, a machine that gave it no time). The sound system keeps frames for a
// program that takes none, some seconds of them, and drops what comes then without a word. What it kept comes at once, and then what is
// heard now: the time alone shows whether something is missing between the two. Until that is known the frames wait in the intake.
type catchUp struct {
	wentOn time.Duration // when this program went on; 0 while frames are taken as they come
	hole   hole
}

// hole is where frames are missing among those that wait.
type hole struct {
	before int    // blocks in front of it
	frames uint64 // its length in the ring; 0 for none
}

// catchesUp reports whether frames are to wait.
//
//	passed  the time since the last step
func (o *owner) catchesUp(now, passed time.Duration) bool {
	l, stall := o.line, o.session.options.StallAfter
	if o.wentOn == 0 {
		if passed <= stall || !l.stream.RealTime() || !o.timeline.known() {
			return false
		}
		o.wentOn = now
	}
	waited := now - o.wentOn
	w := o.waiting()
	_, newest := w.missing(o)
	full := l.intake.Room() < l.intake.FramesIn(uint64(l.intake.Format().FrameBytes()*l.intake.Format().SampleRateHz))
	switch {
	case isDone(l.stream.Done()) || full || waited >= longestCatchUp:
	case len(w.since) == 0 && !w.steady:
		if waited < stall {
			return true // they are on their way, or the device is silent, as will turn out
		}
	case o.lost(&w) > 0 && now-newest < promptFor:
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
	w := o.waiting()
	o.hole = hole{before: w.kept(o), frames: o.lost(&w)}
}

// lost returns how many frames of the ring are missing between the waiting blocks, as far as time can tell.
func (o *owner) lost(w *waiting) uint64 {
	if frames, _ := w.missing(o); frames >= o.timeline.rate*leastLost.Seconds() {
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
	l, rate := o.line, o.timeline.rate
	w := waiting{steady: true}
	begin := float64(l.converter.position())
	last := time.Duration(o.session.lastFrame.Load())
	var frames sound.Frames
	l.intake.Span(func(n sound.Frames, at time.Duration) {
		frames += n
		if at-last > o.session.options.StallAfter {
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
		w.steady = w.before > 0 && o.now()-last <= o.session.options.StallAfter
	}
	return w
}

// missing returns by how many frames of the ring the promptest block came too early in the recording, minus infinity if there is none, and
// when it came.
func (w *waiting) missing(o *owner) (frames float64, at time.Duration) {
	if len(w.since) == 0 {
		return math.Inf(-1), 0
	}
	best := slices.MaxFunc(w.since, func(a, b block) int { return cmp.Compare(a.zero, b.zero) })
	zero, _ := o.timeline.zero()
	return zero - best.zero, best.at
}

// kept returns how many of the waiting blocks the sound system had kept: those before the first one that came at the pace of speech.
func (w *waiting) kept(o *owner) int {
	missing, _ := w.missing(o)
	zero, _ := o.timeline.zero()
	near := zero - missing - o.timeline.rate*nearlyPrompt.Seconds()
	first := max(slices.IndexFunc(w.since, func(b block) bool { return b.zero >= near }), 0)
	if first == 0 {
		return w.before // it had kept nothing
	}
	for i := first; i < len(w.since); i++ {
		if w.since[i].at-w.since[i-1].at >= w.since[i].length/2 {
			return w.before + i
		}
	}
	return w.before + first
}

// passHole puts silence in the place of a hole that stands before the next block.
func (o *owner) passHole() {
	switch {
	case o.hole.frames == 0:
	case o.hole.before > 0:
		o.hole.before--
	default:
		o.lack(o.hole.frames, GapMissing)
		o.timeline.endStretch()
		o.hole = hole{}
	}
}
