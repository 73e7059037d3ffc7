package file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/scout-speech/scout"
)

const (
	// DefaultSpoolLimit bounds the copy of a stream: some days of compressed audio, or a film.
	DefaultSpoolLimit = 8 << 30
	// spoolReserve stays free on the disk of the copy, or a tenth of a smaller disk: an hour of recording in stereo at
	// 48 kHz fits into it.
	spoolReserve = 512 << 20
	// spoolStep is how much is copied between two checks of the free space.
	spoolStep = 16 << 20
)

// spool copies a stream into a file: what was already examined and all the rest. Offsets count from here on.
func (s *source) spool(opts Options) error {
	if s.path != "" {
		return nil
	}
	dir := opts.TempDir
	if dir == "" {
		dir = os.TempDir()
	}
	// Not by atomicfile: only this process reads the file, and removes it.
	f, err := os.CreateTemp(dir, "scout-*.audio")
	if err != nil {
		return spoolError(dir, err)
	}
	s.temp = f.Name()
	n, err := s.copyTo(f, dir, opts.SpoolLimit)
	if failure := s.failure(); failure != nil {
		return errors.Join(failure, f.Close())
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	s.path, s.size, s.r, s.closer = s.temp, n, f, f
	return s.seek(0)
}

// copyTo copies the rest of the stream, as far as there is room.
func (s *source) copyTo(f *os.File, dir string, limit int64) (int64, error) {
	var copied int64
	for {
		free, total, known := diskSpace(dir)
		if known && free < min(spoolReserve, total/10)+spoolStep {
			return copied, scout.Errorf(scout.CodeDiskFull, "no room in %s for a copy of the stream: %d MB are copied, %d MB are left", dir, copied>>20, free>>20).
				WithHint("save the audio to a file and name that, or set TMPDIR to a folder on a larger disk")
		}
		n, err := io.CopyN(f, s.buf, spoolStep)
		copied += n
		switch {
		case errors.Is(err, io.EOF):
			return copied, nil
		case err != nil:
			return copied, spoolError(dir, err)
		case copied > limit:
			return copied, scout.Errorf(scout.CodeAudioUnsupported, "the stream is larger than %d MB, and its format can only be read from a file", limit>>20).
				WithHint("save the audio to a file and name that")
		}
	}
}

// spoolError says why a stream could not be copied, with the folder and the variable that names it.
func spoolError(dir string, err error) error {
	var number syscall.Errno
	reason := "it cannot be written"
	switch {
	case errors.Is(err, os.ErrNotExist):
		reason = "there is no such folder"
	case errors.Is(err, syscall.ENOTDIR):
		reason = "it is not a folder"
	case errors.Is(err, os.ErrPermission):
		reason = "permission denied"
	case errors.As(err, &number):
		reason = scout.Plain(number)
	}
	code := scout.CodeOf(scout.FileError(scout.CodeWriteFailed, "", err))
	return scout.Errorf(code, "this format needs a copy of the stream in %s, the folder of temporary files: %w", dir, &spoolFailure{reason, err}).
		WithHint("set TMPDIR to a folder that can be written, or name a file instead of a stream")
}

// spoolFailure is the reason in plain words, with its cause.
type spoolFailure struct {
	reason string
	err    error
}

func (e *spoolFailure) Error() string { return e.reason }
func (e *spoolFailure) Unwrap() error { return e.err }

// errUnknownStream refuses a stream of an unknown format: trying it means copying it, and it may never end.
func errUnknownStream() error {
	return scout.Errorf(scout.CodeAudioUnsupported, "not a known audio format").
		WithHint("name the format of samples without a header: %s; or add a header: arecord -t wav, ffmpeg -f s16le -ar 16000 -i - -f wav -", rawExample)
}

// errUnknownFile refuses a file that ffmpeg, if it is installed, does not know either.
func errUnknownFile(installed bool) error {
	other := "other formats need ffmpeg (Debian: apt-get install ffmpeg)"
	if installed {
		other = "or make a WAV or FLAC file of it with the program that it comes from"
	}
	return scout.Errorf(scout.CodeAudioUnsupported, "not a known audio format").
		WithHint("name the format of samples without a header: %s; %s", rawExample, other)
}

const rawExample = "--raw-format s16le:16000:1"

func (f RawFormat) String() string {
	return fmt.Sprintf("%s:%d:%d", f.name(), f.SampleRateHz, f.Channels)
}
