package capture

import (
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture/sound"
)

// Reasons of gaps. They are part of the public contract.
const (
	// GapDeviceLost is a device that went away.
	GapDeviceLost scout.GapReason = "device_lost"
	// GapServerLost is a sound server that ended or restarted.
	GapServerLost scout.GapReason = "server_lost"
	// GapStalled is a device that stopped delivering without a reason.
	GapStalled scout.GapReason = "device_stalled"
	// GapSuspended is a device that the system put to sleep.
	GapSuspended scout.GapReason = "device_suspended"
	// GapMissing is frames that the device or the sound server dropped while the stream continued.
	GapMissing scout.GapReason = "frames_missing"
	// GapOverrun is frames that came faster than this program took them from the callback.
	GapOverrun scout.GapReason = "callback_overrun"
)

// State is the state of a session.
type State string

// The states of a session.
const (
	StateIdle      State = "idle"
	StateStarting  State = "starting"
	StateRecording State = "recording"
	StateStopping  State = "stopping"
	StateFailed    State = "failed"
)

// EventKind says what happened. Kinds are part of the public contract.
type EventKind string

// The kinds of events. Beside each are the fields that it sets in addition to Kind, At and Frame.
const (
	KindStateChanged  EventKind = "state_changed"  // State
	KindDeviceOpened  EventKind = "device_opened"  // Device: first frames came
	KindDeviceChanged EventKind = "device_changed" // Device: the system moved the stream
	KindDeviceLost    EventKind = "device_lost"    // Device, Reason: no frames until it is back
	KindGapBegan      EventKind = "gap_began"      // Gap without its length
	KindGapEnded      EventKind = "gap_ended"      // Gap
	KindInputEnded    EventKind = "input_ended"    // a file or signal played to its end
	KindFailed        EventKind = "failed"         // Err
)

// Event is something that happened to a session.
type Event struct {
	Kind EventKind
	At   time.Time
	// Frame is the position in the ring.
	Frame  ring.Position
	State  State
	Device sound.Device
	Reason scout.GapReason
	Gap    Gap
	Err    error
}
