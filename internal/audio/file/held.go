package file

// held is what a decoder has decoded and not given yet: silence, and then samples.
type held struct {
	silence int64     // frames, in the place of what is damaged
	pending []float32 // interleaved
}

// empty tells whether more must be decoded first.
func (h *held) empty() bool { return len(h.pending) == 0 && h.silence == 0 }

// give moves samples to dst, whose length is a multiple of channels, and returns how many.
func (h *held) give(dst []float32, channels int) int {
	if h.silence > 0 {
		n := int(min(int64(len(dst)/channels), h.silence))
		h.silence -= int64(n)
		clear(dst[:n*channels])
		return n * channels
	}
	n := copy(dst, h.pending)
	h.pending = h.pending[n:]
	return n
}
