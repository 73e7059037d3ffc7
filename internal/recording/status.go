package recording

import (
	"time"

	"github.com/scout-speech/scout"
)

// Status is how a recorder process is.
type Status struct {
	PID       int       `json:"pid"`
	Version   string    `json:"version,omitempty"`
	StartedAt time.Time `json:"started_at"`
	// Owners are the clients that own the recording under way, Clients all that are attached.
	Owners  int `json:"owners"`
	Clients int `json:"clients"`
	// Capture is the state of the device: idle, starting, recording, stopping or failed.
	Capture string `json:"capture"`
	// Outage is why no frames come at this moment; empty while they do.
	Outage   scout.GapReason `json:"outage,omitempty"`
	Device   Device          `json:"device"`
	FrameAge time.Duration   `json:"frame_age_ns,omitempty"`
	// Callback is how long the callbacks of the device took; nil without a device.
	Callback  *Latency `json:"callback,omitempty"`
	FreeBytes uint64   `json:"free_bytes"`
	// Left is how much more recording in the format of the device fits on the disk; 0 without a device.
	Left    time.Duration `json:"left_ns,omitempty"`
	DiskLow bool          `json:"disk_low,omitempty"`
	// Stuck is the goroutine of the recorder that stands still and was replaced; empty as soon as the other one works.
	Stuck string `json:"stuck,omitempty"`
	// Recording is the one under way, nil without.
	Recording *Progress `json:"recording,omitempty"`
	// Last is the recording that ended last in this process.
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

// Progress is how the recording under way is.
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
	// Operation is what the disk was asked for and has not answered, For how long ago that was; empty where it answers.
	Operation Operation     `json:"operation,omitempty"`
	For       time.Duration `json:"for_ns,omitempty"`
	// Path is where the audio is.
	Path     string   `json:"path"`
	DriftPPM *float64 `json:"drift_ppm,omitempty"`
	// Order is what the recording was started with, in whichever process.
	Order Order `json:"order"`
}

// Level is how loud it is.
type Level struct {
	RMS, Peak float32 // linear, smoothed; full scale is 1
	Position  uint64  // frames that the device has delivered
}

// EventKind is what an event tells.
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
	KindReplaced      EventKind = "recorder_replaced" // Took; told by whoever watches, not by the recorder
	KindStuck         EventKind = "goroutine_stuck"   // Goroutine
	KindFile          EventKind = "file"              // Damage, Path, Gap where audio is gone, Failure where it could not be saved again
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
	Operation Operation       `json:"operation,omitempty"` // and For: with ConditionStalled, what the disk was asked for and how long ago
	For       time.Duration   `json:"for_ns,omitempty"`
	Damage    Damage          `json:"damage,omitempty"`
	Path      string          `json:"path,omitempty"` // where the audio is
	Failure   string          `json:"failure,omitempty"`
	Goroutine string          `json:"goroutine,omitempty"` // that stood still and was replaced
	Left      time.Duration   `json:"left_ns,omitempty"`
	Took      time.Duration   `json:"took_ns,omitempty"`
	Manifest  *Manifest       `json:"manifest,omitempty"`
}
