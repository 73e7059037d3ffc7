package wire

import (
	"encoding/binary"
	"encoding/json"
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

// The kinds of frames that clients send. Each but Cancel is answered by Reply or Failure with the
// same id; the Watch kinds are followed by frames with that id until Cancel.
const (
	KindHello       Kind = 1 // Hello, the first frame, once
	KindStart       Kind = 2 // StartRequest; Reply: Started
	KindStop        Kind = 3 // StopRequest; Reply: Stopped
	KindState       Kind = 4 // empty; Reply: State
	KindGaps        Kind = 5 // empty; Reply: Gaps of the recording under way or the last one
	KindMetrics     Kind = 6 // empty; Reply: Metrics
	KindShutdown    Kind = 7 // empty; Reply: empty object, then the process stops its recording and ends
	KindListen      Kind = 8 // ListenRequest; Reply: Listening; then Frames, Missed and at last End
	KindWatchLevel  Kind = 9 // WatchLevelRequest; Reply: empty object; then Level
	KindWatchEvents Kind = 10
	KindCancel      Kind = 11 // empty: ends what the frame with this id began
)

// The kinds of frames that recorders send.
const (
	KindWelcome Kind = 64 // Welcome, the answer to Hello
	KindReply   Kind = 65 // JSON, the answer to the request with the same id
	KindFailure Kind = 66 // Failure, the answer to the request with the same id, or the end of a stream
	KindFrames  Kind = 67 // position and audio: see AppendFrames
	KindMissed  Kind = 68 // two positions: see AppendMissed
	KindEnd     Kind = 69 // one position: how long the recording was
	KindLevel   Kind = 70 // see AppendLevel
	KindEvent   Kind = 71 // Event
)

func (k Kind) valid() bool {
	return (k >= KindHello && k <= KindCancel) || (k >= KindWelcome && k <= KindEvent)
}

const (
	prefixBytes = 4     // uint32, little-endian: length of what follows
	headBytes   = 1 + 8 // kind, id
	// MaxFrameBytes bounds a frame without its prefix: a manifest with some 100,000 gaps.
	MaxFrameBytes = 16 << 20
	// growStep bounds what a body that is announced but never comes can cost.
	growStep = 64 << 10
)

// Frame is one message as it stands on the wire.
type Frame struct {
	Kind Kind
	// ID pairs requests with answers.
	ID uint64
	// Body belongs to the Reader and is valid until its next call of Next.
	Body []byte
}

// Reader reads frames from a connection. One goroutine may use it.
type Reader struct {
	in   io.Reader
	head [prefixBytes + headBytes]byte
	body []byte
}

// NewReader returns a reader of frames.
func NewReader(in io.Reader) *Reader { return &Reader{in: in} }

// Next returns the next frame. It returns io.EOF when the connection closed between two frames;
// bytes outside the protocol give an error with scout.CodeRecorderProtocol, after which the stream
// is useless.
func (r *Reader) Next() (Frame, error) {
	if _, err := io.ReadFull(r.in, r.head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return Frame{}, io.EOF
		}
		return Frame{}, fmt.Errorf("read frame head: %w", err)
	}
	length := binary.LittleEndian.Uint32(r.head[:prefixBytes])
	if length < headBytes || length > MaxFrameBytes {
		return Frame{}, scout.Errorf(scout.CodeRecorderProtocol, "frame of %d bytes: want %d to %d", length, headBytes, MaxFrameBytes)
	}
	kind := Kind(r.head[prefixBytes])
	if !kind.valid() {
		return Frame{}, scout.Errorf(scout.CodeRecorderProtocol, "frame of unknown kind %d", kind)
	}
	if err := r.readBody(int(length) - headBytes); err != nil {
		return Frame{}, fmt.Errorf("read frame body of %d bytes: %w", length-headBytes, err)
	}
	return Frame{Kind: kind, ID: binary.LittleEndian.Uint64(r.head[prefixBytes+1:]), Body: r.body}, nil
}

// readBody fills r.body with n bytes, growing it as bytes arrive.
func (r *Reader) readBody(n int) error {
	r.body = r.body[:0]
	for len(r.body) < n {
		start := len(r.body)
		step := min(n-start, max(growStep, cap(r.body)-start))
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
			return err
		}
	}
	return nil
}

// Writer writes frames to a connection. It is safe for concurrent use; each frame is one Write.
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
		return scout.Errorf(scout.CodeRecorderProtocol, "frame of %d bytes: at most %d", length, MaxFrameBytes)
	}
	binary.LittleEndian.PutUint32(buf, uint32(length))
	if _, err := w.out.Write(buf); err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return nil
}

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
