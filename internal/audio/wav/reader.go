package wav

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
)

// bufferBytes is the reader's memory, whatever the header says: it holds at least 128 of the largest
// frames (64 channels of 8 bytes).
const bufferBytes = 64 << 10

// Reader reads the samples of one file. It is not safe for concurrent use.
type Reader struct {
	src      *bufio.Reader
	pos      int64 // bytes taken from src
	header   header
	left     int64 // bytes of samples to come as declared, unknownLength for all
	declared int64 // of the data chunk that is read
	frames   int64 // frames given out
	scratch  []byte
	warnings []scout.Warning
	err      error // sticky

	startsFile func(head []byte) bool // see NewPartReader

	next         *Reader         // see Next
	nextWarnings []scout.Warning // of the format chunk before it
}

// Next returns a reader for the samples of another format that follow in the file, behind a format chunk of their own;
// nil where there are none. It goes on with the source of r, after r returned io.EOF. It may hold less than a frame.
func (r *Reader) Next() *Reader { return r.next }

// Wait blocks until the next frame is there or the source ended, without taking it.
func (r *Reader) Wait() error {
	_, err := r.src.Peek(1)
	return err
}

// NewReader reads the header from r, up to the first sample. It needs no seeking and reads no further
// than its buffer of 64 KiB ahead. Errors:
//
//	scout.CodeAudioEmpty        no data at all, or a header without a single whole frame after it
//	scout.CodeAudioCorrupt      not a WAV file, or a header that contradicts itself
//	scout.CodeAudioUnsupported  a rate, channel count or codec (ErrCodec) that is not read
//	scout.CodeReadFailed        r failed
func NewReader(r io.Reader) (*Reader, error) {
	return newReader(r, nil)
}

// NewPartReader reads a WAV file behind which another file may stand, of whatever format. It stops in
// front of that file, without taking a byte of it from r if that is a bufio.Reader of at least 64 KiB. Another WAV
// file is found anywhere among the samples as well, since a header whose length is wrong hides it.
//
//	startsFile  tells whether bytes, at most 64 KiB, begin a file of another format
//
// Errors as of NewReader.
func NewPartReader(r io.Reader, startsFile func(head []byte) bool) (*Reader, error) {
	return newReader(r, startsFile)
}

func newReader(r io.Reader, startsFile func(head []byte) bool) (*Reader, error) {
	reader := &Reader{
		src: bufio.NewReaderSize(r, bufferBytes), scratch: make([]byte, bufferBytes), startsFile: startsFile,
	}
	var err error
	if reader.header, err = reader.readHeader(); err != nil {
		return nil, err
	}
	reader.warnings = reader.header.warnings
	reader.left, reader.declared = reader.header.dataBytes, reader.header.dataBytes
	size := reader.header.format.frameBytes()
	if reader.left != 0 {
		_, err = reader.src.Peek(size)
	}
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, scout.FileError(scout.CodeReadFailed, "read samples", err)
	case err != nil, reader.left >= 0 && reader.left < int64(size):
		return nil, scout.Errorf(scout.CodeAudioEmpty, "a header without samples")
	}
	return reader, nil
}

// Format returns what the header says about the samples.
func (r *Reader) Format() Format { return r.header.format }

// Frames returns the length that the header declares, -1 where it declares none. The file may hold
// less or more.
func (r *Reader) Frames() int64 {
	if r.header.dataBytes < 0 {
		return -1
	}
	return r.header.dataBytes / int64(r.header.format.frameBytes())
}

// Warnings returns what was found wrong so far and put right. It is complete after io.EOF.
func (r *Reader) Warnings() []scout.Warning { return r.warnings }

// Read reads samples as float32, full scale at ±1; those of float files are passed on as they are,
// NaN included.
//
//	dst  interleaved, shape [frames*channels]; room for at least one frame
//
// It returns the number of frames read. At the end of the samples it returns 0 and io.EOF, also when
// the file was cut off: the warnings tell. Another error (scout.CodeReadFailed) is one of the source.
// Errors come after all frames before them, and stay.
func (r *Reader) Read(dst []float32) (frames int, err error) {
	format := r.header.format
	size := format.frameBytes()
	room := min(len(dst)/format.Channels, len(r.scratch)/size)
	if room == 0 {
		return 0, io.ErrShortBuffer
	}
	n, err := r.ReadBytes(r.scratch[:room*size])
	return audio.Decode(dst, r.scratch[:n], format.Encoding) / format.Channels, err
}

// ReadBytes reads whole frames as they are stored. It returns a multiple of frameBytes and the errors
// of Read.
//
//	dst  room for at least one frame
func (r *Reader) ReadBytes(dst []byte) (n int, err error) {
	size := r.header.format.frameBytes()
	dst = dst[:len(dst)/size*size]
	if len(dst) == 0 {
		return 0, io.ErrShortBuffer
	}
	if r.err != nil {
		return 0, r.err
	}
	for r.left >= 0 && r.left < int64(size) {
		if err := r.endOfData(); err != nil {
			return 0, r.finish(err)
		}
	}
	if r.left >= 0 {
		dst = dst[:min(int64(len(dst)), r.left/int64(size)*int64(size))]
	}
	if r.startsFile != nil {
		if dst, err = r.beforeJoint(dst); err != nil {
			return 0, err
		}
	}
	n, err = io.ReadFull(r.src, dst)
	r.pos += int64(n)
	if r.left >= 0 {
		r.left -= int64(n)
	}
	part := n % size
	n -= part
	r.frames += int64(n / size)
	if err != nil {
		err = r.readError(err, part)
		if n == 0 {
			return 0, err
		}
	}
	return n, nil
}

// readError is the end of the source in the middle of the samples, for better or worse.
func (r *Reader) readError(err error, part int) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return r.finish(scout.FileError(scout.CodeReadFailed, fmt.Sprintf("read samples after %v", r.time(r.frames)), err))
	}
	if r.left > 0 && (r.header.proven || !Rounded(r.declared)) {
		r.warn(scout.Warnf(scout.WarningCutOff, "cut off: the header promises %v of audio, %v are there",
			r.time(r.frames+r.left/int64(r.header.format.frameBytes())), r.time(r.frames)).
			From(r.time(r.frames)).To(r.time(r.frames + r.left/int64(r.header.format.frameBytes()))))
	} else if part > 0 {
		r.warn(scout.Warnf(scout.WarningFormat, "the last frame is incomplete and was left out"))
	}
	return r.finish(io.EOF)
}

func (r *Reader) finish(err error) error {
	r.err = err
	return err
}

func (r *Reader) warn(w scout.Warning) {
	r.warnings = append(r.warnings, w)
}

func (r *Reader) time(frames int64) time.Duration {
	seconds := float64(frames) / float64(r.header.format.SampleRateHz)
	if seconds > 1e9 { // an absurd header; a Duration holds 9e9 s
		seconds = 1e9
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond)
}

func (r *Reader) readFull(dst []byte) error {
	n, err := io.ReadFull(r.src, dst)
	r.pos += int64(n)
	return err
}

func (r *Reader) skip(n int64) error {
	for n > 0 {
		step := int(min(n, 1<<30))
		skipped, err := r.src.Discard(step)
		r.pos += int64(skipped)
		n -= int64(skipped)
		if err != nil {
			return err
		}
	}
	return nil
}
