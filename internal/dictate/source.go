package dictate

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/recording"
)

// warmUp is how much before the wanted position a source begins, so that its filters have settled there.
const warmUp = scout.EngineSampleRateHz / 2

// source reads a recording as 16 kHz mono from a position on, while it is recorded and after. Positions are frames at 16 kHz.
// One goroutine uses it.
type source struct {
	follower *recording.Follower
	rateHz   int
	channels int
	encoding audio.Encoding
	mixer    *audio.LiveMixer // nil for one channel
	filter   *audio.Canonical // nil where nothing is to be changed

	next    int64 // position of the next sample out of the filter
	from    int64 // what was asked for: samples before it are dropped
	frames  []float32
	mono    []float32
	samples []float32
	over    bool
}

// openSource opens a recording at a position.
//
//	live  where frames come from while they are recorded; nil for the file alone
func openSource(folder *recording.Folder, id recording.ID, live recording.Live, at int64) (*source, error) {
	m, err := folder.Manifest(id)
	if err != nil {
		return nil, err
	}
	s := &source{rateHz: m.Format.SampleRateHz, channels: m.Format.Channels, from: at, next: at}
	switch m.Format.Sample {
	case scout.SampleS16:
		s.encoding = audio.Int16
	case scout.SampleS24:
		s.encoding = audio.Int24
	case scout.SampleF32:
		s.encoding = audio.Float32
	default:
		return nil, scout.Errorf(scout.CodeAudioUnsupported, "samples of the recording: %q", m.Format.Sample)
	}
	if s.channels > 1 {
		s.mixer = audio.NewLiveMixer(s.channels, s.rateHz)
	}
	if s.filter, err = audio.NewCanonical(s.rateHz, 1, audio.MixChannels); err != nil {
		return nil, err
	}
	// Frames of both rates coincide every so many frames: the filter must begin at such a place.
	common := gcd(s.rateHz, scout.EngineSampleRateHz)
	out, in := int64(scout.EngineSampleRateHz/common), int64(s.rateHz/common)
	s.next = max(0, at-warmUp) / out * out
	s.follower, err = folder.Follow(id, recording.FollowOptions{From: scout.Position(s.next / out * in), Live: live})
	return s, err
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// read returns the next samples and the position of the first. They are valid until the next call. It returns io.EOF at the end
// of a recording that has ended.
func (s *source) read(ctx context.Context) (at int64, samples []float32, err error) {
	for {
		if err := s.fill(ctx); err != nil {
			return s.next, nil, err
		}
		at, samples = s.next, s.samples
		s.next += int64(len(samples))
		if early := s.from - at; early > 0 {
			skip := min(early, int64(len(samples)))
			at, samples = at+skip, samples[skip:]
		}
		if len(samples) > 0 {
			return at, samples, nil
		}
	}
}

// fill makes samples of the next block.
func (s *source) fill(ctx context.Context) error {
	if s.over {
		return io.EOF
	}
	block, err := s.follower.Next(ctx)
	switch {
	case errors.Is(err, io.EOF):
		s.over = true
		s.filter.Close()
	case err != nil:
		return err
	default:
		s.convert(block.Frames)
	}
	s.samples = s.samples[:0]
	for {
		const part = 4096
		n := len(s.samples)
		if cap(s.samples)-n < part {
			s.samples = append(s.samples, make([]float32, part)...)[:n]
		}
		got := s.filter.Read(s.samples[n : n+part])
		s.samples = s.samples[:n+got]
		if got == 0 {
			return nil
		}
	}
}

// convert passes frames to the filter, as one channel.
func (s *source) convert(frames []byte) {
	values := len(frames) / s.encoding.Bytes()
	if cap(s.frames) < values {
		s.frames, s.mono = make([]float32, values), make([]float32, values/s.channels)
	}
	decoded := s.frames[:values]
	audio.Decode(decoded, frames, s.encoding)
	audio.Sanitize(decoded)
	if s.mixer == nil {
		s.filter.Write(decoded)
		return
	}
	mono := s.mono[:values/s.channels]
	s.mixer.Mix(mono, decoded)
	s.filter.Write(mono)
}

func (s *source) close() { _ = s.follower.Close() } // it was only read

// canonicalFrames is how many frames at 16 kHz a recording of so many frames has.
func canonicalFrames(m *recording.Manifest) int64 {
	return canonicalPosition(m.Frames, m.Format.SampleRateHz)
}

func canonicalPosition(frames uint64, rateHz int) int64 {
	rate := uint64(rateHz)
	return int64(frames/rate*scout.EngineSampleRateHz + frames%rate*scout.EngineSampleRateHz/rate)
}

// recorded reads the file of a recording at any position; it implements speech.Recorded. Reading on where it left off costs no
// second opening.
type recorded struct {
	folder *recording.Folder
	id     recording.ID

	mu     sync.Mutex
	source *source
	rest   []float32 // of the source's last block
	at     int64     // position of rest
}

// ReadAt implements speech.Recorded.
func (r *recorded) ReadAt(ctx context.Context, dst []float32, at int64) (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.source == nil || at < r.at || at > r.at+int64(len(r.rest)) {
		r.drop()
		if r.source, err = openSource(r.folder, r.id, nil, at); err != nil {
			return 0, err
		}
		r.rest, r.at = nil, at
	}
	r.rest, r.at = r.rest[at-r.at:], at
	for {
		k := copy(dst[n:], r.rest)
		n, r.rest, r.at = n+k, r.rest[k:], r.at+int64(k)
		if n == len(dst) {
			return n, nil
		}
		position, samples, err := r.source.read(ctx)
		if err != nil {
			r.drop()
			return n, err
		}
		r.rest, r.at = samples, position
	}
}

func (r *recorded) drop() {
	if r.source != nil {
		r.source.close()
		r.source = nil
	}
}

func (r *recorded) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
}
