package audio_test

import (
	"slices"
	"testing"

	"github.com/scout-speech/scout/internal/audio"
)

func TestSurvey(t *testing.T) {
	t.Parallel()
	s, other := clip(t), secondVoice(t)
	s = s[:len(other)]
	n := len(s)
	none, silent := audio.ChannelSummary{}, audio.ChannelSummary{Silent: true}
	same := func(as int) audio.ChannelSummary { return audio.ChannelSummary{SameAs: as} }
	for name, c := range map[string]struct {
		planes [][]float32
		want   []audio.ChannelSummary
	}{
		"two people":              {[][]float32{s, other}, []audio.ChannelSummary{none, none}},
		"the same":                {[][]float32{s, s}, []audio.ChannelSummary{none, same(1)}},
		"the same, softer":        {[][]float32{s, scaled(0.2, s)}, []audio.ChannelSummary{none, same(1)}},
		"the same, turned round":  {[][]float32{s, scaled(-1, s)}, []audio.ChannelSummary{none, same(1)}},
		"the same and an offset":  {[][]float32{s, sum(s, made(n, func(float64) float64 { return 0.2 }))}, []audio.ChannelSummary{none, same(1)}},
		"the same but for a word": {[][]float32{s, changed(n-8000, s, silence(n))}, []audio.ChannelSummary{none, none}},
		"one hears the other":     {[][]float32{s, sum(other, scaled(0.3, s))}, []audio.ChannelSummary{none, none}},
		"one is silent":           {[][]float32{silence(n), s}, []audio.ChannelSummary{silent, none}},
		"one has an offset alone": {[][]float32{made(n, func(float64) float64 { return 0.1 }), s}, []audio.ChannelSummary{silent, none}},
		"both are silent":         {[][]float32{silence(n), silence(n)}, []audio.ChannelSummary{silent, silent}},
		"one word in all":         {[][]float32{changed(n-4000, silence(n), s), s}, []audio.ChannelSummary{none, none}},
		"four, in pairs":          {[][]float32{s, other, s, other}, []audio.ChannelSummary{none, none, same(1), same(2)}},
		"twelve, all the same": {
			slices.Repeat([][]float32{s}, 12),
			append([]audio.ChannelSummary{none}, slices.Repeat([]audio.ChannelSummary{same(1)}, 11)...),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			survey := audio.NewSurvey(len(c.planes))
			var frames []float32
			for i := range n {
				for _, plane := range c.planes {
					frames = append(frames, plane[i])
				}
				if len(frames) >= 5000 || i == n-1 {
					survey.Write(frames, len(c.planes))
					frames = frames[:0]
				}
			}
			if got := survey.Channels(); !slices.Equal(got, c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}
