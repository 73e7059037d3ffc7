package capture

import (
	"fmt"
	"math"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/level"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture/sound"
)

// chunkFrames is how many device frames are converted at once.
const chunkFrames = 1024

// converter turns the frames of one stream into those of the ring: it decodes, mixes, resamples and encodes, in buffers
// that are made once. If nothing has to change, the bytes go to the ring unchanged. It measures the level on the way.
// It belongs to one goroutine and allocates nothing after newConverter.
type converter struct {
	in      sound.Format
	out     scout.Format
	encode  audio.Encoding
	same    bool // integer samples in equal formats: bytes are passed on
	ring    *ring.Ring
	samples []float32 // decoded device frames, interleaved
	// resamplers, one for each channel of the ring; nil at equal rates.
	resamplers []*audio.Resampler
	mix        *audio.LiveMixer // of the device's channels; nil where the ring has several, or the device one
	mono       []float32        // one channel of a chunk before resampling
	resampled  []float32        // one channel after
	mixed      []float32        // interleaved in the ring's channels
	encoded    []byte
	taken      sound.Frames  // since begin
	base       ring.Position // ring's head at begin
}

// encodingOf returns the encoding of a recording's sample format, 0 for an unknown one.
func encodingOf(f scout.SampleFormat) audio.Encoding {
	switch f {
	case scout.SampleS16:
		return audio.Int16
	case scout.SampleS24:
		return audio.Int24
	case scout.SampleF32:
		return audio.Float32
	}
	return 0
}

// newConverter returns a converter into r, whose frames have the format out.
func newConverter(in sound.Format, out scout.Format, r *ring.Ring) (*converter, error) {
	if err := audio.CheckFormat(in.SampleRateHz, in.Channels); err != nil {
		return nil, fmt.Errorf("device delivers %s: %w", in, err)
	}
	c := &converter{
		in: in, out: out, encode: encodingOf(out.Sample), ring: r,
		samples: make([]float32, chunkFrames*in.Channels),
		mixed:   make([]float32, chunkFrames*out.Channels),
	}
	c.same = in.Encoding == c.encode && !in.Encoding.Float() && in.Channels == out.Channels && in.SampleRateHz == out.SampleRateHz
	if out.Channels == 1 && in.Channels > 1 {
		c.mix = audio.NewLiveMixer(in.Channels, in.SampleRateHz)
	}
	frames := chunkFrames
	if in.SampleRateHz != out.SampleRateHz {
		frames = chunkFrames*out.SampleRateHz/in.SampleRateHz + 2
		for range out.Channels {
			r, err := audio.NewResampler(in.SampleRateHz, out.SampleRateHz)
			if err != nil {
				return nil, fmt.Errorf("convert %s to %d Hz: %w", in, out.SampleRateHz, err)
			}
			c.resamplers = append(c.resamplers, r)
		}
		c.mono = make([]float32, chunkFrames)
		c.resampled = make([]float32, frames)
		c.mixed = make([]float32, max(frames, chunkFrames)*out.Channels)
	}
	c.encoded = make([]byte, max(frames, chunkFrames)*out.FrameBytes())
	c.begin()
	return c, nil
}

// begin makes the next frame the first of a new stretch, at the ring's head.
func (c *converter) begin() {
	for _, r := range c.resamplers {
		r.Reset()
	}
	if c.mix != nil {
		c.mix.Reset()
	}
	c.taken = 0
	c.base = c.ring.Head()
}

// position returns where in the ring the next device frame belongs. The ring's head is behind it by the frames that the
// resampler holds back.
func (c *converter) position() ring.Position { return c.base.Add(c.frames(c.taken)) }

// frames returns how many ring frames correspond to device frames. Only it and deviceFrames convert between the two.
func (c *converter) frames(device sound.Frames) uint64 {
	if c.resamplers == nil {
		return uint64(device)
	}
	return uint64(c.resamplers[0].OutputLen(int64(device)))
}

// deviceFrames returns how many whole device frames fit into the given number of ring frames.
func (c *converter) deviceFrames(frames uint64) sound.Frames {
	return sound.Frames(frames * uint64(c.in.SampleRateHz) / uint64(c.out.SampleRateHz))
}

// write converts whole device frames into the ring and returns their level, measured in the device's
// own channels.
func (c *converter) write(frames []byte) (loudness level.Level) {
	var sum loud
	for len(frames) > 0 {
		n := min(len(frames), chunkFrames*c.in.FrameBytes())
		chunk := frames[:n]
		frames = frames[n:]
		samples := c.samples[:audio.Decode(c.samples, chunk, c.in.Encoding)]
		sum.add(level.Measure(samples), len(samples))
		c.taken += sound.Frames(len(samples) / c.in.Channels)
		if c.same {
			c.ring.Write(chunk)
			continue
		}
		if c.in.Encoding.Float() {
			audio.Sanitize(samples)
		}
		c.convert(samples)
	}
	return sum.level()
}

// convert mixes, resamples and encodes one chunk.
func (c *converter) convert(samples []float32) {
	frames := len(samples) / c.in.Channels
	if c.resamplers == nil {
		for channel := range c.out.Channels {
			c.pick(channel, samples, c.mixed[channel:], c.out.Channels)
		}
		c.emit(frames)
		return
	}
	produced := 0
	for channel, r := range c.resamplers {
		mono := c.mono[:frames]
		c.pick(channel, samples, mono, 1)
		produced = 0
		for {
			taken, made := r.Process(c.resampled[produced:], mono)
			mono, produced = mono[taken:], produced+made
			if taken == 0 && made == 0 || len(mono) == 0 && produced < len(c.resampled) {
				break
			}
		}
		for i, v := range c.resampled[:produced] {
			c.mixed[i*c.out.Channels+channel] = v
		}
	}
	c.emit(produced)
}

// pick writes channel number channel of the ring, taken from the device's channels, to dst at every
// stride-th place. One channel of many is their mix, see audio.LiveMixer; equal counts are taken as they are; of more
// channels than the ring has the first ones; a channel that the device does not have repeats its
// last one.
func (c *converter) pick(channel int, samples, dst []float32, stride int) {
	if c.mix != nil {
		c.mix.Mix(dst[:len(samples)/c.in.Channels], samples)
		return
	}
	from := min(channel, c.in.Channels-1)
	for i := 0; i*c.in.Channels < len(samples); i++ {
		dst[i*stride] = samples[i*c.in.Channels+from]
	}
}

// emit encodes the first frames of mixed into the ring.
func (c *converter) emit(frames int) {
	n := audio.Encode(c.encoded, c.mixed[:frames*c.out.Channels], c.encode)
	c.ring.Write(c.encoded[:n*c.encode.Bytes()])
}

// flush writes what the resampler held back: the ring's head is then at position. The next frame begins a new stretch.
func (c *converter) flush() {
	for done := c.resamplers == nil; !done; {
		produced := 0
		for channel, r := range c.resamplers {
			produced, done = r.Flush(c.resampled)
			for i, v := range c.resampled[:produced] {
				c.mixed[i*c.out.Channels+channel] = v
			}
		}
		c.emit(produced)
	}
	c.begin()
}

// loud combines the levels of blocks.
type loud struct {
	squares float64
	peak    float64
	samples int
	bad     int
}

func (l *loud) add(block level.Level, samples int) {
	l.squares += block.RMS * block.RMS * float64(samples)
	l.peak = max(l.peak, block.Peak)
	l.samples += samples
	l.bad += block.NonFinite
}

func (l *loud) level() level.Level {
	if l.samples == 0 {
		return level.Level{}
	}
	return level.Level{RMS: math.Sqrt(l.squares / float64(l.samples)), Peak: l.peak, NonFinite: l.bad}
}
