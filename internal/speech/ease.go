package speech

import (
	"time"

	"github.com/scout-speech/scout/internal/speech/segment"
)

// Ease is by how much live transcription reduces its work, because the machine has too little of something. No level costs a word: only
// the text comes later.
type Ease int

// The levels, each of which includes those before it.
const (
	EaseNothing   Ease = iota
	EaseRhythm         // partial text at a third of its rhythm
	EaseCommitted      // no partial text: pieces are decoded when they are closed
	EaseToTheStop      // nothing is decoded before the stop
)

// ease is that of now.
func (o *LiveOptions) ease() Ease {
	if o.Ease == nil {
		return EaseNothing
	}
	return o.Ease()
}

// Behind is how far the transcription is behind what has come, because earlier pieces are not decoded yet; 0 while it is to decode
// nothing before the stop.
func (l *Live) Behind() time.Duration { return time.Duration(l.behind.Load()) }

// eased returns how much audio lies between two partial texts where that is step with full quality.
func eased(step time.Duration, ease Ease) time.Duration {
	if ease >= EaseRhythm {
		return 3 * step
	}
	return step
}

// behind is how far the cutter is behind what has come.
func (g *growth) behind(in *intake) time.Duration {
	if g.options.ease() >= EaseToTheStop && !g.stopped {
		return 0
	}
	head, _ := in.clock()
	return max(0, segment.Duration(head-g.pos))
}
