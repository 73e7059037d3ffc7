package audio

import (
	"math"
	"time"

	"github.com/scout-speech/scout"
)

// Times of the mixer, in frames of 32 ms.
const (
	mixFrame = 512 // samples
	// mixBlock is how many frames are judged together.
	mixBlock = 16
	// mixAhead is how far the mixer looks ahead of the frames that it judges, 2 s: new sound in a channel is noticed
	// before the channel is left out.
	mixAhead = 64
	// mixBehind is how far it looks back, 3 s.
	mixBehind = 96
	// mixRamp is the time in which weights change, 20 ms in samples: a shorter ramp clicks, a longer one smears a
	// syllable.
	mixRamp = 320
)

// Mixer mixes 16 kHz channels to one so that speech survives. Normally the mix is the mean, exactly: the sum divided by
// their number. Three things change the mix, for as long as they last:
//
//   - A channel cancels another one out: it is inverted.
//   - Channels hold the same sound with a delay, so that their sum is coloured: only the one with the clearest speech
//     is used.
//   - A channel holds a steady sound (tone, hum, noise, rumble), or the same speech as another one with an additional
//     sound: it is left out.
//
// A channel with its own content stays in the mix. If there are more than two channels, those that were silent all
// along do not count, so that a single voice in one of six channels is not six times as soft.
//
// The mixer judges spectra of 32 ms, from 3 s before to 2 s after the audio that it mixes. Weights change in ramps.
// Equal input gives equal output, however it is divided into calls. Source: docs/adr/0034-mixing.md.
type Mixer struct {
	channels int
	queue    [][]float32 // of each channel, from the first sample that is not mixed
	judge    *mixJudge
	written  int64
	analysed int64 // frames
	mixed    int64 // frames
	weights  []float32
	previous []float32
	ready    []float32
	taken    int // of ready
	closed   bool
	frame    [][]float32 // the frame of each channel to analyse
}

// NewMixer returns a mixer of the given number of channels, at least one.
func NewMixer(channels int) *Mixer {
	m := &Mixer{
		channels: channels, queue: make([][]float32, channels), judge: newMixJudge(channels),
		weights: make([]float32, channels), previous: make([]float32, channels), frame: make([][]float32, channels),
	}
	for c := range m.previous {
		m.previous[c] = 1 / float32(channels)
	}
	return m
}

// Write takes the continuation of each channel, all of the same length.
func (m *Mixer) Write(planes [][]float32) {
	for c := range m.queue {
		m.queue[c] = append(m.queue[c], planes[c]...)
	}
	m.written += int64(len(planes[0]))
	for (m.analysed+1)*mixFrame <= m.written {
		from := (m.analysed - m.mixed) * mixFrame
		for c := range m.frame {
			m.frame[c] = m.queue[c][from : from+mixFrame]
		}
		m.judge.analyse(m.frame)
		m.analysed++
		for m.analysed >= m.mixed+mixBlock+mixAhead {
			m.mixBlock(mixBlock)
		}
	}
}

// Close ends the stream: Read then returns the rest. It may be called again.
func (m *Mixer) Close() {
	if m.closed {
		return
	}
	m.closed = true
	if rest := int(m.written - m.analysed*mixFrame); rest > 0 {
		for c := range m.frame { // padded with silence
			m.frame[c] = make([]float32, mixFrame)
			copy(m.frame[c], m.queue[c][len(m.queue[c])-rest:])
		}
		m.judge.analyse(m.frame)
		m.analysed++
	}
	m.judge.end()
	for m.mixed < m.analysed {
		m.mixBlock(int(min(mixBlock, m.analysed-m.mixed)))
	}
}

// Read returns mixed samples and their number. 0 means that another Write is needed or, after Close, the end.
func (m *Mixer) Read(dst []float32) int {
	n := copy(dst, m.ready[m.taken:])
	m.taken += n
	return n
}

// Report returns what was done so far.
func (m *Mixer) Report() MixReport { return m.judge.report }

// mixBlock judges and mixes the next frames.
func (m *Mixer) mixBlock(frames int) {
	if m.taken == len(m.ready) {
		m.ready, m.taken = m.ready[:0], 0
	}
	m.judge.block(m.mixed, frames)
	for i := range frames {
		plain := m.judge.weigh(m.mixed+int64(i), m.weights)
		from := i * mixFrame
		to := min(from+mixFrame, len(m.queue[0]))
		m.mixFrame(from, to, plain)
		copy(m.previous, m.weights)
	}
	m.mixed += int64(frames)
	for c, q := range m.queue {
		m.queue[c] = q[:copy(q, q[min(frames*mixFrame, len(q)):])]
	}
}

// mixFrame mixes the samples of the queues in the range from, to. plain means that the weights are those of the mean.
func (m *Mixer) mixFrame(from, to int, plain bool) {
	at := len(m.ready)
	m.ready = append(m.ready, m.queue[0][from:to]...)
	out := m.ready[at:]
	ramp := 0
	for c := range m.weights {
		if m.weights[c] != m.previous[c] {
			ramp = min(mixRamp, len(out))
		}
	}
	for i := range ramp {
		part := float32(i+1) / float32(mixRamp)
		var sum float32
		for c := range m.weights {
			sum += (m.previous[c] + (m.weights[c]-m.previous[c])*part) * m.queue[c][from+i]
		}
		out[i] = sum
	}
	if plain {
		divisor := float32(m.channels)
		for i := ramp; i < len(out); i++ {
			var sum float32
			for c := range m.queue {
				sum += m.queue[c][from+i]
			}
			out[i] = sum / divisor
		}
		return
	}
	clear(out[ramp:])
	for c, w := range m.weights {
		if w == 0 {
			continue
		}
		in := m.queue[c][from:to]
		for i := ramp; i < len(out); i++ {
			out[i] += w * in[i]
		}
	}
}

// MixReport says where a mix was not the mean of all channels.
type MixReport struct {
	// Channels is the number of channels.
	Channels int
	// Inverted, Single and LeftOut are the stretches in which a channel was inverted, in which one of several channels
	// with the same sound was used, and in which channels were left out because of a steady sound.
	Inverted, Single, LeftOut MixStretch
	// Channel is the channel that was used most in Single, Omitted the one that was left out most, both from 1.
	Channel, Omitted int
}

// MixStretch summarises parts of a recording.
type MixStretch struct {
	// Start is the beginning of the first part and End the end of the last. Length is the sum of all parts.
	Start, End, Length time.Duration
}

// With returns both stretches combined.
func (s MixStretch) With(other MixStretch) MixStretch {
	if other.Length == 0 {
		return s
	}
	return MixStretch{Start: min(s.Start, other.Start), End: max(s.End, other.End), Length: s.Length + other.Length}
}

func (s *MixStretch) add(frame int64) {
	const length = mixFrame * time.Second / scout.EngineSampleRateHz
	start := time.Duration(frame) * length
	if s.Length == 0 {
		s.Start = start
	}
	s.End = start + length
	s.Length += length
}

// decibels returns a power in decibels, never below -120.
func decibels(power float32) float32 {
	return float32(10 * math.Log10(math.Max(float64(power), 1e-12)))
}
