package realtime

import (
	"time"

	"github.com/scout-speech/scout/internal/audio"
)

// Format is how a client sends sound: mono, 16-bit little-endian or G.711.
type Format struct {
	Type string `json:"type"`
	Rate int    `json:"rate,omitempty"` // of PCM, in Hz
}

// The types of sound, and their rates in Hz.
const (
	typePCM  = "audio/pcm"
	typePCMU = "audio/pcmu"
	typePCMA = "audio/pcma"

	usualRate              = 24000
	telephoneRate          = 8000
	leastRate, highestRate = 8000, 48000
)

func (f Format) encoding() audio.Encoding {
	switch f.Type {
	case typePCMU:
		return audio.MuLaw
	case typePCMA:
		return audio.ALaw
	}
	return audio.Int16
}

func (f Format) rate() int {
	if f.Type == typePCM {
		return f.Rate
	}
	return telephoneRate
}

// sound makes samples at 16 kHz of what a client sends. A sample may be divided among two messages.
type sound struct {
	format    Format
	canonical *audio.Canonical
	half      []byte // of a sample
	samples   []float32
	out       []float32
	received  int64 // samples of the client in this format
}

// partSamples is how much is converted at a time.
const partSamples = 4096

func newSound(f Format) (*sound, error) {
	canonical, err := audio.NewCanonical(f.rate(), 1, audio.MixChannels)
	if err != nil {
		return nil, err
	}
	return &sound{format: f, canonical: canonical, samples: make([]float32, partSamples), out: make([]float32, partSamples)}, nil
}

// write converts bytes and passes on what is ready, in memory that is used again.
func (s *sound) write(data []byte, pass func([]float32) error) error {
	enc := s.format.encoding()
	if size := enc.Bytes(); len(s.half) > 0 {
		n := min(len(data), size-len(s.half))
		s.half = append(s.half, data[:n]...)
		data = data[n:]
		if len(s.half) < size {
			return nil
		}
		whole := s.half
		s.half = nil
		if err := s.write(whole, pass); err != nil {
			return err
		}
	}
	for len(data) >= enc.Bytes() {
		n := audio.Decode(s.samples, data, enc)
		data = data[n*enc.Bytes():]
		s.received += int64(n)
		s.canonical.Write(s.samples[:n])
		if err := s.drain(pass); err != nil {
			return err
		}
	}
	s.half = append(s.half, data...)
	return nil
}

func (s *sound) drain(pass func([]float32) error) error {
	for {
		n := s.canonical.Read(s.out)
		if n == 0 {
			return nil
		}
		if err := pass(s.out[:n]); err != nil {
			return err
		}
	}
}

// flush passes on what the converter holds back, and begins anew with a format. Half a sample is forgotten with another format.
func (s *sound) flush(f Format, pass func([]float32) error) error {
	s.canonical.Close()
	if err := s.drain(pass); err != nil {
		return err
	}
	canonical, err := audio.NewCanonical(f.rate(), 1, audio.MixChannels)
	if err != nil {
		return err
	}
	if f != s.format {
		s.half = nil
	}
	s.format, s.canonical = f, canonical
	return nil
}

// length is how much was received in this format, without half a sample.
func (s *sound) length() time.Duration { return lasting(s.received, s.format.rate()) }
