// Package ladder says by how much Scout reduces its work when the machine has too little of something. It goes down quickly and comes
// back slowly, one level at a time. It has no clock and no effect: whoever runs it looks from time to time, and does what a level means.
// Audio is the same at every level. Source: docs/adr/0094-ladder.md.
package ladder

import (
	"fmt"
	"time"
)

// Level is how much is reduced.
type Level int

// The levels.
const (
	// High reduces nothing.
	High Level = iota
	// Medium shows partial text at a third of its rhythm, and does one job at a time.
	Medium
	// Low shows no partial text, only committed pieces, and loads the fast model only.
	Low
	// NoLiveText makes no text while somebody speaks: recordings and uploads are transcribed one piece at a time.
	NoLiveText
	// RecordOnly loads no model and takes no uploads.
	RecordOnly
)

// Levels returns all levels, the best first.
func Levels() []Level { return []Level{High, Medium, Low, NoLiveText, RecordOnly} }

// String returns the name in interfaces and logs.
func (l Level) String() string {
	switch l {
	case High:
		return "high"
	case Medium:
		return "medium"
	case Low:
		return "low"
	case NoLiveText:
		return "no live text"
	case RecordOnly:
		return "record only"
	}
	return fmt.Sprintf("level %d", int(l))
}

// Load is what the machine has to bear.
type Load struct {
	// Behind is how far live text is behind the clock, of the dictation that is furthest behind.
	Behind time.Duration
	// Memory is that of all processes in bytes, after models that nobody uses were unloaded. Soft and Hard are its limits, 0 for none.
	Memory, Soft, Hard uint64
	// Resting says that the breaker of the engine is open.
	Resting bool
}

const (
	// mostBehind is how far live text may be behind.
	mostBehind = time.Second
	// calmShare is the share of a limit below which there is no cause any more.
	calmShare = 0.7
	// firstHold is how long a cause must last for the first step down, and hold for those after it.
	firstHold, hold = 5 * time.Second, 10 * time.Second
	// calmHold is how long there must be no cause for a step up.
	calmHold = 30 * time.Second
	// longestGap is how long nobody may have looked. Beyond it the machine stood still, and nothing is known of the time between.
	longestGap = 15 * time.Second
)

// Step is a change of the level.
type Step struct {
	From, To Level
	Reason   string
}

// State is the level, since when, and why. The reason of High is empty.
type State struct {
	Level  Level
	Since  time.Time
	Reason string
}

// Ladder is at a level. It is not safe for concurrent use.
type Ladder struct {
	state   State
	looked  time.Time
	pressed time.Time // since when there is a cause; zero if there is none
	calm    time.Time // since when there is none by far; zero if there is
}

// New returns a ladder at its top.
func New(now time.Time) *Ladder { return &Ladder{state: State{Since: now}, looked: now} }

// State returns where the ladder is.
func (l *Ladder) State() State { return l.state }

// Settled reports whether nobody needs to look: it is at its top, and the last look found no cause.
func (l *Ladder) Settled() bool { return l.state.Level == High && l.pressed.IsZero() }

// Look takes the load at a time and returns the step that follows, if one does.
func (l *Ladder) Look(load Load, now time.Time) (step Step, taken bool) {
	if now.Sub(l.looked) > longestGap {
		l.pressed, l.calm = time.Time{}, time.Time{}
	}
	l.looked = now
	cause := load.cause()
	l.pressed = since(l.pressed, cause != "", now)
	l.calm = since(l.calm, load.calm(), now)
	level, at := l.state.Level, now.Sub(l.state.Since)
	lasted := func(from time.Time, least time.Duration) bool {
		return !from.IsZero() && now.Sub(from) >= least && at >= least
	}
	switch {
	case load.Hard > 0 && load.Memory > load.Hard && level < RecordOnly:
		return l.step(RecordOnly, fmt.Sprintf("memory: %d MB, limit %d MB", load.Memory>>20, load.Hard>>20), now), true
	case level == High && load.Resting, level == High && !l.pressed.IsZero() && now.Sub(l.pressed) >= firstHold:
		return l.step(Medium, cause, now), true
	case (level == Medium || level == Low) && (load.Resting && at >= hold || lasted(l.pressed, hold)):
		return l.step(level+1, cause, now), true
	case level > High && lasted(l.calm, calmHold):
		return l.step(level-1, "there is no cause any more", now), true
	}
	if level > High && cause != "" {
		l.state.Reason = cause
	}
	return Step{}, false
}

func (l *Ladder) step(to Level, reason string, now time.Time) Step {
	s := Step{From: l.state.Level, To: to, Reason: reason}
	l.pressed, l.calm = time.Time{}, time.Time{}
	l.state = State{Level: to, Since: now, Reason: reason}
	if to == High {
		l.state.Reason = ""
	}
	return s
}

// since is from when on something is so.
func since(before time.Time, is bool, now time.Time) time.Time {
	switch {
	case !is:
		return time.Time{}
	case before.IsZero():
		return now
	}
	return before
}

// cause is why the level should be lower; empty if it need not.
func (l *Load) cause() string {
	switch {
	case l.Resting:
		return "the engine failed several times in a row and rests"
	case l.Soft > 0 && l.Memory > l.Soft:
		return fmt.Sprintf("memory: %d MB, limit %d MB", l.Memory>>20, l.Soft>>20)
	case l.Behind > mostBehind:
		return fmt.Sprintf("live text is %.1f s behind", l.Behind.Seconds())
	}
	return ""
}

// calm reports whether all is well below its limit.
func (l *Load) calm() bool {
	return !l.Resting && l.Behind <= mostBehind*7/10 && (l.Soft == 0 || float64(l.Memory) <= calmShare*float64(l.Soft))
}
