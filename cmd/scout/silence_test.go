package main

import (
	"strings"
	"testing"
)

// TestSpeechBeforeSilence transcribes the beginning of the clip with silence behind it, as a recording ends whose device was
// unplugged or muted. The words must be there, as they are without the silence.
func TestSpeechBeforeSilence(t *testing.T) {
	needModel(t)
	t.Parallel()
	for situation, c := range map[string]struct{ filter, want string }{
		"two words, half a second":     {"atrim=0:1.1,asetpts=N/SR/TB,apad=pad_dur=0.5", "and so"},
		"two words, two seconds":       {"atrim=0:1.1,asetpts=N/SR/TB,apad=pad_dur=2", "and so"},
		"inside a word, half a second": {"atrim=0:1.3,asetpts=N/SR/TB,apad=pad_dur=0.5", "and so my"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			clip := ffmpegMakes(t, "clip.wav", "-i", "../../testdata/jfk.wav", "-af", c.filter)
			o := scoutRun(t, nil, "transcribe", clip)
			text := strings.ToLower(strings.ReplaceAll(o.out, ",", ""))
			if o.code != 0 || !strings.HasPrefix(text, c.want) || o.err != "" {
				t.Errorf("exit %d, %q, %q: want %q", o.code, o.out, o.err, c.want)
			}
		})
	}
}
