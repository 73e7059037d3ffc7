package recording

import (
	"time"

	"github.com/scout-speech/scout"
)

// Status is the state of a recorder process.
type Status struct {
	PID       int       `json:"pid"`
	Version   string    `json:"version,omitempty"`
	StartedAt time.Time `json:"started_at"`
	// Owners are the clients that own the current recording, Clients all that are attached.
	Owners  int `json:"owners"`
	Clients int `json:"clients"`
	// Capture is the state of the device: idle, starting, recording, stopping or failed.
	Capture string `json:"capture"`
	// Outage is why no frames come at present; empty while they do.
	Outage   scout.GapReason `json:"outage,omitempty"`
	Device   Device          `json:"device"`
	FrameAge time.Duration   `json:"frame_age_ns,omitempty"`
	// Callback is the latency of the device's callbacks; nil without a device.
	Callback  *Latency `json:"callback,omitempty"`
	FreeBytes uint64   `json:"free_bytes"`
	// Left is how much more recording in the format of the device fits on the disk; 0 without a device.
	Left    time.Duration `json:"left_ns,omitempty"`
	DiskLow bool          `json:"disk_low,omitempty"`
	// Stuck is the goroutine of the recorder that hung and was replaced; empty as soon as the new one works.
	Stuck string `json:"stuck,omitempty"`
	// Recording is the current recording, nil if there is none.
	Recording *Progress `json:"recording,omitempty"`
	// Last is the last recording of this process that has ended.
	Last *Manifest `json:"last,omitempty"`
}

// Latency summarises durations.
type Latency struct {
	Count uint64        `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

// Progress is the state of the current recording.
type Progress struct {
	ID        ID           `json:"id"`
	Stopping  bool         `json:"stopping,omitempty"`
	StartedAt time.Time    `json:"started_at"`
	Format    scout.Format `json:"format"`
	Captured  uint64       `json:"captured_frames"` // delivered by the device, gaps included
	Written   uint64       `json:"written_frames"`  // in the file
	Synced    uint64       `json:"synced_frames"`   // would survive a loss of power
	Waiting   uint64       `json:"waiting_frames"`  // in the ring, for the disk
	Gaps      int          `json:"gaps"`
	Lost      uint64       `json:"lost_frames"` // in those gaps
	Condition Condition    `json:"condition"`
	// Operation is the unanswered request to the disk, and For its age; empty if the disk answers.
	Operation Operation     `json:"operation,omitempty"`
	For       time.Duration `json:"for_ns,omitempty"`
	// Path is where the audio is.
	Path     string   `json:"path"`
	DriftPPM *float64 `json:"drift_ppm,omitempty"`
	// Order is the order that the recording was started with, in any process.
	Order Order `json:"order"`
}

// Level is the loudness of the audio.
type Level struct {
	RMS, Peak float32 // linear, smoothed; full scale is 1
	Position  uint64  // frames that the device has delivered
}

// EventKind is the kind of an event.
type EventKind string

// The kinds of events.
const (
	KindStarted       EventKind = "recording_started"
	KindStopped       EventKind = "recording_stopped" // Manifest
	KindGap           EventKind = "gap"               // Gap
	KindDeviceLost    EventKind = "device_lost"       // Reason
	KindDeviceChanged EventKind = "device_changed"    // Device
	KindDeviceOpened  EventKind = "device_opened"     // Device
	KindCondition     EventKind = "condition"         // Condition
	KindDiskLow       EventKind = "disk_low"          // Left
	KindReplaced      EventKind = "recorder_replaced" // Took; from the watching client, not from the recorder
	KindStuck         EventKind = "goroutine_stuck"   // Goroutine
	KindFile          EventKind = "file"              // Damage, Path, Gap if audio is gone, Failure if it could not be saved again
)

// Event is something that happened to a recording.
type Event struct {
	Kind EventKind `json:"kind"`
	At   time.Time `json:"at"`
	// Missed is how many events before this one were dropped because the client was too slow.
	Missed    uint64          `json:"missed,omitempty"`
	ID        ID              `json:"id,omitempty"`
	Gap       *scout.Gap      `json:"gap,omitempty"`
	Reason    scout.GapReason `json:"reason,omitempty"`
	Device    *Device         `json:"device,omitempty"`
	Condition Condition       `json:"condition,omitempty"`
	Operation Operation       `json:"operation,omitempty"` // and For: with ConditionStalled, the request to the disk and its age
	For       time.Duration   `json:"for_ns,omitempty"`
	Damage    Damage          `json:"damage,omitempty"`
	Path      string          `json:"path,omitempty"` // where the audio is
	Failure   string          `json:"failure,omitempty"`
	Goroutine string          `json:"goroutine,omitempty"` // the one that hung and was replaced
	Left      time.Duration   `json:"left_ns,omitempty"`
	Took      time.Duration   `json:"took_ns,omitempty"`
	Manifest  *Manifest       `json:"manifest,omitempty"`
}
