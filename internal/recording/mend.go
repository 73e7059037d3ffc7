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
	began, before := time.Now(), p.position()
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
	if err != nil {
		p.tell(saved, err)
		return
	}
	p.heals(saved, before)
}

// heals reports that the file was saved again, once the frames before a position are all in it.
func (p *Pump) heals(saved Saved, before scout.Position) {
	p.healing, p.healed = append(p.healing, saved), max(p.healed, before)
	p.tellHealed()
}

// tellHealed reports what was saved again and is whole now.
func (p *Pump) tellHealed() {
	if len(p.healing) == 0 || p.position() < p.healed {
		return
	}
	healed := p.healing
	p.healing, p.healed = nil, 0
	for _, saved := range healed {
		p.tell(saved, nil)
	}
}

// lostWhileHealing adds a gap in what was to be written again to what the damage cost.
func (p *Pump) lostWhileHealing(gap scout.Gap) {
	if len(p.healing) == 0 || gap.Start >= p.healed {
		return
	}
	lost := &p.healing[len(p.healing)-1].Lost
	if lost.Frames == 0 {
		*lost = scout.Gap{Start: gap.Start, Reason: gap.Reason}
	}
	lost.Frames += min(gap.Frames, p.healed.Sub(gap.Start))
}

// notHealed reports at the end what could not be saved again.
func (p *Pump) notHealed(cause Condition) {
	for _, saved := range p.healing {
		p.tell(saved, scout.Errorf(scout.CodeRecordingLost, "save recording %s again: %s", p.writer.ID(), cause.Text()))
	}
	p.healing = nil
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
	before := p.position()
	saved, err := p.writer.restore(damage, keep, p.oldest())
	if err != nil {
		if !p.unmended {
			p.tell(saved, err)
		}
		p.unmended = true
		p.trouble(err)
		return false
	}
	p.unmended = false
	p.heals(saved, before)
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
