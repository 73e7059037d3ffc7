package wire

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/frame"
)

// ProtocolVersion is the version in Hello. Both sides must have the same one. It changes when a frame changes its
// meaning, not when a JSON body gains an optional field.
const ProtocolVersion = 2

// Kind is the kind of a frame.
type Kind uint8

// The kinds of frames that clients send. Each is answered by Reply or Failure with the same id. After the
// reply to one of the three streams the connection belongs to that stream, and the client sends nothing more.
const (
	KindHello       Kind = 1  // Hello, the first frame, once
	KindStart       Kind = 2  // Start; Reply: recording.Started
	KindStop        Kind = 3  // Stop; Reply: Stopped
	KindStatus      Kind = 4  // empty; Reply: recording.Status
	KindAdopt       Kind = 5  // Adopt; Reply: Adopted
	KindMetrics     Kind = 6  // empty; Reply: Metrics
	KindShutdown    Kind = 7  // Shutdown; Reply: empty object, then the process finishes its recording and ends
	KindListen      Kind = 8  // Listen; Reply: Listening; then Frames, Missed and at last End
	KindWatchLevel  Kind = 9  // WatchLevel; Reply: empty object; then Level
	KindWatchEvents Kind = 10 // empty; Reply: empty object; then Event
)

// The kinds of frames that recorders send.
const (
	KindWelcome Kind = 64 // Welcome, the answer to Hello
	KindReply   Kind = 65 // JSON, the answer to the request with the same id
	KindFailure Kind = 66 // Failure, the answer to the request with the same id, or the end of the stream
	KindFrames  Kind = 67 // position and audio: see AppendFrames
	KindMissed  Kind = 68 // two positions: see AppendMissed
	KindEnd     Kind = 69 // one position: how long the recording was
	KindLevel   Kind = 70 // see AppendLevel
	KindEvent   Kind = 71 // recording.Event
)

func (k Kind) valid() bool {
	return (k >= KindHello && k <= KindWatchEvents) || (k >= KindWelcome && k <= KindEvent)
}

// MaxFrameBytes bounds a frame without its prefix: a manifest with some 100,000 gaps.
const MaxFrameBytes = 16 << 20

var protocol = &frame.Protocol[Kind]{
	MaxBytes: MaxFrameBytes, Known: Kind.valid, Malformed: scout.CodeRecorderProtocol, TooLong: scout.CodeRecorderProtocol,
}

// Frame is one message. Its id pairs requests with answers.
type Frame = frame.Frame[Kind]

// Reader reads frames. It fails with recorder_protocol for bytes outside the protocol, with io.EOF if the connection
// was closed between two frames, and with the connection's own error.
type Reader = frame.Reader[Kind]

// NewReader returns a reader of frames from a connection.
func NewReader(in io.Reader) *Reader { return frame.NewReader(in, protocol) }

// Writer writes frames to a connection. It is safe for concurrent use; each frame is one Write. A frame over
// MaxFrameBytes is refused with recorder_protocol.
type Writer struct{ *frame.Writer[Kind] }

// NewWriter returns a writer of frames.
func NewWriter(out io.Writer) *Writer { return &Writer{frame.NewWriter(out, protocol)} }

// WriteJSON sends a frame whose body is v as JSON.
func (w *Writer) WriteJSON(kind Kind, id uint64, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode frame: %w", err)
	}
	return w.Write(kind, id, func(buf []byte) ([]byte, error) { return append(buf, data...), nil })
}

// DecodeJSON reads a JSON body into v, which points to the type that belongs to the frame's kind.
func DecodeJSON(f Frame, v any) error {
	if err := json.Unmarshal(f.Body, v); err != nil {
		return scout.Errorf(scout.CodeRecorderProtocol, "body of frame kind %d: %w", f.Kind, err)
	}
	return nil
}
