package file_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
)

// aac reads AAC as it comes, with ffmpeg.
func aac(t *testing.T, data []byte) ([]float32, file.Info, error) {
	t.Helper()
	places := 0
	r, err := file.New(context.Background(), bytes.NewReader(data), "x", file.Options{TempDir: t.TempDir(), Unfinished: true, Programs: func() (func(), bool) {
		places++
		return func() { places-- }, true
	}})
	var samples []float32
	var info file.Info
	if err == nil {
		samples, err = drain(r)
		info = r.Info()
		err = errors.Join(err, r.Close())
	}
	if places != 0 {
		t.Errorf("%d places for programs are left", places)
	}
	return samples, info, err
}

// TestAACAsItComes compares AAC that is decoded as it comes with the complete file: in ADTS, in MP4 with the index in front and in fragments, and
// with what is to be told or refused.
func TestAACAsItComes(t *testing.T) {
	t.Parallel()
	sound := wavFile(audio.Int16, 44100, 1, hum(44100, 6*44100+4711, 1))
	type stream struct {
		arguments string
		change    func([]byte) []byte
		whole     bool // it must be complete
		warning   scout.WarningCode
		least     float64 // how alike it must be; 1 if it is 0, of the same length
	}
	streams := map[string]stream{
		"adts":             {arguments: "-f adts"},
		"adts in stereo":   {arguments: "-ac 2 -ar 48000 -f adts"},
		"index in front":   {arguments: "-movflags +faststart -f mp4"},
		"beside pictures":  {arguments: "-f lavfi -i color=size=16x16:rate=5:duration=6 -c:v mpeg4 -movflags +faststart -f mp4"},
		"fragments":        {arguments: "-movflags frag_keyframe+empty_moov+default_base_moof -frag_duration 500000 -f mp4"},
		"fragments, late":  {arguments: "-movflags frag_keyframe+empty_moov+delay_moov -frag_duration 500000 -f mp4"},
		"index at the end": {arguments: "-f mp4", whole: true},
		"adts, damaged": {arguments: "-b:a 64k -f adts", warning: scout.WarningDamaged, least: 0.9, change: func(b []byte) []byte {
			copy(b[len(b)/2:], bytes.Repeat([]byte{0x55, 0}, 500))
			return b
		}},
		"adts, cut off":            {arguments: "-f adts", warning: scout.WarningCutOff, change: func(b []byte) []byte { return b[:len(b)-10] }},
		"index in front, cut off":  {arguments: "-movflags +faststart -f mp4", warning: scout.WarningCutOff, change: func(b []byte) []byte { return b[:len(b)-10] }},
		"adts, joined":             {arguments: "-f adts", change: func(b []byte) []byte { return append(b, b...) }},
		"index in front, joined":   {arguments: "-movflags +faststart -f mp4", change: func(b []byte) []byte { return append(b, b...) }},
		"index in front, and junk": {arguments: "-movflags +faststart -f mp4", change: func(b []byte) []byte { return append(b, make([]byte, 300)...) }},
	}
	var wanted []string
	for _, c := range streams {
		if !strings.Contains(c.arguments, "lavfi") { // another input
			wanted = append(wanted, "-c:a aac "+c.arguments+" x")
		}
	}
	slices.Sort(wanted)
	made := encodings(t, sound, slices.Compact(wanted)...)
	for name, c := range streams {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := bytes.Clone(made["-c:a aac "+c.arguments+" x"])
			if len(data) == 0 {
				data = contents(t, convert(t, sound, "x", strings.Fields("-c:a aac "+c.arguments)...))
			}
			if c.change != nil {
				data = c.change(data)
			}
			got, info, err := aac(t, data)
			if c.whole {
				if !errors.Is(err, file.ErrUnfinished) {
					t.Errorf("%v, want that it must be complete", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, wanted := readFile(t, write(t, "x", data), file.Options{})
			if warned := len(info.Warnings) > 0; warned != (c.warning != "") || warned && info.Warnings[0].Code != c.warning {
				t.Errorf("%s, want %q; of the whole file: %s", messages(info.Warnings), c.warning, messages(wanted.Warnings))
			}
			if info.Container != wanted.Container || info.Codec != wanted.Codec || info.SampleRateHz != wanted.SampleRateHz || info.Channels != wanted.Channels {
				t.Errorf("%+v, the whole file has %+v", info, wanted)
			}
			if c.least > 0 {
				alike(t, name, got, want, c.least)
				return
			}
			if different := differs(got, want); different != "" {
				t.Errorf("%d samples, the whole file has %d: %s", len(got), len(want), different)
			}
		})
	}
}

// differs says where two recordings differ by more than rounding; empty if they do not.
func differs(got, want []float32) string {
	if len(got) != len(want) {
		return "not as long"
	}
	for i := range got {
		if d := got[i] - want[i]; d > 1e-4 || d < -1e-4 {
			return "not the same"
		}
	}
	return ""
}
