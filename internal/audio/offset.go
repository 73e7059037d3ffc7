package audio

// Limits of an offset, as parts of full scale. An offset of 0.03 costs punctuation, one of 0.1 letters
// (docs/adr/0034-mixing.md). Below a hundredth samples stay as they are.
const (
	offsetFrom = 0.01
	offsetTo   = 0.005
	// offsetSpan is the number of samples for the mean, half a second: the slowest sound in a voice is a hundred times
	// faster.
	offsetSpan = 8000
	// offsetWait is the number of samples before the mean is used.
	offsetWait = 1600
	// offsetRamp is one over the number of samples in which the correction changes, 20 ms.
	offsetRamp = 1.0 / 320
)

// offset removes a constant from a channel, which cheap sound cards add. It takes samples one at a time, so the
// division of the stream into blocks does not matter.
type offset struct {
	heard int
	mean  float32
	on    bool
	gain  float32
}

// remove works in place.
func (o *offset) remove(samples []float32) {
	heard, mean, on, gain := o.heard, o.mean, o.on, o.gain
	for i, v := range samples {
		if heard < offsetSpan {
			heard++
		}
		mean += (v - mean) / float32(heard)
		size := max(mean, -mean)
		switch {
		case heard < offsetWait:
		case size > offsetFrom:
			on = true
		case size < offsetTo:
			on = false
		}
		switch {
		case on:
			gain = min(1, gain+offsetRamp)
		case gain > 0:
			gain = max(0, gain-offsetRamp)
		default:
			continue
		}
		samples[i] = v - gain*mean
	}
	o.heard, o.mean, o.on, o.gain = heard, mean, on, gain
}
