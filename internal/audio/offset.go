package audio

// Bounds of an offset, parts of full scale. One of 0.03 costs punctuation, one of 0.1 letters (docs/adr/0034-mixing.md); below
// a hundredth samples stay as they are.
const (
	offsetFrom = 0.01
	offsetTo   = 0.005
	// offsetSpan is over how many samples the mean is taken, half a second: the slowest sound in a voice is a hundred times
	// faster.
	offsetSpan = 8000
	// offsetWait is how many samples are heard before anything is believed.
	offsetWait = 1600
	// offsetRamp is one over the samples in which the correction comes and goes, 20 ms.
	offsetRamp = 1.0 / 320
)

// offset removes a constant from a channel, which sound cards of poor make add. It takes samples one at a time, so that
// it does not matter how the stream is divided.
type offset struct {
	heard int
	mean  float32
	on    bool
	gain  float32
}

// remove works in place.
func (o *offset) remove(samples []float32) {
	mean, gain := o.mean, o.gain
	for i, v := range samples {
		if o.heard < offsetSpan {
			o.heard++
		}
		mean += (v - mean) / float32(o.heard)
		size := max(mean, -mean)
		switch {
		case o.heard < offsetWait:
		case size > offsetFrom:
			o.on = true
		case size < offsetTo:
			o.on = false
		}
		switch {
		case o.on:
			gain = min(1, gain+offsetRamp)
		case gain > 0:
			gain = max(0, gain-offsetRamp)
		default:
			continue
		}
		samples[i] = v - gain*mean
	}
	o.mean, o.gain = mean, gain
}
