package wire

import (
	"errors"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// Role is what a client is to the recorder.
type Role string

// The roles. As long as an owner is connected, the rule for recordings without owner rests.
const (
	RoleOwner    Role = "owner"
	RoleListener Role = "listener"
)

// Hello is what a client says first.
type Hello struct {
	Protocol int    `json:"protocol"`
	Role     Role   `json:"role"`
	Name     string `json:"name,omitempty"` // of the program, for logs
}

// Welcome is the answer to a Hello.
type Welcome struct {
	Protocol  int       `json:"protocol"`
	PID       int       `json:"pid"`
	Version   string    `json:"version,omitempty"` // of the program
	StartedAt time.Time `json:"started_at"`
}

// Rules say when a recording ends without being told to.
type Rules struct {
	// MaxDuration is the longest recording; 0 for no limit.
	MaxDuration time.Duration `json:"max_duration_ns,omitempty"`
	// NoOwnerFor is how long it goes on while no owner is connected; 0 for ever.
	NoOwnerFor time.Duration `json:"no_owner_for_ns,omitempty"`
}

// StartRequest asks for a recording.
type StartRequest struct {
	// ID is chosen by the client, so that asking twice begins one recording; empty for a new one.
	ID recording.ID `json:"id,omitempty"`
	// Resume goes on with the recording ID after its recorder ended without finishing it.
	Resume bool         `json:"resume,omitempty"`
	Format scout.Format `json:"format"`
	// Device as in capture: an id, a name, a part of one, a virtual device; empty for the default.
	Device string `json:"device,omitempty"`
	// OnLoss, Warm, Preroll, Buffer as in capture.Options.
	OnLoss  string            `json:"on_loss,omitempty"`
	Warm    bool              `json:"warm,omitempty"`
	Preroll time.Duration     `json:"preroll_ns,omitempty"`
	Buffer  time.Duration     `json:"buffer_ns,omitempty"`
	Rules   Rules             `json:"rules"`
	Labels  map[string]string `json:"labels,omitempty"`
}

// Started is the answer to a StartRequest: frames are flowing.
type Started struct {
	ID recording.ID `json:"id"`
	// Already says that the recording with this id was under way.
	Already bool `json:"already,omitempty"`
	// StartedAt is the wall time of frame 0, PrerollFrames of which were heard before the request.
	StartedAt     time.Time        `json:"started_at"`
	PrerollFrames uint64           `json:"preroll_frames,omitempty"`
	Format        scout.Format     `json:"format"`
	Device        recording.Device `json:"device"`
	// Waited is the time from the request to the first frames.
	Waited time.Duration `json:"waited_ns"`
	// Left is how much more recording fits on the disk.
	Left time.Duration `json:"left_ns"`
}

// StopRequest ends a recording. Where it ended already the answer is the same.
type StopRequest struct {
	// ID of the recording; empty for the one under way.
	ID recording.ID `json:"id,omitempty"`
}

// Stopped is the answer to a StopRequest: the file is final.
type Stopped struct {
	Manifest recording.Manifest `json:"manifest"`
	// Failure tells what could not be finished; nil in almost all cases.
	Failure *Failure `json:"failure,omitempty"`
}

// State is how the recorder is.
type State struct {
	PID       int       `json:"pid"`
	Version   string    `json:"version,omitempty"`
	StartedAt time.Time `json:"started_at"`
	Owners    int       `json:"owners"`
	Listeners int       `json:"listeners"`
	// Capture is the state of the device: idle, starting, recording, stopping or failed.
	Capture string `json:"capture"`
	// Outage is why no frames come just now; empty while they do.
	Outage   scout.GapReason  `json:"outage,omitempty"`
	Device   recording.Device `json:"device"`
	FrameAge time.Duration    `json:"frame_age_ns,omitempty"`
	// Callback is how long the callbacks of the device at hand took; nil without one.
	Callback  *Latency `json:"callback,omitempty"`
	FreeBytes uint64   `json:"free_bytes"`
	// Left is how much more recording in the format at hand fits on the disk; 0 where no format is.
	Left    time.Duration `json:"left_ns,omitempty"`
	DiskLow bool          `json:"disk_low,omitempty"`
	// Recording is the one under way, nil without.
	Recording *RecordingState `json:"recording,omitempty"`
	// Last is the recording that ended last in this process.
	Last *recording.Manifest `json:"last,omitempty"`
}

// Latency summarises durations.
type Latency struct {
	Count uint64        `json:"count"`
	P50   time.Duration `json:"p50_ns"`
	P99   time.Duration `json:"p99_ns"`
	P999  time.Duration `json:"p999_ns"`
	Max   time.Duration `json:"max_ns"`
}

// RecordingState is how the recording under way is.
type RecordingState struct {
	ID        recording.ID        `json:"id"`
	Stopping  bool                `json:"stopping,omitempty"`
	StartedAt time.Time           `json:"started_at"`
	Format    scout.Format        `json:"format"`
	Captured  uint64              `json:"captured_frames"` // delivered by the device, gaps included
	Written   uint64              `json:"written_frames"`  // in the file
	Synced    uint64              `json:"synced_frames"`   // would survive a loss of power
	Waiting   uint64              `json:"waiting_frames"`  // in the ring, for the disk
	Gaps      int                 `json:"gaps"`
	Lost      uint64              `json:"lost_frames"` // in those gaps
	Condition recording.Condition `json:"condition"`
	DriftPPM  *float64            `json:"drift_ppm,omitempty"`
	Rules     Rules               `json:"rules"`
}

// Gaps is the answer to KindGaps.
type Gaps struct {
	ID   recording.ID `json:"id,omitempty"`
	Gaps []scout.Gap  `json:"gaps"`
}

// Metrics is the answer to KindMetrics.
type Metrics struct {
	// Families are messages of Prometheus' data model (io.prometheus.client.MetricFamily), one each.
	Families [][]byte `json:"families"`
}

// ListenRequest asks for the frames of a recording that is under way.
type ListenRequest struct {
	ID   recording.ID `json:"id"`
	From uint64       `json:"from"`
}

// Listening is the answer to a ListenRequest.
type Listening struct {
	Format scout.Format `json:"format"`
}

// WatchLevelRequest asks for the level.
type WatchLevelRequest struct {
	// Every is the time between two levels; default and least 20 ms.
	Every time.Duration `json:"every_ns,omitempty"`
}

// EventKind is what an event tells.
type EventKind string

// The kinds of events.
const (
	EventStarted       EventKind = "recording_started"
	EventStopped       EventKind = "recording_stopped" // Manifest
	EventGap           EventKind = "gap"               // Gap
	EventDeviceLost    EventKind = "device_lost"       // Reason
	EventDeviceChanged EventKind = "device_changed"    // Device
	EventDeviceOpened  EventKind = "device_opened"     // Device
	EventCondition     EventKind = "condition"         // Condition
	EventDiskLow       EventKind = "disk_low"          // Left
	EventShutdown      EventKind = "shutdown"
)

// Event is something that happened.
type Event struct {
	Kind EventKind `json:"kind"`
	At   time.Time `json:"at"`
	// Missed is how many events before this one were dropped because the client was too slow.
	Missed    uint64              `json:"missed,omitempty"`
	ID        recording.ID        `json:"id,omitempty"`
	Gap       *scout.Gap          `json:"gap,omitempty"`
	Reason    scout.GapReason     `json:"reason,omitempty"`
	Device    *recording.Device   `json:"device,omitempty"`
	Condition recording.Condition `json:"condition,omitempty"`
	Left      time.Duration       `json:"left_ns,omitempty"`
	Manifest  *recording.Manifest `json:"manifest,omitempty"`
}

// Failure is an error as it travels.
type Failure struct {
	Code scout.Code `json:"code"`
	Text string     `json:"text"`
	Hint string     `json:"hint,omitempty"`
}

// FailureOf returns what travels for err.
func FailureOf(err error) Failure {
	return Failure{Code: scout.CodeOf(err), Text: err.Error(), Hint: scout.HintOf(err)}
}

// Err returns the error that travelled.
func (f Failure) Err() error {
	if _, known := known(f.Code); !known {
		f.Code = scout.CodeInternal
	}
	err := scout.Errorf(f.Code, "%w", errors.New(f.Text))
	if f.Hint != "" {
		err = err.WithHint("%s", f.Hint)
	}
	return err
}

func known(c scout.Code) (scout.Code, bool) {
	for _, k := range scout.Codes() {
		if k == c {
			return c, true
		}
	}
	return c, false
}
