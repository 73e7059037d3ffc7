package capture

import (
	"math"

	"github.com/scout-speech/scout"
)

// beginStop begins the end of the recording. c waits for it and may be nil.
func (o *owner) beginStop(c *command) {
	if !o.recording() {
		if c != nil {
			c.reply <- reply{stopped: o.last, err: scout.Errorf(scout.CodeNotRecording, "nothing is being recorded")}
		}
		return
	}
	if c != nil {
		o.stopping = append(o.stopping, c)
	}
	if o.state == StateRecording {
		o.stopAt = o.now()
		o.setState(StateStopping, nil)
	}
}

// tryStop ends the recording once everything captured before stopAt is in the ring, or can no longer arrive: frames that are late come
// before those of a later time, and a device from which nothing comes is in an outage soon.
func (o *owner) tryStop() {
	s := o.session
	if o.outage == nil && o.line.stream.RealTime() && (o.wentOn > 0 || o.line.converter.position() < o.timeline.expected(o.stopAt)) {
		return
	}
	if o.outage != nil {
		if o.outage.back() {
			return // its frames are placed within settleFor
		}
		o.fillOutage(o.timeline.expected(o.stopAt))
		o.gap(o.outage.gap())
	}
	if !s.options.Warm && o.outage == nil {
		o.line.converter.flush()
	}
	o.endRecording()
	if s.options.Warm {
		return
	}
	o.stopOpening()
	o.closeLine()
}

// endRecording answers all commands that wait for the end.
func (o *owner) endRecording() {
	s := o.session
	if ppm, ok := o.timeline.drift(); ok {
		s.driftPPM.Store(math.Float64bits(ppm))
	}
	o.last = Stopped{From: o.from, End: s.ring.Head(), Gaps: s.gaps.all(), DriftPPM: s.drift()}
	o.setState(StateIdle, nil)
	for _, c := range o.stopping {
		c.reply <- reply{stopped: o.last}
	}
	o.stopping = nil
}

// endInput ends the session's input: a file or a signal was played to its end.
func (o *owner) endInput() {
	o.line.converter.flush()
	o.inputOver = true
	o.emit(Event{Kind: KindInputEnded})
	if o.starting != nil {
		o.fail(scout.Errorf(scout.CodeAudioEmpty, "device %s ended before its first frame", o.session.options.Device))
	}
	if o.recording() {
		o.endRecording()
	}
	o.closeLine()
	o.session.ring.Close()
}
