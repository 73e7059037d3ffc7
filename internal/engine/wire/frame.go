package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/scout-speech/scout"
)

// ProtocolVersion is the version in Hello. Both sides must have the same one; it is raised when a
// frame changes its meaning, not when a JSON body gains an optional field.
const ProtocolVersion = 1

// Kind is what a frame says.
type Kind uint8

// The kinds of frames and who sends them.
const (
	KindLoad    Kind = 1 // parent: Load, the first frame, once
	KindHello   Kind = 2 // engine: Hello, when the model is ready
	KindRequest Kind = 3 // parent: Request
	KindResult  Kind = 4 // engine: Result of the request with the same id
	KindFailure Kind = 5 // engine: Failure of the request with the same id; id 0: of loading
	KindCancel  Kind = 6 // parent: stop the request with this id; answered by its Failure or Result
	KindPing    Kind = 7 // parent: empty body
	KindPong    Kind = 8 // engine: empty body, same id
)

const (
	prefixBytes = 4     // uint32, little-endian: length of what follows
	headBytes   = 1 + 8 // kind, id
	// MaxFrameBytes bounds a frame without its prefix: a minute of samples (3.84 MB) with room.
	MaxFrameBytes = 4 << 20
)

// Frame is one message as it stands on the wire.
type Frame struct {
	Kind Kind
	// ID pairs requests with answers; 0 belongs to the process as a whole.
	ID uint64
	// Body belongs to the Reader and is valid until its next call of Next.
	Body []byte
}

// Reader reads frames from a pipe.
type Reader struct {
	in   io.Reader
	head [prefixBytes + headBytes]byte
	body []byte
}

// NewReader returns a reader of frames. It reads in no larger steps than a frame.
func NewReader(in io.Reader) *Reader { return &Reader{in: in} }

// Next returns the next frame. It returns io.EOF when the pipe closed between two frames; every
// other failure is an error with scout.CodeEngineProtocol, after which the stream is useless.
func (r *Reader) Next() (Frame, error) {
	if _, err := io.ReadFull(r.in, r.head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return Frame{}, io.EOF
		}
		return Frame{}, scout.Errorf(scout.CodeEngineProtocol, "read frame head: %w", err)
	}
	length := binary.LittleEndian.Uint32(r.head[:prefixBytes])
	if length < headBytes || length > MaxFrameBytes {
		return Frame{}, scout.Errorf(scout.CodeEngineProtocol, "frame of %d bytes: want %d to %d", length, headBytes, MaxFrameBytes)
	}
	kind := Kind(r.head[prefixBytes])
	if kind < KindLoad || kind > KindPong {
		return Frame{}, scout.Errorf(scout.CodeEngineProtocol, "frame of unknown kind %d", kind)
	}
	if err := r.readBody(int(length) - headBytes); err != nil {
		return Frame{}, scout.Errorf(scout.CodeEngineProtocol, "read frame body of %d bytes: %w", length-headBytes, err)
	}
	return Frame{Kind: kind, ID: binary.LittleEndian.Uint64(r.head[prefixBytes+1:]), Body: r.body}, nil
}

// growStep bounds what a body that is announced but never comes can cost.
const growStep = 256 << 10

// readBody fills r.body with n bytes, growing it as bytes arrive.
func (r *Reader) readBody(n int) error {
	r.body = r.body[:0]
	for len(r.body) < n {
		step := min(n-len(r.body), max(growStep, cap(r.body)-len(r.body)))
		start := len(r.body)
		if cap(r.body) < start+step {
			grown := make([]byte, start, max(start+step, 2*cap(r.body)))
			copy(grown, r.body)
			r.body = grown
		}
		r.body = r.body[:start+step]
		if _, err := io.ReadFull(r.in, r.body[start:]); err != nil {
			if errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err // wrapped by Next
		}
	}
	return nil
}

// Writer writes frames to a pipe. It is safe for concurrent use; each frame is one Write.
type Writer struct {
	mu  sync.Mutex
	out io.Writer
	buf []byte
}

// NewWriter returns a writer of frames.
func NewWriter(out io.Writer) *Writer { return &Writer{out: out} }

// Write sends one frame whose body appendBody appends to its argument and returns; nil means no
// body. A frame over MaxFrameBytes is refused before anything is written.
func (w *Writer) Write(kind Kind, id uint64, appendBody func([]byte) ([]byte, error)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = append(w.buf[:0], 0, 0, 0, 0, byte(kind))
	buf := binary.LittleEndian.AppendUint64(w.buf, id)
	if appendBody != nil {
		var err error
		if buf, err = appendBody(buf); err != nil {
			return err
		}
	}
	w.buf = buf
	length := len(buf) - prefixBytes
	if length > MaxFrameBytes {
		return scout.Errorf(scout.CodeInvalidArgument, "frame of %d bytes: at most %d", length, MaxFrameBytes)
	}
	binary.LittleEndian.PutUint32(buf, uint32(length))
	if _, err := w.out.Write(buf); err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return nil
}
