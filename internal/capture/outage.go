package capture

import (
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
)

// Time constants of outages; docs/adr/0022-gap-policy.md explains them.
const (
	// settleFor is how long blocks of a returned device are collected before they are placed: the promptest of them
	// shows when they were captured.
	settleFor = 120 * time.Millisecond
	// holdStalled is how long silence is held back while a device just sends nothing: a machine or a server that stood
	// still delivers its frames late.
	holdStalled = 5 * time.Second
	// holdLost is the same for a device that is known to be gone.
	holdLost = 300 * time.Millisecond
	// fillMargin is how far behind time silence is written while an outage lasts.
	fillMargin = 300 * time.Millisecond
	// wakeAgain is how long a device that may be asleep is given between two attempts to wake it.
	wakeAgain = 100 * time.Millisecond
	// leastGap is the smallest loss that the time measurement can detect.
	leastGap = 10 * time.Millisecond
)

// outage is a time without frames from the device: since when, why, and what is due at a moment. It decides and the owner acts:
// it touches neither device nor ring. Times are since the session's epoch.
type outage struct {
	reason  scout.GapReason
	start   ring.Position // where frames are missing
	since   time.Duration // when the last block came
	hold    time.Duration // how long silence is held back
	filled  uint64        // silence written so far
	next    *line         // the device that continues, if it is not the old one
	resumed time.Duration // when frames came again; 0 if they have not
	moved   time.Duration // when the system gave the stream another device, or that device was woken again
}

// newOutage returns an outage that began when the last block came.
func newOutage(reason scout.GapReason, start ring.Position, since time.Duration) *outage {
	a := &outage{start: start, since: since}
	a.because(reason)
	return a
}

// because notes why there are no frames, which may become known later.
func (a *outage) because(reason scout.GapReason) {
	a.reason, a.hold = reason, holdLost
	if reason == GapStalled {
		a.hold = holdStalled
	}
}

// move notes that the system gave the stream another device. That one is there: it only has to begin, and to be woken at once.
func (a *outage) move(now time.Duration) { a.hold, a.moved = holdStalled, now-wakeAgain }

// unexplained is true while the device may come back by itself, and be lost after all.
func (a *outage) unexplained() bool { return a.reason == GapStalled || a.reason == GapSuspended }

// resume notes that frames are there again, in the old device or a new one.
func (a *outage) resume(now time.Duration) {
	if a.resumed == 0 {
		a.resumed = max(now, 1)
	}
}

// back is true once frames are there again.
func (a *outage) back() bool { return a.resumed != 0 }

// settled is true once enough blocks were collected to tell when they were heard.
func (a *outage) settled(now time.Duration) bool { return a.back() && now-a.resumed >= settleFor }

// wakes tells whether a device that the stream was moved to is to be woken now, and notes that it was.
func (a *outage) wakes(now time.Duration) bool {
	if a.moved == 0 || now-a.moved < wakeAgain {
		return false
	}
	a.moved = now
	return true
}

// opensAgain reports whether the device must be opened again because nothing else will bring it back. The system wakes a device that
// sleeps. A device to which the stream was moved may stay silent, and is opened again.
func (a *outage) opensAgain(now, stallAfter time.Duration) bool {
	return a.reason != GapSuspended && now-a.since > stallAfter
}

// silence returns up to which time the ring should hold silence; false while that is held back.
func (a *outage) silence(now time.Duration) (until time.Duration, due bool) {
	return now - fillMargin, now-a.since > a.hold
}

// fill notes that the ring gets silence from its head on up to a position, and returns how much. first is true the first time.
func (a *outage) fill(head, until ring.Position) (frames uint64, first bool) {
	frames, first = until.Sub(head), a.filled == 0
	a.filled += frames
	return frames, first && frames > 0
}

// gap is what is missing so far.
func (a *outage) gap() Gap { return Gap{Start: a.start, Frames: a.filled, Reason: a.reason} }

// place decides where the first frame that came again belongs.
//
//	missing  how many frames lie between the ring's head and that frame, by time; negative where it comes too late
//	least    a loss below what the measuring of time can tell, in frames
//
// It returns how many frames of silence go before it, or how many frames from it on are left out because silence has taken their
// time already. Frames that were not missed are never left out.
func (a *outage) place(missing, least float64) (silence, late uint64) {
	switch {
	case missing > 0 && (a.filled > 0 || missing >= least):
		return uint64(missing), 0
	case missing < 0 && a.filled > 0:
		return 0, min(uint64(-missing), a.filled)
	}
	return 0, 0
}
