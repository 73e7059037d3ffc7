package rig

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
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/audio/file"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/speech"
)

// closingSource is audio that holds a file open.
type closingSource interface {
	speech.Source
	io.Closer
}

// joinedSource reads several files one after another, and opens each when it is its turn.
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

// Clips are the clips of a benchmark as raw 16 kHz float32 files, so that a run over all of them measures Scout and not
// ffmpeg, which some of the formats need.
type Clips struct {
	dir   string
	paths map[string]string // by the path of the clip
}

// Decode decodes all clips into a temporary folder. The caller removes them.
func (r Reader) Decode(ctx context.Context, dir string, entries []bench.Entry) (c *Clips, err error) {
	c = &Clips{paths: map[string]string{}}
	if c.dir, err = os.MkdirTemp("", "scout-bench-"); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make folder for decoded clips", err)
	}
	for i, entry := range entries {
		clip := filepath.Join(dir, entry.File)
		samples, err := r.Read(ctx, clip, 0)
		if err != nil {
			return nil, errors.Join(err, c.Remove())
		}
		raw := make([]byte, 0, len(samples)*4)
		for _, s := range samples {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(s))
		}
		path := filepath.Join(c.dir, fmt.Sprintf("%d.f32", i))
		if err := atomicfile.Write(path, raw, atomicfile.Options{Mode: atomicfile.Private, Unsynced: true}); err != nil {
			return nil, errors.Join(scout.FileError(scout.CodeWriteFailed, "write decoded clip", err), c.Remove())
		}
		c.paths[clip] = path
	}
	debug.FreeOSMemory() // the memory of decoding must not be measured
	return c, nil
}

// Remove deletes the files.
func (c *Clips) Remove() error { return os.RemoveAll(c.dir) }

// open opens a decoded clip.
func (c *Clips) open(clip string) (closingSource, error) {
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
		err = nil // the remaining samples; io.EOF comes next
	}
	return n / 4, err
}

// Close closes the file.
func (r *rawSource) Close() error { return r.file.Close() }

// Reader reads files of speech.
type Reader struct{ Options file.Options }

// Open opens a file of speech. The caller closes it.
func (r Reader) Open(ctx context.Context, path string) (*file.Reader, error) {
	return file.Open(ctx, path, r.Options)
}

// Read returns the beginning of a file, up to most, or all of it if most is 0.
func (r Reader) Read(ctx context.Context, path string, most time.Duration) (samples []float32, err error) {
	reader, err := r.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	buf := make([]float32, scout.EngineSampleRateHz)
	for most == 0 || len(samples) < int(most.Seconds()*scout.EngineSampleRateHz) {
		n, err := reader.Read(buf)
		samples = append(samples, buf[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return samples, nil
}

// Joined returns the clips of a folder one after the other, up to most.
func (r Reader) Joined(ctx context.Context, dir string, entries []bench.Entry, most time.Duration) (samples []float32, err error) {
	for _, entry := range entries {
		left := most - time.Duration(len(samples))*time.Second/scout.EngineSampleRateHz
		if left < time.Second {
			break
		}
		clip, err := r.Read(ctx, filepath.Join(dir, entry.File), left)
		if err != nil {
			return nil, err
		}
		samples = append(samples, clip...)
	}
	if len(samples) == 0 {
		return nil, scout.Errorf(scout.CodeAudioEmpty, "there is no speech in %s", dir)
	}
	return samples, nil
}

// Samples are audio in memory; reading consumes them.
type Samples []float32

// Read implements speech.Source.
func (s *Samples) Read(dst []float32) (int, error) {
	if len(*s) == 0 {
		return 0, io.EOF
	}
	n := copy(dst, *s)
	*s = (*s)[n:]
	return n, nil
}

// Length returns the length of a clip, by reading it.
func (r Reader) Length(ctx context.Context, path string) (length time.Duration, err error) {
	reader, err := r.Open(ctx, path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	var frames int64
	buf := make([]float32, scout.EngineSampleRateHz)
	for {
		n, err := reader.Read(buf)
		frames += int64(n)
		if errors.Is(err, io.EOF) {
			return time.Duration(frames) * time.Second / scout.EngineSampleRateHz, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// read returns a complete decoded clip.
func (c *Clips) read(clip string) ([]float32, error) {
	raw, err := os.ReadFile(c.paths[clip])
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read decoded clip "+clip, err)
	}
	samples := make([]float32, len(raw)/4)
	for i := range samples {
		samples[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return samples, nil
}
