package audio

import "math"

const (
	// liveFrames is how many frames are mixed with one choice of signs; a choice hears them before it is made.
	liveFrames = 256
	// liveMemory is the time in seconds after which what was heard counts a third.
	liveMemory = 0.1
	// turnAt and turnBack are the correlations with the other channels at which a channel is inverted and is no
	// longer inverted. Two microphones in a room are far from both, the two wires of a balanced line are at -1.
	turnAt, turnBack = -0.6, 0.2
	// liveQuiet is the mean square below which nothing is decided: -84 dBFS.
	liveQuiet = 4e-9
)

// LiveMixer mixes interleaved channels to one as they are recorded. It is the driver of the mix for frames that cannot
// wait: a Mixer, for files, looks 2 s ahead. A recording in mono cannot be mixed again later, so nothing may vanish here.
// The mix is the mean of the channels, bit for bit, unless a channel would cancel the others out: that one is inverted for as
// long as it does. A better mix is left to those who read a recording with all channels.
//
// It belongs to one goroutine and allocates nothing after NewLiveMixer. Source: docs/adr/0034-mixing.md.
type LiveMixer struct {
	channels  int
	memory    float64   // frames
	square    []float64 // of each channel, decaying sum
	product   []float64 // of each channel with the sum of those before it, decaying
	reference []float64 // square of the sum of those before it
	sign      []float32
	previous  []float32
}

// NewLiveMixer returns a mixer of so many channels at a rate.
func NewLiveMixer(channels, rateHz int) *LiveMixer {
	m := &LiveMixer{
		channels: channels, memory: liveMemory * float64(rateHz), square: make([]float64, channels), product: make([]float64, channels), reference: make([]float64, channels),
		sign: make([]float32, channels), previous: make([]float32, channels),
	}
	m.Reset()
	return m
}

// Reset forgets what was heard.
func (m *LiveMixer) Reset() {
	clear(m.square)
	clear(m.product)
	clear(m.reference)
	for c := range m.sign {
		m.sign[c], m.previous[c] = 1, 1
	}
}

// Mix writes the mix of whole frames to dst.
//
//	dst  mono, at least one sample for each frame
//	src  interleaved, shape [frames*channels], finite
func (m *LiveMixer) Mix(dst, src []float32) {
	for len(src) > 0 {
		n := min(len(src)/m.channels, liveFrames)
		part := src[:n*m.channels]
		m.listen(part)
		m.write(dst[:n], part)
		dst, src = dst[n:], src[n*m.channels:]
	}
}

// listen decides which signs are turned.
func (m *LiveMixer) listen(frames []float32) {
	keep := math.Exp(-float64(len(frames)/m.channels) / m.memory)
	for c := range m.channels {
		m.square[c] *= keep
		m.product[c] *= keep
		m.reference[c] *= keep
	}
	for at := 0; at < len(frames); at += m.channels {
		// Each channel is compared with the sum of the channels before it.
		sum := float64(frames[at])
		m.square[0] += sum * sum
		for c := 1; c < m.channels; c++ {
			v := float64(frames[at+c])
			m.square[c] += v * v
			m.product[c] += v * sum
			m.reference[c] += sum * sum
			sum += v * float64(m.sign[c])
		}
	}
	copy(m.previous, m.sign)
	for c := 1; c < m.channels; c++ {
		if loud := m.square[c] * m.reference[c]; loud > liveQuiet*liveQuiet*liveFrames*liveFrames {
			switch correlation := m.product[c] / math.Sqrt(loud); {
			case correlation < turnAt:
				m.sign[c] = -1
			case correlation > turnBack:
				m.sign[c] = 1
			}
		}
	}
}

// write mixes the frames, with a ramp where a sign changed.
func (m *LiveMixer) write(dst, frames []float32) {
	divisor := float32(m.channels)
	for i := range dst {
		var sum float32
		part := float32(i+1) / float32(len(dst))
		for c, v := range frames[i*m.channels : (i+1)*m.channels] {
			switch {
			case m.sign[c] != m.previous[c]:
				v *= m.previous[c] + (m.sign[c]-m.previous[c])*part
			case m.sign[c] < 0:
				v = -v
			}
			sum += v
		}
		dst[i] = sum / divisor
	}
}
