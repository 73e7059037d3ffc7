package audio

// Survey finds out which channels of a recording are silent and which hold the same sound, so that no channel is
// transcribed needlessly. It belongs to one goroutine.
type Survey struct {
	channels int
	block    int       // frames in the sums of the current block
	sums     []float64 // of a block, each channel
	squares  []float64
	products []float64 // of a block, of each pair of channels: see pair
	loudest  []float64 // power of the loudest block of each channel
	power    []float64 // over the whole recording, without offsets
	shared   []float64
	uneven   bool // the number of channels changed; the length of loudest is the largest number
}

// surveyBlock is the number of frames over which power is measured and the offset removed: 21 ms at 48 kHz.
const surveyBlock = 1024

// surveyPairs is the largest number of channels that are all compared with each other. With more channels, each is
// compared with the first and the one before it.
const surveyPairs = 8

// ChannelSummary is what a Survey found out about a channel.
type ChannelSummary struct {
	// Silent is set if it is below -75 dBFS throughout: nothing of it would be decoded.
	Silent bool
	// SameAs is the number, from 1, of an earlier channel with the same sound, at any level and with any sign; 0 if
	// there is none.
	SameAs int
}

// NewSurvey returns a survey of the given number of channels.
func NewSurvey(channels int) *Survey {
	s := &Survey{channels: channels}
	for _, list := range []*[]float64{&s.sums, &s.squares, &s.loudest, &s.power} {
		*list = make([]float64, channels)
	}
	s.products, s.shared = make([]float64, channels*channels), make([]float64, channels*channels)
	return s
}

// compared reports whether channel b, from 0, is compared with the earlier channel a.
func (s *Survey) compared(a, b int) bool {
	return s.channels <= surveyPairs || a == 0 || a == b-1
}

// Write takes whole frames, interleaved. If the number of channels changes, channels that exist in only a part of the
// recording count too, and channels are no longer compared.
func (s *Survey) Write(samples []float32, channels int) {
	if channels != s.channels || s.uneven {
		s.writeUneven(samples, channels)
		return
	}
	for frame := 0; frame+channels <= len(samples); frame += channels {
		x := samples[frame : frame+channels]
		for b, v := range x {
			value := float64(v)
			s.sums[b] += value
			s.squares[b] += value * value
			for a := range b {
				if s.compared(a, b) {
					s.products[b*channels+a] += value * float64(x[a])
				}
			}
		}
		if s.block++; s.block == surveyBlock {
			s.endBlock()
		}
	}
}

// writeUneven uses the loudest sample of each channel as its power.
func (s *Survey) writeUneven(samples []float32, channels int) {
	if !s.uneven {
		s.endBlock()
		s.uneven = true
	}
	for len(s.loudest) < channels {
		s.loudest = append(s.loudest, 0)
	}
	for c := range channels {
		for i := c; i < len(samples); i += channels {
			v := float64(samples[i])
			s.loudest[c] = max(s.loudest[c], v*v/2)
		}
	}
}

// endBlock adds the sums of the block to those of the whole.
func (s *Survey) endBlock() {
	n := float64(s.block)
	if n == 0 {
		return
	}
	for b := range s.channels {
		power := max(0, s.squares[b]-s.sums[b]*s.sums[b]/n)
		s.loudest[b] = max(s.loudest[b], power/n)
		s.power[b] += power
		for a := range b {
			s.shared[b*s.channels+a] += s.products[b*s.channels+a] - s.sums[a]*s.sums[b]/n
		}
	}
	s.block = 0
	clear(s.sums)
	clear(s.squares)
	clear(s.products)
}

// Channels returns what is known so far, one summary per channel.
func (s *Survey) Channels() []ChannelSummary {
	s.endBlock()
	all := make([]ChannelSummary, len(s.loudest))
	for b := range all {
		all[b].Silent = s.loudest[b] < silentPower
		if s.uneven {
			continue
		}
		for a := range b {
			if all[a].Silent || all[b].Silent || all[a].SameAs > 0 || !s.compared(a, b) {
				continue
			}
			// The rest of b after the part that follows from a is removed: less than a thousandth.
			shared := s.shared[b*s.channels+a]
			if s.power[b]-shared*shared/s.power[a] < 1e-3*s.power[b] {
				all[b].SameAs = a + 1
				break
			}
		}
	}
	return all
}
