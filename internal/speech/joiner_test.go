package speech_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/align"
)

// said is a piece between two times in seconds, whose words are spread evenly.
func said(from, to int, text string) speech.Decoded {
	at := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	d := speech.Decoded{Core: speech.Span{From: at(float64(from)), To: at(float64(to))}}
	d.Heard = align.Heard{From: d.Core.From, To: d.Core.To}
	words := strings.Fields(text)
	step := float64(to-from) / float64(len(words)+1)
	for i, w := range words {
		start, end := at(float64(from)+step*float64(i)), at(float64(from)+step*(float64(i)+0.9))
		d.Words = append(d.Words, scout.Word{Text: w, Start: &start, End: &end})
	}
	return d
}

func TestSegmentsEndWithSentences(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		pieces []string // ten seconds each
		want   []string
	}{
		"Chinese":                              {[]string{"今天 天 气 好。 走 吧！"}, []string{"今天天气好。", "走吧！"}},
		"Japanese":                             {[]string{"彼 は 来 た。 次 は 私。"}, []string{"彼は来た。", "次は私。"}},
		"Hindi":                                {[]string{"नमस्ते दुनिया। कैसे हो?"}, []string{"नमस्ते दुनिया।", "कैसे हो?"}},
		"Arabic":                               {[]string{"كيف حالك؟ بخير."}, []string{"كيف حالك؟", "بخير."}},
		"Latin within Chinese":                 {[]string{"用 Python 写。"}, []string{"用 Python 写。"}},
		"two sentences":                        {[]string{"We met him. He left."}, []string{"We met him.", "He left."}},
		"a title within a piece":               {[]string{"Mr. Quilter is here. We are glad."}, []string{"Mr. Quilter is here.", "We are glad."}},
		"a title at the end of a piece":        {[]string{"We met him. And Mr.", "Quilter left."}, []string{"We met him.", "And", "Mr. Quilter left."}},
		"two titles at the end of a piece":     {[]string{"We met Prof. Dr.", "Miller there."}, []string{"We met", "Prof. Dr. Miller there."}},
		"a title in quotes":                    {[]string{"He said \"Mrs. Miller is out.\" Then he left."}, []string{"He said \"Mrs. Miller is out.\"", "Then he left."}},
		"a title is all there is of a piece":   {[]string{"Mr.", "Quilter left."}, []string{"Mr. Quilter left."}},
		"a title is all there is":              {[]string{"Mr."}, []string{"Mr."}},
		"a piece without words":                {[]string{"We met him.", "", "He left."}, []string{"We met him.", "He left."}},
		"a title ahead of a piece without any": {[]string{"We met Mr.", "", "Quilter."}, []string{"We met", "Mr. Quilter."}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			var end time.Duration
			j := speech.NewJoiner(speech.JoinerState{}, func(s scout.Segment) {
				got = append(got, s.Text)
				if s.Start < end || s.End < s.Start {
					t.Errorf("%q from %v to %v behind %v", s.Text, s.Start, s.End, end)
				}
				end = s.End
			})
			for i, text := range test.pieces {
				j.Add(said(10*i, 10*i+10, text))
			}
			j.Finish()
			if !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// TestSegmentsEndAtWhatIsSetAside checks that no segment, and so no subtitle, spans a stretch whose text is missing.
func TestSegmentsEndAtWhatIsSetAside(t *testing.T) {
	t.Parallel()
	d := said(0, 10, "one two three four") // each two seconds after another
	d.Words = append(d.Words[:1:1], d.Words[3])
	tests := map[string]struct {
		from, to time.Duration
		want     []string
	}{
		"between two words":     {1900 * time.Millisecond, 5900 * time.Millisecond, []string{"one", "four"}},
		"a moment between them": {1900 * time.Millisecond, 2900 * time.Millisecond, []string{"one four"}},
		"behind them":           {8 * time.Second, 10 * time.Second, []string{"one four"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			piece := d
			piece.SetAside = []scout.SetAside{{Start: test.from, End: test.to, Code: scout.CodeTextLost}}
			var got []string
			j := speech.NewJoiner(speech.JoinerState{}, func(s scout.Segment) { got = append(got, s.Text) })
			j.Add(piece)
			j.Finish()
			if !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}
