// Package frame reads and writes messages with a length prefix. The engine's pipes and the recorder's socket share it.
// A reader distrusts its input: it allocates no more than has arrived, and never panics (fuzzed where the protocols
// are).
//
// A frame is a uint32 with the length of the rest, a byte for the kind, a uint64 that pairs answers with requests, and
// a body; numbers are little-endian.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/scout-speech/scout"
)

const (
	prefixBytes = 4
	headBytes   = 1 + 8 // kind, id
	// growStep bounds the cost of a body that is announced but never comes.
	growStep = 64 << 10
)

// Kind is a protocol's type for the kinds of its frames.
type Kind interface{ ~uint8 }

// Protocol is what two sides agree on.
type Protocol[K Kind] struct {
	// MaxBytes bounds a frame without its prefix.
	MaxBytes int
	// Known reports whether the protocol has frames of that kind.
	Known func(K) bool
	// Malformed is the error code for bytes outside the protocol. TooLong is the code for a frame to be written that is
	// longer than MaxBytes.
	Malformed, TooLong scout.Code
	// Broken is the code of a stream that fails or ends within a frame; empty for the stream's own error.
	Broken scout.Code
}

// Frame is one message as it is on the wire.
type Frame[K Kind] struct {
	Kind K
	// ID pairs requests with answers.
	ID uint64
	// Body belongs to the Reader and is valid until its next call of Next.
	Body []byte
}

// Reader reads frames from a stream and never allocates more than one frame. Only one goroutine may use it.
type Reader[K Kind] struct {
	in       io.Reader
	protocol *Protocol[K]
	head     [prefixBytes + headBytes]byte
	body     []byte
}

// NewReader returns a reader of frames.
func NewReader[K Kind](in io.Reader, protocol *Protocol[K]) *Reader[K] {
	return &Reader[K]{in: in, protocol: protocol}
}

// Next returns the next frame. It returns io.EOF if the stream was closed between two frames. After any other error the
// stream cannot be used.
func (r *Reader[K]) Next() (Frame[K], error) {
	if _, err := io.ReadFull(r.in, r.head[:]); err != nil {
		if errors.Is(err, io.EOF) {
			return Frame[K]{}, io.EOF
		}
		return Frame[K]{}, r.broken("read frame head: %w", err)
	}
	length := binary.LittleEndian.Uint32(r.head[:prefixBytes])
	if length < headBytes || uint64(length) > uint64(r.protocol.MaxBytes) {
		return Frame[K]{}, scout.Errorf(r.protocol.Malformed, "frame of %d bytes: want %d to %d", length, headBytes, r.protocol.MaxBytes)
	}
	kind := K(r.head[prefixBytes])
	if !r.protocol.Known(kind) {
		return Frame[K]{}, scout.Errorf(r.protocol.Malformed, "frame of unknown kind %d", kind)
	}
	if err := r.readBody(int(length) - headBytes); err != nil {
		return Frame[K]{}, r.broken("read frame body of %d bytes: %w", length-headBytes, err)
	}
	return Frame[K]{Kind: kind, ID: binary.LittleEndian.Uint64(r.head[prefixBytes+1:]), Body: r.body}, nil
}

func (r *Reader[K]) broken(format string, args ...any) error {
	if r.protocol.Broken == "" {
		return fmt.Errorf(format, args...)
	}
	return scout.Errorf(r.protocol.Broken, format, args...)
}

// readBody fills r.body with n bytes, growing it as bytes arrive.
func (r *Reader[K]) readBody(n int) error {
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
			return err // Next adds what was being done
		}
	}
	return nil
}

// Writer writes frames to a stream. It is safe for concurrent use; each frame is one Write.
type Writer[K Kind] struct {
	mu       sync.Mutex
	out      io.Writer
	protocol *Protocol[K]
	buf      []byte
}

// NewWriter returns a writer of frames.
func NewWriter[K Kind](out io.Writer, protocol *Protocol[K]) *Writer[K] {
	return &Writer[K]{out: out, protocol: protocol}
}

// Write sends one frame. appendBody appends the body to its argument and returns the result; nil means no body. A frame
// over MaxBytes is refused before anything is written.
func (w *Writer[K]) Write(kind K, id uint64, appendBody func([]byte) ([]byte, error)) error {
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
	if length > w.protocol.MaxBytes {
		return scout.Errorf(w.protocol.TooLong, "frame of %d bytes: at most %d", length, w.protocol.MaxBytes)
	}
	binary.LittleEndian.PutUint32(buf, uint32(length))
	if _, err := w.out.Write(buf); err != nil {
		return fmt.Errorf("write frame: %w", err)
	}
	return nil
}
