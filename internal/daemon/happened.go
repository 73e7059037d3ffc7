package daemon

import (
	"os"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/scout-speech/scout/internal/recording"
)

// happened publishes what a recorder tells.
func (d *daemon) happened(e recording.Event) {
	data := map[string]any{"id": e.ID}
	if e.ID == "" {
		delete(data, "id")
	}
	kind := ""
	switch e.Kind {
	case recording.KindStarted:
		kind = "recording.started"
		d.events.Publish("recorder.state", map[string]any{"state": "recording", "id": e.ID})
	case recording.KindStopped:
		kind = "recording.finished"
		if m := e.Manifest; m != nil {
			data["duration_seconds"], data["end_reason"], data["lost_frames"] = m.Duration().Seconds(), m.EndReason, m.LostFrames()
		}
		d.events.Publish("recorder.state", map[string]any{"state": "idle", "id": e.ID})
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
	d.events.Publish(kind, data)
}

// residentBytes is the memory of this process; 0 where the system does not tell.
func residentBytes() uint64 {
	p, err := process.NewProcess(int32(os.Getpid()))
	if err != nil {
		return 0
	}
	memory, err := p.MemoryInfo()
	if err != nil {
		return 0
	}
	return memory.RSS
}
