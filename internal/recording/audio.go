package recording

import (
	"errors"
	"io"
	"os"
	"slices"

	"github.com/scout-speech/scout"
)

// audioFile is what the WAV of a recording says about itself.
type audioFile struct {
	header header // zero if the file does not begin with a header of ours
	size   int64  // of the file
	frames uint64 // whole frames in the file, whatever the header claims; 0 without a header
	// foreign says that the file begins like that of another program: neither with a former header of ours, nor with
	// the zeros of a page that never reached the disk.
	foreign bool
}

// inspect looks at the WAV at path. A missing or unreadable file is an error; a damaged one is not.
func inspect(path string) (a audioFile, err error) {
	f, err := os.Open(path)
	if err != nil {
		return audioFile{}, scout.FileError(scout.CodeReadFailed, "read recording", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return audioFile{}, scout.FileError(scout.CodeReadFailed, "read recording", err)
	}
	var b [HeaderBytes]byte
	n, err := io.ReadFull(f, b[:])
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return audioFile{}, scout.FileError(scout.CodeReadFailed, "read recording", err)
	}
	a = audioFile{size: info.Size()}
	if h, ok := decodeHeader(b[:n]); ok {
		a.header = h
		a.frames = framesIn(a.size, h.format)
		return a, nil
	}
	a.foreign = !slices.Equal(b[offsetScout:offsetScout+4], []byte("scut")) && b != [HeaderBytes]byte{}
	return a, nil
}

// framesIn returns how many whole frames a file of that size holds.
func framesIn(size int64, format scout.Format) uint64 {
	if size <= HeaderBytes {
		return 0
	}
	return uint64(size-HeaderBytes) / uint64(format.FrameBytes())
}
