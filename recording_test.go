package scout_test

import (
	"math"
	"testing"
	"time"

	"github.com/scout-speech/scout"
)

func TestFormatTime(t *testing.T) {
	t.Parallel()
	cd := scout.Format{SampleRateHz: 44100, Channels: 2, Sample: scout.SampleS24}
	for _, c := range []struct {
		name   string
		frames uint64
		want   time.Duration
	}{
		{"nothing", 0, 0},
		{"a second", 44100, time.Second},
		{"rounded down", 1, 22675 * time.Nanosecond},
		{"a year", 44100 * 86400 * 365, 365 * 24 * time.Hour},
		{"saturates", math.MaxUint64, math.MaxInt64},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := cd.Duration(c.frames); got != c.want {
				t.Errorf("Duration(%d) = %v, want %v", c.frames, got, c.want)
			}
		})
	}
	if got := cd.Frames(365 * 24 * time.Hour); got != 44100*86400*365 {
		t.Errorf("Frames of a year = %d", got)
	}
	if got := cd.Frames(-time.Second); got != 0 {
		t.Errorf("Frames of a negative duration = %d, want 0", got)
	}
	if got := cd.FrameBytes(); got != 6 {
		t.Errorf("FrameBytes = %d, want 6", got)
	}
}

func TestFormatValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		format scout.Format
		ok     bool
	}{
		{"speech", scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}, true},
		{"no rate", scout.Format{Channels: 1, Sample: scout.SampleS16}, false},
		{"rate too high", scout.Format{SampleRateHz: 192001, Channels: 1, Sample: scout.SampleS16}, false},
		{"no channel", scout.Format{SampleRateHz: 16000, Sample: scout.SampleS16}, false},
		{"too many channels", scout.Format{SampleRateHz: 16000, Channels: 65, Sample: scout.SampleS16}, false},
		{"unknown samples", scout.Format{SampleRateHz: 16000, Channels: 1, Sample: "u8"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := c.format.Validate()
			if (err == nil) != c.ok {
				t.Fatalf("Validate = %v, want ok %v", err, c.ok)
			}
			if err != nil && scout.CodeOf(err) != scout.CodeAudioUnsupported {
				t.Errorf("code %s", scout.CodeOf(err))
			}
		})
	}
}
