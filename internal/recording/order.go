package recording

import (
	"time"

	"github.com/scout-speech/scout"
)

// Rules say when a recording ends by itself.
type Rules struct {
	// MaxDuration is the length at which the recording ends, gaps and pre-roll included; 0 for no limit.
	MaxDuration time.Duration `json:"max_duration_ns,omitempty"`
	// NoOwnerFor is how long it continues without an owner; 0 for ever.
	NoOwnerFor time.Duration `json:"no_owner_for_ns,omitempty"`
}

// Order is everything that was requested when a recording began. It stays with the recording: a client that takes the
// recording over, and a recorder that resumes it after a crash, use the same order.
type Order struct {
	// ID is chosen by the client, so that repeating the order begins only one recording; empty for a new one.
	ID     ID           `json:"id,omitempty"`
	Format scout.Format `json:"format"`
	// Device as in capture: an id, a name, a part of one, a virtual device; empty for the default.
	Device string `json:"device,omitempty"`
	// OnLoss, Warm, Preroll, Buffer as in capture.Options.
	OnLoss  string        `json:"on_loss,omitempty"`
	Warm    bool          `json:"warm,omitempty"`
	Preroll time.Duration `json:"preroll_ns,omitempty"`
	Buffer  time.Duration `json:"buffer_ns,omitempty"`
	// AskedAt is when a person asked for the recording: the pre-roll ends there. The zero value means when the order comes.
	AskedAt time.Time         `json:"asked_at,omitzero"`
	Rules   Rules             `json:"rules"`
	Labels  map[string]string `json:"labels,omitempty"`
	// Environment is the client's.
	Environment Environment `json:"environment,omitzero"`
}

// Started is the result of an order: frames are arriving.
type Started struct {
	ID ID `json:"id"`
	// Already says that the recording with this id was already running.
	Already bool `json:"already,omitempty"`
	// StartedAt is the wall time of frame 0. PrerollFrames of the frames were captured before the order.
	StartedAt     time.Time    `json:"started_at"`
	PrerollFrames uint64       `json:"preroll_frames,omitempty"`
	Format        scout.Format `json:"format"`
	Device        Device       `json:"device"`
	// Waited is the time from the order to the first frames.
	Waited time.Duration `json:"waited_ns"`
	// Left is how much more recording fits on the disk.
	Left time.Duration `json:"left_ns"`
}
