package recording

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/scout-speech/scout"
)

// Reader reads frames of a recording by position, even while it is being written.
type Reader struct {
	file   *os.File
	format scout.Format
}

// OpenAudio opens the audio of a recording for reading. The caller closes it.
func (f *Folder) OpenAudio(id ID) (*Reader, error) {
	m, err := f.Manifest(id)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(f.AudioPath(id))
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "open recording", err)
	}
	return &Reader{file: file, format: m.Format}, nil
}

// Format returns the format of the frames.
func (r *Reader) Format() scout.Format { return r.format }

// Frames returns how many frames are in the file now.
func (r *Reader) Frames() (uint64, error) {
	info, err := r.file.Stat()
	if err != nil {
		return 0, scout.FileError(scout.CodeReadFailed, "read recording", err)
	}
	return framesIn(info.Size(), r.format), nil
}

// ReadAt copies whole frames beginning at pos into dst, as bytes in the recording's format, and returns how many frames
// it copied. It returns io.EOF if pos is at or after the present end of the file; more may come later.
func (r *Reader) ReadAt(pos scout.Position, dst []byte) (frames int, err error) {
	size := r.format.FrameBytes()
	dst = dst[:len(dst)/size*size]
	if uint64(pos) > 1<<62/uint64(size) {
		return 0, fmt.Errorf("read recording at frame %d: %w", pos, io.EOF)
	}
	n, err := r.file.ReadAt(dst, HeaderBytes+int64(pos)*int64(size))
	frames = n / size
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return frames, scout.FileError(scout.CodeReadFailed, "read recording", err)
	case frames == 0 && len(dst) > 0:
		return 0, io.EOF
	}
	return frames, nil
}

// Close closes the file.
func (r *Reader) Close() error {
	return scout.FileError(scout.CodeReadFailed, "close recording", r.file.Close())
}
