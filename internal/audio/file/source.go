package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/scout-speech/scout"
)

const (
	// sniffLook is how much of an input is read to recognise it: a stream is recognised or refused within 64 kB.
	sniffLook = 64_000
	// sniffBytes is the read-ahead of every decoder. It holds any Ogg page (65,307 bytes).
	sniffBytes = 128 << 10
)

var errShrunk = errors.New("the file became shorter while it was read")

// source is the input as bytes. It distinguishes a true end from a failure, which decoding libraries do not.
type source struct {
	name   string
	path   string // of a regular file, else empty
	size   int64  // when it was opened, -1 when unknown
	r      io.Reader
	closer io.Closer
	temp   string // file to remove at the end

	ctx  context.Context // of the Reader
	buf  *bufio.Reader
	read int64
	// limit is the offset up to which the input is read at present; 0 for no limit.
	limit int64
	tags  int64 // bytes of zeros and tags that nextStart skipped
	// destroyed counts bytes before the first frame.
	destroyed int64
	err       error // first failure, not io.EOF
	// inside is set for a look into another file.
	inside bool
}

func (s *source) begin(ctx context.Context) {
	s.ctx = ctx
	s.buf = bufio.NewReaderSize(countedReader{s}, sniffBytes)
}

// countedReader reads from the input and records how it ends.
type countedReader struct{ s *source }

func (c countedReader) Read(p []byte) (int, error) {
	s := c.s
	if s.err != nil {
		return 0, s.err
	}
	if err := s.ctx.Err(); err != nil {
		s.err = err
		return 0, err
	}
	if s.limit > s.read {
		p = p[:min(int64(len(p)), s.limit-s.read)]
	}
	n, err := s.r.Read(p)
	s.read += int64(n)
	if errors.Is(err, io.EOF) && s.read < s.size {
		err = errShrunk
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// failure returns why the input ended too early, nil if it did not.
func (s *source) failure() error {
	if s.err == nil {
		return nil
	}
	return scout.FileError(scout.CodeReadFailed, fmt.Sprintf("read at byte %d", s.read), s.err)
}

// pos returns the offset of the next byte that a decoder takes.
func (s *source) pos() int64 { return s.read - int64(s.buf.Buffered()) }

// seek moves to an offset of a regular file.
func (s *source) seek(offset int64) error {
	seeker, ok := s.r.(io.Seeker)
	if !ok || s.path == "" {
		return scout.Errorf(scout.CodeInternal, "%s cannot be read twice", s.name)
	}
	if _, err := seeker.Seek(offset, io.SeekStart); err != nil {
		return scout.FileError(scout.CodeReadFailed, fmt.Sprintf("go to byte %d", offset), err)
	}
	s.read, s.err = offset, nil
	s.buf.Reset(countedReader{s})
	return nil
}

// shrunk returns an error if a file that another process read has changed since the beginning.
func (s *source) shrunk() error {
	if s.path == "" {
		return nil // a stream
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "look at the file again", err)
	}
	if info.Size() < s.size {
		return scout.Errorf(scout.CodeReadFailed, "read: %w", errShrunk)
	}
	return nil
}

func (s *source) close() error {
	var err error
	if s.closer != nil {
		err = s.closer.Close()
		s.closer = nil
	}
	if s.temp != "" {
		err = errors.Join(err, os.Remove(s.temp))
		s.temp = ""
	}
	return err
}
