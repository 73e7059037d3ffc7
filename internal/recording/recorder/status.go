package recorder

import (
	"os"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/wire"
)

// Status returns the state of the recorder.
func (r *Recorder) Status() recording.Status {
	r.mu.Lock()
	t, last, d, resuming := r.take, r.last, r.device, r.resuming
	stopping := resuming != nil && resuming.ending != nil
	s := recording.Status{
		PID: os.Getpid(), Version: r.options.Version, StartedAt: r.began,
		Clients: r.clients, Capture: "idle",
	}
	if t != nil {
		s.Owners = r.owners[t.writer.ID()]
	}
	r.mu.Unlock()
	if r.rules.silent.Load() {
		s.Stuck = GoroutineRules
	}
	if d != nil {
		status := d.session.Status()
		s.Capture, s.Outage, s.FrameAge = string(status.State), status.Outage, status.FrameAge
		if status.Callback.Count > 0 {
			callback := recording.Latency(status.Callback)
			s.Callback = &callback
		}
		s.Device = deviceOf(status.Device, status.DeviceFormat)
	}
	if space, err := r.room.latest(r.askSpace); err == nil {
		s.FreeBytes = space.FreeBytes
		if d != nil {
			s.Left = space.Left(d.key.format)
			s.DiskLow = r.options.Limits.Low(s.Left)
		}
	}
	if last != nil {
		s.Last = &last.manifest
	}
	if t == nil {
		if resuming != nil {
			s.Recording = resuming.progress(stopping)
		}
		return s
	}
	select {
	case <-t.done:
		s.Last = &t.manifest
	default:
		s.Recording = t.state()
	}
	return s
}

func (t *take) state() *recording.Progress {
	s := t.current.Load()
	trouble := s.pump.Trouble()
	gaps := t.writer.Gaps()
	var lost uint64
	for _, g := range gaps {
		lost += g.Frames
	}
	return &recording.Progress{
		ID: t.writer.ID(), Stopping: t.stopping.Load(), StartedAt: t.writer.StartedAt(), Format: t.writer.Format(),
		Captured: s.pump.Captured(), Written: t.writer.Frames(), Synced: t.writer.Synced(), Waiting: s.pump.Waiting(),
		Gaps: len(gaps), Lost: lost, Condition: trouble.Condition, Operation: trouble.Operation, For: trouble.For, Path: t.writer.Folder().AudioPath(t.writer.ID()),
		DriftPPM: s.device.session.Status().DriftPPM, Order: t.order,
	}
}

// gatherMetrics returns the metrics of this process.
func (r *Recorder) gatherMetrics() wire.Metrics {
	if r.options.Metrics == nil {
		return wire.Metrics{}
	}
	return wire.Metrics{Metrics: r.options.Metrics.Families()}
}

// takeOf returns the take of that recording, if it is the current or the last one.
func (r *Recorder) takeOf(id recording.ID) (*take, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range []*take{r.take, r.last} {
		if t != nil && t.writer.ID() == id {
			return t, nil
		}
	}
	return nil, scout.Errorf(scout.CodeRecordingNotFound, "recording %q is not under way", string(id))
}
