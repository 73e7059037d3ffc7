package audio

import (
	"github.com/scout-speech/scout"
)

// Canonical converts frames of one format to the format of the engines: 16 kHz, mono, within ±1. Each channel is
// resampled and its offset removed. Then a Mixer mixes the channels, or one of them is taken.
//
// Write and Read take turns: Write keeps all its input, Read returns what is ready. A Canonical belongs to one
// goroutine. Its memory is bounded by the longest Write and, for a mix, three seconds of 16 kHz per channel.
type Canonical struct {
	channels   int
	first      int // the first resampled channel; each resampler has one of first, first+1, …
	resamplers []*Resampler
	offsets    []offset    // of the planes
	mixer      *Mixer      // nil for one channel
	mono       []float32   // one of several channels of a block before resampling
	planes     [][]float32 // after resampling, one for each resampler
	ready      []float32   // used if there is no mixer
	taken      int         // of ready
	closed     bool
}

// NewCanonical returns a converter for interleaved frames. CheckFormat refuses invalid formats, and Channel.Check
// refuses a channel that the recording does not have.
func NewCanonical(sampleRateHz, channels int, channel Channel) (*Canonical, error) {
	if err := CheckFormat(sampleRateHz, channels); err != nil {
		return nil, err
	}
	if err := channel.Check(channels); err != nil {
		return nil, err
	}
	c := &Canonical{channels: channels}
	used := channels
	if channel != MixChannels {
		c.first, used = int(channel)-1, 1
	}
	one, err := NewResampler(sampleRateHz, scout.EngineSampleRateHz)
	if err != nil {
		return nil, err
	}
	c.resamplers = append(c.resamplers, one)
	for len(c.resamplers) < used {
		c.resamplers = append(c.resamplers, one.twin())
	}
	c.planes, c.offsets = make([][]float32, used), make([]offset, used)
	if used > 1 {
		c.mixer = NewMixer(used)
	}
	return c, nil
}

// Write takes whole frames, interleaved, shape [frames*channels]. Samples must be finite.
func (c *Canonical) Write(src []float32) {
	frames := len(src) / c.channels
	if c.channels > 1 && cap(c.mono) < frames {
		c.mono = make([]float32, frames)
	}
	for i, r := range c.resamplers {
		mono := src
		if channels, from := c.channels, c.first+i; channels > 1 {
			mono = c.mono[:frames]
			for n := range mono {
				mono[n] = src[n*channels+from]
			}
		}
		c.planes[i] = c.resample(r, c.room(i, int(r.OutputLen(int64(frames)))+r.lag()), mono)
	}
	c.forward()
}

// Close ends the stream: Read then returns the rest. It may be called again.
func (c *Canonical) Close() {
	if c.closed {
		return
	}
	c.closed = true
	for i, r := range c.resamplers {
		dst := c.room(i, r.lag())
		n := 0
		for done := false; !done; {
			var produced int
			produced, done = r.Flush(dst[n:])
			n += produced
		}
		c.planes[i] = dst[:n]
	}
	c.forward()
	if c.mixer != nil {
		c.mixer.Close()
	}
}

// Read returns what is ready and the number of samples. 0 means that another Write is needed or, after Close, the end.
func (c *Canonical) Read(dst []float32) int {
	var n int
	if c.mixer != nil {
		n = c.mixer.Read(dst)
	} else {
		n = copy(dst, c.ready[c.taken:])
		c.taken += n
	}
	Clip(dst[:n])
	return n
}

// Mix reports how the channels were mixed; it is the zero value if there is only one channel.
func (c *Canonical) Mix() MixReport {
	if c.mixer == nil {
		return MixReport{}
	}
	return c.mixer.Report()
}

// room returns memory for n samples of plane i.
func (c *Canonical) room(i, n int) []float32 {
	if cap(c.planes[i]) < n {
		c.planes[i] = make([]float32, n)
	}
	return c.planes[i][:n]
}

func (c *Canonical) resample(r *Resampler, dst, src []float32) []float32 {
	n := 0
	for len(src) > 0 {
		consumed, produced := r.Process(dst[n:], src)
		src, n = src[consumed:], n+produced
	}
	return dst[:n]
}

// forward passes the resampled planes on.
func (c *Canonical) forward() {
	for i, plane := range c.planes {
		c.offsets[i].remove(plane)
	}
	if c.mixer != nil {
		c.mixer.Write(c.planes)
		return
	}
	if c.taken == len(c.ready) {
		c.ready, c.taken = c.ready[:0], 0
	}
	c.ready = append(c.ready, c.planes[0]...)
}
