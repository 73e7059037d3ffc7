package file_test

import (
	"bytes"
	"context"
	"math"
	"testing"

	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/file"
)

// TestOpusAsItComes compares Opus that is decoded here, as it comes, with the same file complete, which ffmpeg decodes: of each mode of the
// codec, in one and two channels, and with a page that is damaged.
func TestOpusAsItComes(t *testing.T) {
	t.Parallel()
	const seconds = 8
	source := make([]float32, seconds*48000)
	for i := range source { // a voice: a tone with overtones that glides, in syllables
		at := float64(i) / 48000
		for k := 1; k <= 6; k++ {
			source[i] += float32(0.1 / float64(k) * math.Sin(2*math.Pi*float64(k)*(140*at+8*math.Sin(2*at))) * (1 + math.Sin(9*at)))
		}
	}
	sound := wavFile(audio.Int16, 48000, 1, source)
	tests := map[string]struct {
		arguments string
		damage    bool
	}{
		"SILK":             {arguments: "-b:a 14k -application voip"},
		"hybrid":           {arguments: "-b:a 28k -application voip"},
		"CELT":             {arguments: "-b:a 64k -application lowdelay"},
		"two channels":     {arguments: "-ac 2 -b:a 48k"},
		"60 ms":            {arguments: "-b:a 24k -frame_duration 60"},
		"a damaged page":   {arguments: "-b:a 32k -page_duration 500000", damage: true},
		"pages of a frame": {arguments: "-b:a 32k -page_duration 1"},
	}
	encoding := func(arguments string) string { return "-c:a libopus " + arguments + " -f ogg ogg" }
	var wanted []string
	for _, c := range tests {
		wanted = append(wanted, encoding(c.arguments))
	}
	made := encodings(t, sound, wanted...)
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := made[encoding(c.arguments)]
			if len(data) == 0 {
				t.Skip("this ffmpeg cannot make it")
			}
			want, _ := readFile(t, write(t, "x.ogg", data), file.Options{})
			if c.damage {
				data[len(data)/2] ^= 0x55
			}
			r, err := file.New(context.Background(), bytes.NewReader(data), "x", file.Options{TempDir: t.TempDir(), Unfinished: true})
			if err != nil {
				t.Fatal(err)
			}
			got, err := drain(r)
			if err != nil {
				t.Fatal(err)
			}
			info := r.Info()
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if difference := len(got) - len(want); max(difference, -difference) > 16 {
				t.Errorf("%d samples, ffmpeg has %d", len(got), len(want))
			}
			if damaged := len(info.Warnings) > 0; damaged != c.damage || info.Codec != "opus" {
				t.Errorf("%+v", info)
			}
			least := 0.98 // the resamplers of SILK differ in their phase
			if c.damage {
				least = 0.9
			}
			if alike, lag := correlation(want, got); alike < least || max(lag, -lag) > 16 {
				t.Errorf("it is like what ffmpeg decodes by %.4f, %d samples later", alike, lag)
			}
		})
	}
}
