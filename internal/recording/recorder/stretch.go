package recorder

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// stretch is a part of a take that comes from one capture session through one pump. A take is one stretch, unless
// capture or writing failed and another stretch continued it.
type stretch struct {
	take   *take
	device *device
	pump   *recording.Pump
	first  scout.Position // position in the recording of the first frame that came through this ring
	heard  atomic.Int64   // since the take's epoch, when watch last began a round

	over chan struct{} // closed when the pump ended
	why  recording.EndReason
	err  error // both are valid after over
	// left is why the supervisor ended the stretch; nil if it ended by itself. Only the supervisor uses it.
	left error
}

// fill makes a new stretch the current one, from the ring position on, and lets frames flow. first is the position in
// the recording from which on the ring has everything.
func (t *take) fill(d *device, from ring.Position, first scout.Position) {
	r := t.recorder
	s := &stretch{take: t, device: d, first: first, over: make(chan struct{})}
	s.pump = recording.NewPump(d.session.Ring(), t.writer, recording.PumpOptions{
		From: from, Longest: longest(t.order), SyncEvery: r.options.SyncEvery, FinishWithin: r.options.FinishWithin,
		Now: r.options.Now, Scope: r.options.Scope, Metrics: r.metrics, Faults: r.options.Faults, Saved: t.saved,
	})
	r.metrics.Follow(t.writer, s.filling)
	t.current.Store(s)
	t.changes.Ring()
	t.health = time.Now()
	go s.run() // ends with its pump, and is waited for by the supervisor
}

// longest returns how many frames a recording of that order may have; 0 for any number.
func longest(order recording.Order) uint64 {
	if order.Rules.MaxDuration <= 0 {
		return 0
	}
	return max(order.Format.Frames(order.Rules.MaxDuration), 1)
}

// upTo returns frames, or as many as a recording of that order may have.
func upTo(order recording.Order, frames uint64) uint64 {
	if limit := longest(order); limit > 0 {
		return min(frames, limit)
	}
	return frames
}

// run is the goroutine of the pump.
func (s *stretch) run() {
	defer close(s.over)
	s.err = s.take.recorder.failures.Guard(recording.GoroutinePump, func() (err error) {
		s.why, err = s.pump.Run(context.Background())
		return err
	})
	if s.err != nil && scout.CodeOf(s.err) == scout.CodeInternal {
		s.why = "" // the reason does not count: it did not end normally
	}
}

// watch turns what happens to the device into gaps and events, until the stretch or ctx ends.
func (s *stretch) watch(ctx context.Context) error {
	subscription := s.device.session.Subscribe(64)
	defer subscription.Close()
	ticker := time.NewTicker(stuckAfter / 2)
	defer ticker.Stop()
	for events := subscription.Items(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-s.over:
			return nil
		case item, open := <-events:
			if !open {
				events = nil
				continue
			}
			s.hear(item.Value)
		case <-ticker.C:
		}
		if err := s.take.recorder.options.Faults.At(GoroutineEvents); err != nil {
			return err
		}
		s.heard.Store(s.take.now())
	}
}

// hear passes an event of capture on.
func (s *stretch) hear(e capture.Event) {
	r := s.take.recorder
	out := recording.Event{At: e.At, ID: s.take.writer.ID(), Reason: e.Reason}
	switch e.Kind {
	case capture.KindGapEnded:
		gap, ok := s.addGap(e.Gap)
		if !ok {
			return
		}
		out.Kind, out.Gap, out.Reason = recording.KindGap, &gap, gap.Reason
	case capture.KindDeviceLost:
		out.Kind = recording.KindDeviceLost
		r.metrics.Failed(scout.Errorf(scout.CodeDeviceLost, "device %s: %s", e.Device.Name, e.Reason))
	case capture.KindDeviceChanged, capture.KindDeviceOpened:
		out.Kind = recording.KindDeviceChanged
		if e.Kind == capture.KindDeviceOpened {
			out.Kind = recording.KindDeviceOpened
		}
		device := recording.Device{ID: e.Device.ID, Name: e.Device.Name}
		out.Device = &device
	default:
		return
	}
	r.events.Send(out)
}

// addGap records a gap of the ring and returns it as one of the recording. Recording it again changes nothing.
func (s *stretch) addGap(g capture.Gap) (scout.Gap, bool) {
	gap, ok := s.inRecording(g)
	if ok {
		s.take.writer.AddGap(gap)
	}
	return gap, ok
}

// inRecording returns a gap of the ring as one of the recording; false if it lies outside.
func (s *stretch) inRecording(g capture.Gap) (scout.Gap, bool) {
	start, end := max(s.pump.InRecording(g.Start), s.first), s.pump.InRecording(g.End())
	if start >= end {
		return scout.Gap{}, false
	}
	return scout.Gap{Start: start, Frames: end.Sub(start), Reason: g.Reason}, true
}

// filling returns the gaps of this stretch so far, including one that is not over yet: its silence is being written.
func (s *stretch) filling() []scout.Gap {
	var gaps []scout.Gap
	for _, g := range s.device.session.Gaps() {
		if gap, ok := s.inRecording(g); ok {
			gaps = append(gaps, gap)
		}
	}
	return gaps
}

// saved reports what other programs did to the files of the recording, and what became of it.
func (t *take) saved(saved recording.Saved, err error) {
	event := recording.Event{
		Kind: recording.KindFile, At: t.recorder.options.Now(), ID: t.writer.ID(), Damage: saved.Damage, Path: saved.Path,
	}
	if saved.Lost.Frames > 0 {
		event.Gap = &saved.Lost
		t.blame(scout.Errorf(scout.CodeRecordingLost, "%s: %s of it are lost", saved.Damage.Text(),
			t.writer.Format().Duration(saved.Lost.Frames).Round(time.Millisecond)))
	}
	if err != nil {
		event.Failure = scout.Plain(err)
	}
	if saved.Elsewhere {
		t.blame(scout.Errorf(scout.CodeRecordingLost, "%s, and the folder of recordings cannot take it again: it is in %s", saved.Damage.Text(), saved.Path))
	}
	t.recorder.events.Send(event)
}

// lostFiles tells that the files of the recording were deleted while no process had them open.
func (t *take) lostFiles() {
	lost := scout.Gap{Frames: t.writer.Frames(), Reason: recording.GapFileLost}
	t.saved(recording.Saved{Damage: recording.DamageGone, Path: t.writer.Folder().AudioPath(t.writer.ID()), Lost: lost}, nil)
}

// blame notes why the recording is not what it should be. Its end is a failure then.
func (t *take) blame(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.causes = append(t.causes, err)
}

// warn logs a failure that does not affect the recording itself.
func (t *take) warn(err error) {
	t.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
}
