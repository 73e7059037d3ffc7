package scout

import (
	"math"
	"math/bits"
	"time"
)

// SampleFormat is how one sample is stored, little-endian.
type SampleFormat string

// The sample formats of recordings.
const (
	SampleS16 SampleFormat = "s16" // signed 16-bit integers
	SampleS24 SampleFormat = "s24" // signed 24-bit integers in three bytes
	SampleF32 SampleFormat = "f32" // IEEE 754 single precision, full scale is [-1, 1]
)

// Bytes returns the size of one sample, 0 for an unknown format.
func (f SampleFormat) Bytes() int {
	switch f {
	case SampleS16:
		return 2
	case SampleS24:
		return 3
	case SampleF32:
		return 4
	}
	return 0
}

// Limits of the formats that Scout records.
const (
	MinSampleRateHz = 8000
	MaxSampleRateHz = 192000
	MaxChannels     = 64
)

// Format describes a stream of frames. A frame is one sample for each channel, interleaved.
type Format struct {
	SampleRateHz int          `json:"sample_rate"`
	Channels     int          `json:"channels"`
	Sample       SampleFormat `json:"sample_format"`
}

// FrameBytes returns the size of one frame.
func (f Format) FrameBytes() int { return f.Channels * f.Sample.Bytes() }

// Duration returns the duration of the given number of frames, rounded down to a nanosecond. It saturates after 292
// years.
func (f Format) Duration(frames uint64) time.Duration {
	if f.SampleRateHz <= 0 {
		return 0
	}
	return time.Duration(scale(frames, uint64(time.Second), uint64(f.SampleRateHz)))
}

// Frames returns how many whole frames fit into d, 0 if d is negative.
func (f Format) Frames(d time.Duration) uint64 {
	if d <= 0 || f.SampleRateHz <= 0 {
		return 0
	}
	return scale(uint64(d), uint64(f.SampleRateHz), uint64(time.Second))
}

// scale returns a*b/c rounded down without overflow in between, at most math.MaxInt64.
func scale(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return math.MaxInt64
	}
	quotient, _ := bits.Div64(hi, lo, c)
	return min(quotient, math.MaxInt64)
}

// Validate returns an error with CodeAudioUnsupported if the format cannot be recorded.
func (f Format) Validate() error {
	switch {
	case f.SampleRateHz < MinSampleRateHz || f.SampleRateHz > MaxSampleRateHz:
		return Errorf(CodeAudioUnsupported, "sample rate %d Hz: want %d to %d", f.SampleRateHz, MinSampleRateHz, MaxSampleRateHz)
	case f.Channels < 1 || f.Channels > MaxChannels:
		return Errorf(CodeAudioUnsupported, "%d channels: want 1 to %d", f.Channels, MaxChannels)
	case f.Sample.Bytes() == 0:
		return Errorf(CodeAudioUnsupported, "sample format %q: want %s, %s or %s", f.Sample, SampleS16, SampleS24, SampleF32)
	}
	return nil
}

// GapReason says why a stretch of a recording is silence instead of audio. Reasons are part of the public contract and
// are never renamed.
type GapReason string

// Position is the index of a frame in a recording: the number of frames before it. Frame n was captured n/rate seconds
// after the recording began.
type Position uint64

// Add returns the position that many frames later.
func (p Position) Add(frames uint64) Position { return p + Position(frames) }

// Sub returns how many frames lie between the earlier position q and p. For a later q it is 0.
func (p Position) Sub(q Position) uint64 { return uint64(p - min(p, q)) }

// Gap is a stretch of a recording for which no audio exists. The file holds silence there, so that
// positions stay true in time.
type Gap struct {
	Start  Position  `json:"start"`  // frames since the recording began
	Frames uint64    `json:"frames"` // length, never 0
	Reason GapReason `json:"reason"`
}

// End returns the position of the first frame after the gap.
func (g Gap) End() Position { return g.Start.Add(g.Frames) }
