package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/speech"
)

// closingSource is audio that holds a file open.
type closingSource interface {
	speech.Source
	io.Closer
}

// joinedSource reads several files one after another, opening each when it is its turn.
type joinedSource struct {
	open    func(path string) (closingSource, error)
	files   []string
	current closingSource // nil between two files
	frames  int64
}

// Read implements speech.Source.
func (s *joinedSource) Read(dst []float32) (int, error) {
	for {
		if s.current == nil {
			if len(s.files) == 0 {
				return 0, io.EOF
			}
			source, err := s.open(s.files[0])
			if err != nil {
				return 0, err
			}
			s.files, s.current = s.files[1:], source
		}
		n, err := s.current.Read(dst)
		s.frames += int64(n)
		if !errors.Is(err, io.EOF) {
			return n, err
		}
		if err := s.close(); err != nil {
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

func (s *joinedSource) close() error {
	if s.current == nil {
		return nil
	}
	err := s.current.Close()
	s.current = nil
	return err
}

func (s *joinedSource) heard() time.Duration {
	return time.Duration(s.frames) * time.Second / scout.EngineSampleRateHz
}

// decodedClips are the clips of a bench as raw 16 kHz float32 files, so that a run over all of them
// measures Scout and not ffmpeg, which some of the formats need.
type decodedClips struct {
	dir   string
	paths map[string]string // by the path of the clip
}

// decodeClips decodes all clips into a temporary folder. The caller removes it.
func (a *app) decodeClips(ctx context.Context, dir string, entries []bench.Entry) (c *decodedClips, err error) {
	c = &decodedClips{paths: map[string]string{}}
	if c.dir, err = os.MkdirTemp("", "scout-bench-"); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make folder for decoded clips", err)
	}
	for i, entry := range entries {
		clip := filepath.Join(dir, entry.File)
		samples, err := a.readAudio(ctx, clip, 0)
		if err != nil {
			return nil, errors.Join(err, c.remove())
		}
		raw := make([]byte, 0, len(samples)*4)
		for _, s := range samples {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(s))
		}
		path := filepath.Join(c.dir, fmt.Sprintf("%d.f32", i))
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			return nil, errors.Join(scout.FileError(scout.CodeWriteFailed, "write decoded clip", err), c.remove())
		}
		c.paths[clip] = path
	}
	debug.FreeOSMemory() // what decoding took is not to be measured
	return c, nil
}

func (c *decodedClips) remove() error { return os.RemoveAll(c.dir) }

func (c *decodedClips) open(clip string) (closingSource, error) {
	file, err := os.Open(c.paths[clip])
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "open decoded clip "+clip, err)
	}
	return &rawSource{file: file, in: bufio.NewReader(file)}, nil
}

// rawSource reads float32 samples.
type rawSource struct {
	file *os.File
	in   *bufio.Reader
	buf  []byte
}

// Read implements speech.Source.
func (r *rawSource) Read(dst []float32) (int, error) {
	if cap(r.buf) < len(dst)*4 {
		r.buf = make([]byte, len(dst)*4)
	}
	n, err := io.ReadFull(r.in, r.buf[:len(dst)*4])
	for i := range n / 4 {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(r.buf[i*4:]))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil // the rest; io.EOF comes next
	}
	return n / 4, err
}

// Close closes the file.
func (r *rawSource) Close() error { return r.file.Close() }

// openAudio opens a file of speech.
func (a *app) openAudio(ctx context.Context, path string) (*file.Reader, error) {
	return file.Open(ctx, path, file.Options{
		Log:      a.scope.Log(),
		Panicked: func(decoder string, value any) { a.failures.Panicked("audio/"+decoder, value) },
	})
}
