package recording_test

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

func TestSilentRecordings(t *testing.T) {
	t.Parallel()
	folder, err := recording.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f32 := func(v float32) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)) }
	for _, c := range []struct {
		name   string
		sample scout.SampleFormat
		last   []byte // behind half a second of zeros; nil for nothing at all
		want   bool
	}{
		{"nothing recorded", scout.SampleS16, nil, false},
		{"zeros", scout.SampleS16, []byte{0, 0}, true},
		{"the last bit, s16", scout.SampleS16, []byte{0xff, 0xff}, true},
		{"a click at the end, s16", scout.SampleS16, []byte{0, 0x80}, false},
		{"quiet speech, s16", scout.SampleS16, []byte{20, 0}, false},
		{"the noise of a converter, s24", scout.SampleS24, []byte{0x10, 0xfc, 0xff}, true},
		{"quiet speech, s24", scout.SampleS24, []byte{0, 0xf0, 0xff}, false},
		{"zeros, f32", scout.SampleF32, f32(-1e-6), true},
		{"quiet speech, f32", scout.SampleF32, f32(-1e-3), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			format := scout.Format{SampleRateHz: 16000, Channels: 1, Sample: c.sample}
			w, err := folder.Create(recording.Settings{Format: format, StartedAt: time.Now()})
			if err != nil {
				t.Fatal(err)
			}
			if c.last != nil {
				if _, err := w.Write(append(make([]byte, 8000*format.FrameBytes()), c.last...)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := w.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped}); err != nil {
				t.Fatal(err)
			}
			if got, err := folder.Silent(w.ID()); got != c.want || err != nil {
				t.Errorf("%v, %v; want %v", got, err, c.want)
			}
		})
	}
}
