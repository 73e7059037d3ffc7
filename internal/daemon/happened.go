package daemon

import (
	"log/slog"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// happened records what a recorder reports. The store itself notes that a recording has ended.
func (d *daemon) happened(e recording.Event) {
	d.dictations.Happened(e)
	id := string(e.ID)
	data := map[string]any{"id": e.ID}
	if e.ID == "" {
		delete(data, "id")
	}
	var kind string
	switch e.Kind {
	case recording.KindStarted:
		kind = "recording.started"
		d.history.Note(d.living, "recorder.state", id, map[string]any{"state": "recording", "id": e.ID})
		d.see(id)
	case recording.KindStopped:
		d.see(id)
		d.backlog.Ended(e.ID)
		d.history.Note(d.living, "recorder.state", id, map[string]any{"state": "idle", "id": e.ID})
		return
	case recording.KindGap:
		kind = "recording.gap"
		if g := e.Gap; g != nil {
			data["start_frame"], data["frames"], data["reason"] = g.Start, g.Frames, g.Reason
		}
	case recording.KindDeviceLost:
		kind, data["reason"] = "device.lost", e.Reason
	case recording.KindDeviceOpened, recording.KindDeviceChanged:
		kind = "device.opened"
		if e.Device != nil {
			data["device"] = e.Device.Name
		}
	case recording.KindCondition, recording.KindDiskLow, recording.KindReplaced, recording.KindFile:
		kind, data["what"] = "recording.updated", e.Kind
		if e.Condition != "" {
			data["condition"] = e.Condition
		}
	default:
		return
	}
	d.history.Note(d.living, kind, id, data)
}

// see makes the store agree with a recording. If that fails, the next start tries again.
func (d *daemon) see(id string) {
	if err := d.history.See(d.living, id); err != nil {
		d.log.Warn(history.EventNotReconciled, slog.String(recording.KeyRecording, id), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
}
