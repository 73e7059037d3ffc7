package recording

import (
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
)

// tell reports that the file was damaged and what became of it.
func (p *Pump) tell(saved Saved, err error) {
	if err != nil {
		p.options.Metrics.failed(err)
		p.log.Error(eventFileDamaged, slog.String(observe.KeyReason, string(saved.Damage)), slog.String("path", saved.Path),
			slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	} else {
		p.log.Warn(eventFileSavedAgain, slog.String(observe.KeyReason, string(saved.Damage)), slog.String("path", saved.Path),
			slog.Uint64("lost_frames", saved.Lost.Frames))
	}
	p.options.Metrics.damaged(saved.Damage)
	if p.options.Saved != nil {
		p.options.Saved(saved, err)
	}
}

// mend saves the file again if it is no longer in its place.
func (p *Pump) mend() {
	if p.damage.Load() == nil || time.Now().Before(p.rescueAfter) {
		return
	}
	damage := *p.damage.Swap(nil) // only this goroutine removes it
	began := time.Now()
	var saved Saved
	var err error
	if damage == DamageOverwritten {
		saved, err = p.writer.restore(damage, p.intact(), p.oldest())
	} else {
		saved, err = p.writer.rescue(damage, p.oldest())
	}
	p.rescueAfter = time.Now().Add(time.Since(began) * rescueShare)
	if err != nil {
		p.rescueAfter = p.rescueAfter.Add(retryEvery)
	}
	if was := p.fileLost.Swap(err != nil); err != nil && was {
		return // already reported
	}
	p.tell(saved, err)
}

// oldest returns the first frame of the recording from which on memory has everything, and will have it for the time
// that writing it again takes.
func (p *Pump) oldest() scout.Position {
	oldest := p.aligned.recording(p.ring.Oldest())
	if oldest == 0 { // the ring still has the time before the recording
		return 0
	}
	return oldest.Add(p.ring.Capacity() / 64)
}

// intact returns how many frames of an overwritten file certainly belong to the recording: all, if the file agrees with
// memory and only the header was overwritten, else none.
func (p *Pump) intact() uint64 {
	from, end := p.oldest(), p.position()
	n, err := p.ring.ReadAt(p.buffer, p.aligned.ring(from))
	if n = min(n, end.Sub(from)); err != nil || n == 0 {
		return 0
	}
	if p.writer.sameAt(from, p.buffer[:n*uint64(p.writer.Format().FrameBytes())]) {
		return p.writer.Frames()
	}
	return 0
}

// whole reports whether the file is as long as what was written into it. If another program cut it off, whole extends
// it; false if that failed.
func (p *Pump) whole() bool {
	damage, keep := p.writer.length()
	if damage == DamageNone {
		return true
	}
	if damage == DamageOverwritten || !p.writer.ours() { // the rest of it may belong to another program
		keep = p.intact()
	}
	saved, err := p.writer.restore(damage, keep, p.oldest())
	p.tell(saved, err)
	if err != nil {
		p.trouble(err)
		return false
	}
	p.seek()
	return true
}

// secure checks a last time that everything is in its place, and repairs it if not.
func (p *Pump) secure() bool {
	before := p.writer.Frames()
	if !p.whole() {
		return false
	}
	damage := p.writer.look()
	if !p.writer.ours() {
		damage = DamageOverwritten
	}
	switch damage {
	case DamageGone, DamageReplaced, DamageOverwritten:
		p.damage.Store(&damage)
		p.mend()
		return p.damage.Load() == nil && !p.fileLost.Load() && p.writer.Frames() >= before
	}
	return p.writer.Frames() >= before
}
