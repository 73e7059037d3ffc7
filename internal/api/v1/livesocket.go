package v1

import "github.com/scout-speech/scout/internal/dictate/event"

// LiveProtocol is the subprotocol of the WebSocket GET /live.
const LiveProtocol = "scout-live.v1"

// KeyProtocol precedes a key among the subprotocols that a client offers: pages cannot send a header.
const KeyProtocol = "openai-insecure-api-key."

// LivePositionBytes is the length of the position that precedes the sound in a binary message: that of the first frame, little-endian.
const LivePositionBytes = 8

// LiveMessageBytes is the size of the largest message that a client may send.
const LiveMessageBytes = 1 << 20

// Types of the messages of GET /live, besides those of events.
const (
	LiveTypeStart  = "start"
	LiveTypeStop   = "stop"
	LiveTypeCancel = "cancel"
	LiveTypeReady  = "ready"
	LiveTypeAck    = "ack"
	LiveTypeError  = "error"
)

// LiveBegin is the first message of a client: it begins a session, or goes on with one.
type LiveBegin struct {
	Type   string     `json:"type"`
	ID     string     `json:"id,omitempty"`
	Format LiveFormat `json:"format,omitzero"`
	// After is the number of the last event that the client has; Level asks for levels, too.
	After uint64   `json:"after,omitempty"`
	Level bool     `json:"level,omitempty"`
	Title string   `json:"title,omitempty"`
	Tags  []string `json:"tags,omitempty"`
	TextOptions
}

// LiveFormat is that of the frames that a client sends.
type LiveFormat struct {
	SampleRate   int    `json:"sample_rate"`
	Channels     int    `json:"channels"`
	SampleFormat string `json:"sample_format"`
}

// LiveEnd is a message that ends a session: with Frames, how many there are; nil for those that were sent.
type LiveEnd struct {
	Type   string  `json:"type"`
	Frames *uint64 `json:"frames,omitempty"`
}

// LiveOpened answers LiveBegin: the session takes frames from NextFrame on.
type LiveOpened struct {
	Type      string `json:"type"`
	ID        string `json:"id"`
	NextFrame uint64 `json:"next_frame"`
	// Ended is why a session has ended that a client wanted to go on with; empty for one that goes on.
	Ended string `json:"ended,omitempty"`
}

// LiveAcked says that every frame before Frames is on the disk.
type LiveAcked struct {
	Type   string `json:"type"`
	Frames uint64 `json:"frames"`
}

// LiveFailure says why the server closes the connection.
type LiveFailure struct {
	Type  string `json:"type"`
	Error Error  `json:"error"`
}

// LiveMessage is any message of the server, to be read by its Type: an event has its fields, LiveOpened and LiveAcked theirs, and LiveFailure an
// Error.
type LiveMessage struct {
	event.Event
	ID        string `json:"id,omitempty"`
	NextFrame uint64 `json:"next_frame,omitempty"`
	Ended     string `json:"ended,omitempty"`
}
