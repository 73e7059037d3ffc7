package wire

import (
	"io"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/frame"
)

// ProtocolVersion is the version in Hello. Both sides must have the same one. It changes when a frame changes its
// meaning, not when a JSON body gains an optional field.
const ProtocolVersion = 2

// Kind is the kind of a frame.
type Kind uint8

// The kinds of frames and who sends them.
const (
	KindLoad    Kind = 1 // parent: Load, the first frame, once
	KindHello   Kind = 2 // engine: Hello, when the model is ready
	KindRequest Kind = 3 // parent: Request
	KindResult  Kind = 4 // engine: Result of the request with the same id
	KindFailure Kind = 5 // engine: Failure of the request with the same id; id 0: of the process
	KindCancel  Kind = 6 // parent: stop the request with this id; answered by its Failure or Result
	KindBeat    Kind = 7 // engine: Beat, while it loads or a request runs
)

// MaxFrameBytes bounds a frame without its prefix: a minute of samples (3.84 MB) with room.
const MaxFrameBytes = 4 << 20

// A pipe that ends within a frame belongs to an engine that ended without giving a reason.
var protocol = &frame.Protocol[Kind]{
	MaxBytes: MaxFrameBytes, Known: func(k Kind) bool { return k >= KindLoad && k <= KindBeat },
	Malformed: scout.CodeEngineProtocol, Broken: scout.CodeEngineProtocol, TooLong: scout.CodeInvalidArgument,
}

// Frame is one message. Its id pairs requests with answers; 0 belongs to the process as a whole.
type Frame = frame.Frame[Kind]

// Reader reads frames. It fails with engine_protocol, or with io.EOF if the pipe was closed between two frames.
type Reader = frame.Reader[Kind]

// Writer writes frames. It refuses one over MaxFrameBytes with invalid_argument.
type Writer = frame.Writer[Kind]

// NewReader returns a reader of frames from a pipe.
func NewReader(in io.Reader) *Reader { return frame.NewReader(in, protocol) }

// NewWriter returns a writer of frames to a pipe.
func NewWriter(out io.Writer) *Writer { return frame.NewWriter(out, protocol) }
