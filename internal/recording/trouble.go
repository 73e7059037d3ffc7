package recording

import (
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

// calmFor is how long no write may have failed before a condition ends: a disk on which a little room appears now and then is full.
const calmFor = time.Second

// trouble records that writing failed: frames wait in the ring.
func (p *Pump) trouble(err error) {
	p.failedAt = p.now()
	now, reason := ConditionWriteFailed, GapWriteFailed
	if scout.CodeOf(err) == scout.CodeDiskFull {
		now, reason = ConditionDiskFull, GapDiskFull
	}
	p.reason = reason
	if *p.condition.Load() == now {
		return
	}
	p.condition.Store(&now)
	p.options.Metrics.failed(err)
	p.log.Error(eventRecordingWaits, slog.String(observe.KeyCode, string(scout.CodeOf(err))),
		slog.String(observe.KeyError, err.Error()), slog.Uint64("waiting_frames", p.Waiting()))
}

// well records that everything that waited is written. Frames that the ring loses from now on are lost to a stall.
func (p *Pump) well() {
	was := *p.condition.Load()
	if was != ConditionOK && p.now()-p.failedAt < int64(calmFor) {
		return
	}
	p.reason = GapDiskStalled
	if was != ConditionOK {
		ok := ConditionOK
		p.condition.Store(&ok)
		p.log.Info(eventRecordingGoesOn, slog.String("was", string(was)), slog.Uint64("waiting_frames", p.Waiting()))
	}
}
