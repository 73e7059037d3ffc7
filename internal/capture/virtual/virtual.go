// Package virtual has devices that are files and signals: for tests, and for sounds that a microphone cannot provide.
package virtual

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/wav"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/fault"
)

// Goroutine is the name of the goroutine that delivers the frames of a virtual device, for fault.Points.
const Goroutine = "capture.device"

// block is how much audio a virtual device delivers at a time, as real ones do.
const block = 20 * time.Millisecond

// Is reports whether a device's name is that of a virtual one:
//
//	file:PATH[?speed=F]       a WAV file, to its end
//	tone:HZ[?OPTIONS]         a sine of half of full scale
//	signal:SEED[?OPTIONS]     a coded signal: Coded gives each of its samples
//
// OPTIONS are joined by "&": rate=HZ (48000), channels=N (1), seconds=S (without end), level=X (0.5;
// tone). Each takes speed=F: 1 is real time, 8 eight times that, max as fast as it is taken.
func Is(device string) bool {
	kind, _, found := strings.Cut(device, ":")
	return found && (kind == "file" || kind == "tone" || kind == "signal")
}

// Backend is the sound system of virtual devices: files, tones and coded signals. The ID of a device is its name.
type Backend struct{}

// Name implements Backend.
func (Backend) Name() string { return "virtual" }

// Devices implements Backend: virtual devices cannot be listed.
func (Backend) Devices(context.Context) ([]sound.Device, error) { return nil, nil }

// Watch implements Backend: nothing changes by itself.
func (Backend) Watch(context.Context) <-chan sound.System {
	none := make(chan sound.System)
	close(none)
	return none
}

// Open implements Backend.
func (Backend) Open(ctx context.Context, id string, sink func(sound.Format) (sound.Sink, error), o sound.OpenOptions) (sound.Stream, error) {
	spec, err := parse(id)
	if err != nil {
		return nil, err
	}
	source, err := spec.source()
	if err != nil {
		return nil, err
	}
	target, err := sink(source.format())
	if err != nil {
		return nil, errors.Join(err, source.close())
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // Close ends it
	v := &stream{spec: spec, source: source, sink: target, pace: o.Pace, cancel: cancel, done: make(chan struct{})}
	v.faults = o.Faults
	v.begin = sync.OnceFunc(func() { v.playing.Go(func() { v.run(ctx) }) }) // ends with the source or Close, which waits
	return v, nil
}

// spec is a parsed name.
type spec struct {
	id, kind, what string
	rate, channels int
	frames         uint64 // 0: endless
	level          float64
	speed          float64 // 0: as fast as it is taken
}

func parse(id string) (spec, error) {
	kind, rest, _ := strings.Cut(id, ":")
	s := spec{id: id, kind: kind, what: rest, rate: 48_000, channels: 1, level: 0.5, speed: 1}
	if i := strings.LastIndexByte(rest, '?'); i >= 0 && strings.Contains(rest[i:], "=") {
		s.what = rest[:i]
		values, err := url.ParseQuery(rest[i+1:])
		if err != nil {
			return s, invalid(id, "its options cannot be read: %v", err)
		}
		var seconds float64
		for key, value := range values {
			if key == "speed" && value[0] == "max" {
				s.speed = 0
				continue
			}
			number, err := strconv.ParseFloat(value[0], 64)
			if err != nil || !(number > 0) || math.IsInf(number, 0) {
				return s, invalid(id, "%s=%s is not a positive number", key, value[0])
			}
			switch {
			case key == "speed":
				s.speed = number
			case kind == "file":
				return s, invalid(id, "a file has no option %q", key)
			case key == "rate":
				s.rate = int(number)
			case key == "channels":
				s.channels = int(number)
			case key == "seconds":
				seconds = number
			case key == "level" && kind == "tone":
				s.level = min(number, 1)
			default:
				return s, invalid(id, "there is no option %q", key)
			}
		}
		s.frames = uint64(seconds * float64(s.rate))
	}
	return s, audio.CheckFormat(s.rate, s.channels)
}

func invalid(id, format string, args ...any) error {
	return scout.Errorf(scout.CodeInvalidArgument, "device %q: "+format, append([]any{id}, args...)...).
		WithHint("for example file:speech.wav, tone:440?seconds=3 or signal:1?rate=16000&speed=max")
}

// source makes frames.
type source interface {
	format() sound.Format
	// read fills dst with whole frames; io.EOF comes alone.
	read(dst []byte) (int, error)
	close() error
}

func (s spec) source() (source, error) {
	if s.kind == "file" {
		return openWAV(s.what)
	}
	number := 1.0
	if s.what != "" {
		var err error
		if number, err = strconv.ParseFloat(s.what, 64); err != nil || !(number >= 0) || number > 1e9 {
			return nil, invalid(s.id, "%q is not a number", s.what)
		}
	}
	sample := func(index uint64, channel int) int16 { return Coded(uint64(number), index, channel) }
	if s.kind == "tone" {
		sample = func(index uint64, _ int) int16 {
			// Whole turns are removed before the sine, which is exact only near 0.
			_, phase := math.Modf(math.Mod(number, float64(s.rate)) / float64(s.rate) * float64(index))
			return int16(math.Round(s.level * math.MaxInt16 * math.Sin(2*math.Pi*phase)))
		}
	}
	return &generator{spec: s, sample: sample}, nil
}

// Coded returns the sample of the coded signal with this seed at this frame and channel. The signal is noise in which
// every stretch of a few samples occurs only once, so a recording of it shows which frames it holds. Its peak is a
// quarter of full scale.
func Coded(seed, frame uint64, channel int) int16 {
	x := (frame+1)*0x9e3779b97f4a7c15 ^ (seed+uint64(channel)*0x100000001b3)*0xbf58476d1ce4e5b9
	x ^= x >> 31
	x *= 0x94d049bb133111eb
	x ^= x >> 29
	return int16(x) / 4
}

// generator computes 16-bit frames.
type generator struct {
	spec   spec
	sample func(index uint64, channel int) int16
	next   uint64
}

func (g *generator) format() sound.Format {
	return sound.NewFormat(g.spec.rate, g.spec.channels, audio.Int16)
}
func (g *generator) close() error { return nil }

func (g *generator) read(dst []byte) (int, error) {
	size := g.format().FrameBytes()
	n := len(dst) / size
	if g.spec.frames > 0 {
		if g.next >= g.spec.frames {
			return 0, io.EOF
		}
		n = int(min(uint64(n), g.spec.frames-g.next))
	}
	for i := range n {
		for channel := range g.spec.channels {
			binary.LittleEndian.PutUint16(dst[i*size+2*channel:], uint16(g.sample(g.next, channel)))
		}
		g.next++
	}
	return n * size, nil
}

// wavSource reads a WAV file. Other formats are only for transcription: the recording process parses as little foreign
// data as possible.
type wavSource struct {
	file   *os.File
	reader *wav.Reader
}

func openWAV(path string) (source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "open the file to record from", err)
	}
	reader, err := wav.NewReader(f)
	if err != nil {
		return nil, errors.Join(scout.FileError(scout.CodeReadFailed, "record from "+path, err), f.Close())
	}
	return &wavSource{file: f, reader: reader}, nil
}

func (w *wavSource) format() sound.Format {
	f := w.reader.Format()
	return sound.NewFormat(f.SampleRateHz, f.Channels, f.Encoding)
}
func (w *wavSource) read(dst []byte) (int, error) { return w.reader.ReadBytes(dst) }
func (w *wavSource) close() error                 { return w.file.Close() }

// stream is an open virtual device.
type stream struct {
	spec   spec
	source source
	sink   sound.Sink
	pace   func(context.Context, sound.Frames) error
	begin  func()
	cancel context.CancelFunc // ends play
	done   chan struct{}
	err    error // why it broke; valid after done
	faults fault.Points

	playing  sync.WaitGroup
	closing  sync.Once
	closeErr error
}

// Device implements Stream.
func (v *stream) Device() sound.Device {
	return sound.Device{ID: v.spec.id, Name: v.spec.id, Formats: []sound.Format{v.source.format()}}
}

// Format implements Stream.
func (v *stream) Format() sound.Format { return v.source.format() }

// Name implements Stream.
func (v *stream) Name() string { return "" }

// RealTime implements Stream.
func (v *stream) RealTime() bool { return v.spec.speed == 1 }

// Done implements Stream.
func (v *stream) Done() <-chan struct{} { return v.done }

// Err implements sound.Breaker.
func (v *stream) Err() error {
	select {
	case <-v.done:
		return v.err
	default:
		return nil
	}
}

// Start implements Stream.
func (v *stream) Start(context.Context) error {
	v.begin()
	return nil
}

// Close implements Stream.
func (v *stream) Close() error {
	v.closing.Do(func() {
		v.cancel()
		v.playing.Wait()
		v.closeErr = v.source.close()
	})
	return v.closeErr
}

// run plays and records how that ended. It passes panics to the reader of the stream.
func (v *stream) run(ctx context.Context) {
	defer close(v.done)
	defer func() {
		if panicked := recover(); panicked != nil {
			v.err = scout.Errorf(scout.CodeInternal, "%s: panic: %v", Goroutine, panicked)
		}
	}()
	v.err = v.play(ctx)
}

// play delivers blocks until the source or the stream ends.
func (v *stream) play(ctx context.Context) error {
	format := v.source.format()
	frames := max(int(block.Seconds()*float64(format.SampleRateHz)), 1)
	buffer := make([]byte, frames*format.FrameBytes())
	began := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for delivered := 0; ; {
		if v.spec.speed == 0 || v.pace != nil && v.spec.speed != 1 {
			if v.pace == nil || v.pace(ctx, sound.Frames(frames)) != nil {
				return nil
			}
		}
		if v.spec.speed > 0 {
			due := began.Add(time.Duration(float64(delivered+frames) / float64(format.SampleRateHz) / v.spec.speed * float64(time.Second)))
			timer.Reset(time.Until(due))
			select {
			case <-ctx.Done():
				return nil
			case <-timer.C:
			}
		}
		if err := v.faults.At(Goroutine); err != nil {
			return err
		}
		n, err := v.source.read(buffer)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return scout.FileError(scout.CodeReadFailed, "record from "+v.spec.id, err)
		}
		v.sink.Deliver(buffer[:n])
		delivered += n / format.FrameBytes()
		if ctx.Err() != nil {
			return nil
		}
	}
}
