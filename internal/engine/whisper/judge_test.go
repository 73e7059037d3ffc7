package whisper

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/engine/wire"
)

func TestRepeating(t *testing.T) {
	t.Parallel()
	phrase := func(n, times int) []int64 {
		var p []int64
		for i := range n {
			p = append(p, int64(i+100))
		}
		return slices.Repeat(p, times)
	}
	before := phrase(30, 1)
	for name, c := range map[string]struct {
		tokens []int64
		want   bool
	}{
		"nothing":                         {nil, false},
		"thirty different tokens":         {before, false},
		"seven times no":                  {append(slices.Clone(before), slices.Repeat([]int64{7}, 7)...), false},
		"eight times no":                  {append(slices.Clone(before), slices.Repeat([]int64{7}, 8)...), true},
		"eight times no and nothing else": {slices.Repeat([]int64{7}, 8), false},
		"a sentence three times":          {phrase(10, 3), false},
		"a sentence four times":           {phrase(10, 4), true},
		"four times, then something else": {append(phrase(10, 4), 7), false},
		"a long sentence four times":      {phrase(24, 4), true},
		"three words seven times":         {append(slices.Clone(before), phrase(3, 7)...), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := repeating(c.tokens); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestTwice(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"": false, "Experience proves this.": false, "Experience proves this. Experience proves this.": true,
		"No, no.": false, "Yes, it is. Yes it is!": true, "so good, so good": false,
		"He said it. Tear down the fence, tear down the fence": true, "Tear down the fence, tear down the fence, he said": false,
		"Das ist schön. Das ist schön.": true, "it's my it's my": false,
	} {
		if got := twice(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestCompression(t *testing.T) {
	t.Parallel()
	if got := compression(strings.Repeat("and then we went home ", 10)); got < 2.4 {
		t.Errorf("a phrase ten times compresses %v times", got)
	}
	if got := compression("And so my fellow Americans, ask not what your country can do for you, ask what you can do for your country."); got > 2.4 {
		t.Errorf("a sentence compresses %v times", got)
	}
	if got := compression(""); got != 0 {
		t.Errorf("nothing compresses %v times", got)
	}
}

func TestNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		noSpeech, logprob float32
		want              bool
	}{
		"speech":                               {0.05, -0.2, false},
		"speech that is hard to understand":    {0.45, -1.3, false},
		"digital silence":                      {0.92, -0.59, true},
		"noise":                                {0.77, -1.7, true},
		"music without a voice":                {0.46, -1.9, true},
		"a sure text in what sounds like none": {0.7, -0.2, false},
	} {
		d := &decoding{tokens: []int64{1}, logprobs: []float32{c.logprob}, ending: &c.logprob, noSpeech: c.noSpeech}
		if got := d.nothing(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	chosen, surest := float32(-1.7), -1.2
	d := &decoding{tokens: []int64{1}, logprobs: []float32{chosen}, ending: &chosen, noSpeech: 0.5, surest: &surest}
	if d.nothing() {
		t.Error("a text that was chosen before a surer one is taken for none")
	}
}

// script is a piece whose decodes are written down.
type script struct {
	seconds int
	says    []said
	hot     bool
	weighed *decoding
	asked   []how
}

type said struct {
	text    string
	logprob float32
	stop    wire.StopReason
	silent  float32
}

var errNoMore = errors.New("decoded too often")

func (s *script) decode(_ context.Context, w how) (*decoding, error) {
	if len(s.asked) == len(s.says) {
		return nil, errNoMore
	}
	next := s.says[len(s.asked)]
	s.asked = append(s.asked, w)
	d := &decoding{
		tokens: []int64{int64(len(s.asked) - 1)}, logprobs: []float32{next.logprob}, ending: &next.logprob, stop: next.stop, noSpeech: next.silent,
		frames: s.framesWith(w.tail),
	}
	if d.stop == "" {
		d.stop = wire.StopEnd
	}
	return d, nil
}

func (s *script) weigh(context.Context, *decoding) (*decoding, error) { return s.weighed, nil }

func (s *script) framesWith(tail int) int { return min(50*s.seconds+tail/frameSamples, 1500) }

func (s *script) text(d *decoding) string { return s.says[d.tokens[0]].text }

func (s *script) favours() bool { return s.hot }

func TestSettle(t *testing.T) {
	t.Parallel()
	const once, again = "Experience proves this.", "Experience proves this. Experience proves this."
	usual := how{tail: usualTail, beam: 1}
	longer, whole := how{tail: safeTail, beam: 1, anew: true}, how{tail: wholeTail, beam: 1, anew: true}
	beam := how{tail: safeTail, beam: 5, anew: true}
	repeats, improbable, silence := []wire.AgainReason{wire.AgainRepeats}, []wire.AgainReason{wire.AgainDoubtful}, []wire.AgainReason{wire.AgainSilence}
	for name, c := range map[string]struct {
		piece script
		first how
		asked []how
		take  int // which decode
		again []wire.AgainReason
	}{
		"a text that is sure":                  {script{seconds: 9, says: []said{{once, -0.1, "", 0}}}, usual, []how{usual}, 0, nil},
		"noise is decoded once":                {script{seconds: 9, says: []said{{"you", -1.5, "", 0.9}}}, usual, []how{usual}, 0, nil},
		"a loop in noise is decoded once":      {script{seconds: 9, says: []said{{again, -0.6, wire.StopRepeats, 0.7}}}, usual, []how{usual}, 0, nil},
		"silence with a likely text":           {script{seconds: 9, says: []said{{"you", -0.7, "", 0.9}, {"you", -1.7, "", 0.7}}}, usual, []how{usual, longer}, 0, silence},
		"sounds that may be speech":            {script{seconds: 9, says: []said{{"you", -0.7, "", 0.9}, {"you", -0.5, "", 0.5}}}, usual, []how{usual, longer}, 0, silence},
		"a loop that may be speech":            {script{seconds: 9, says: []said{{"you", -0.7, "", 0.9}, {again, -0.2, wire.StopRepeats, 0.3}}}, usual, []how{usual, longer}, 0, silence},
		"speech taken for silence":             {script{seconds: 9, says: []said{{once, -0.45, "", 0.7}, {once, -0.3, "", 0.35}}}, usual, []how{usual, longer}, 1, silence},
		"the same, doubtful":                   {script{seconds: 9, says: []said{{once, -0.45, "", 0.7}, {"a", -0.6, "", 0.35}, {"b", -0.5, "", 0.35}}}, usual, []how{usual, longer, beam}, 2, append(slices.Clone(silence), improbable...)},
		"the same, said twice":                 {script{seconds: 9, says: []said{{once, -0.45, "", 0.7}, {again, -0.6, "", 0.35}, {again, -0.3, "", 0.35}}}, usual, []how{usual, longer, whole}, 2, append(slices.Clone(silence), repeats...)},
		"the same, and somebody waits":         {script{seconds: 9, says: []said{{once, -0.45, "", 0.7}}}, how{tail: usualTail, beam: 1, once: true}, []how{{tail: usualTail, beam: 1, once: true}}, 0, nil},
		"the same, heard with 5 s already":     {script{seconds: 9, says: []said{{once, -0.45, "", 0.7}}}, how{tail: safeTail, beam: 5}, []how{{tail: safeTail, beam: 5}}, 0, nil},
		"said twice by mistake":                {script{seconds: 9, says: []said{{again, -0.1, "", 0}, {once, -0.1, "", 0}}}, usual, []how{usual, longer}, 1, repeats},
		"said twice indeed":                    {script{seconds: 9, says: []said{{again, -0.1, "", 0}, {again, -0.2, "", 0}}}, usual, []how{usual, longer}, 1, repeats},
		"stopped, and better with more":        {script{seconds: 9, says: []said{{again, -0.1, wire.StopRepeats, 0}, {once, -0.1, "", 0}}}, usual, []how{usual, longer}, 1, repeats},
		"stopped, and only the whole helps":    {script{seconds: 9, says: []said{{again, -0.1, wire.StopRepeats, 0}, {again, -0.1, wire.StopLength, 0}, {once, -0.3, "", 0}}}, usual, []how{usual, longer, whole}, 2, []wire.AgainReason{wire.AgainRepeats, wire.AgainLength}},
		"nothing helps":                        {script{seconds: 9, says: []said{{again, -0.1, wire.StopRepeats, 0}, {"a b c d a b c d", -0.1, "", 0}, {again, -0.3, wire.StopLength, 0}}}, usual, []how{usual, longer, whole}, 1, []wire.AgainReason{wire.AgainRepeats, wire.AgainRepeats}},
		"a long piece hears the whole at once": {script{seconds: 29, says: []said{{again, -0.1, wire.StopRepeats, 0}}}, usual, []how{usual}, 0, nil},
		"doubtful, and the beam is surer":      {script{seconds: 9, says: []said{{"a", -0.9, "", 0}, {"b", -0.6, "", 0}}}, usual, []how{usual, beam}, 1, improbable},
		"doubtful, and the beam is not":        {script{seconds: 9, says: []said{{"a", -0.7, "", 0}, {"b", -0.8, "", 0}}}, usual, []how{usual, beam}, 0, improbable},
		"doubtful, and the beam repeats":       {script{seconds: 9, says: []said{{"a", -0.7, "", 0}, {again, -0.1, "", 0}}}, usual, []how{usual, beam}, 0, improbable},
		"doubtful, and somebody waits":         {script{seconds: 9, says: []said{{"a", -0.7, "", 0}}}, how{tail: usualTail, beam: 1, once: true}, []how{{tail: usualTail, beam: 1, once: true}}, 0, nil},
		"repeats, and somebody waits":          {script{seconds: 9, says: []said{{again, -0.7, "", 0}, {once, -0.1, "", 0}}}, how{tail: usualTail, beam: 1, once: true}, []how{{tail: usualTail, beam: 1, once: true}, {tail: safeTail, beam: 1, once: true, anew: true}}, 1, repeats},
		"doubtful with hot words":              {script{seconds: 9, hot: true, says: []said{{"a", -0.7, "", 0}, {"b", -0.6, "", 0}}}, usual, []how{usual, longer}, 1, improbable},
		"doubtful with a beam and 5 s":         {script{seconds: 9, says: []said{{"a", -0.7, "", 0}, {"b", -0.6, "", 0}}}, how{tail: safeTail, beam: 5}, []how{{tail: safeTail, beam: 5}, {tail: wholeTail, beam: 5, anew: true}}, 1, improbable},
		"doubtful, and nothing else to try":    {script{seconds: 29, says: []said{{"a", -0.7, "", 0}}}, how{tail: usualTail, beam: 5}, []how{{tail: usualTail, beam: 5}}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := c.piece
			d, reasons, err := settle(context.Background(), &p, c.first)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.asked, c.asked) || int(d.tokens[0]) != c.take {
				t.Errorf("asked %+v and took %d, want %+v and %d", p.asked, d.tokens[0], c.asked, c.take)
			}
			if !slices.Equal(reasons, c.again) {
				t.Errorf("decoded again because of %q, want %q", reasons, c.again)
			}
		})
	}
}

// A text that two hearings agreed on is taken without a further decode, and not looked for where somebody waits.
func TestSettleWeighs(t *testing.T) {
	t.Parallel()
	p := &script{seconds: 1, says: []said{{"a", -0.7, "", 0}}, weighed: &decoding{tokens: []int64{7}}}
	d, reasons, err := settle(context.Background(), p, how{tail: wholeTail, beam: 8})
	if err != nil || d != p.weighed || !slices.Equal(reasons, []wire.AgainReason{wire.AgainDoubtful}) {
		t.Errorf("%+v, %q, %v", d, reasons, err)
	}
	p.asked = nil
	if d, reasons, err = settle(context.Background(), p, how{tail: wholeTail, beam: 8, once: true}); err != nil || d == p.weighed || reasons != nil {
		t.Errorf("somebody waits: %+v, %q, %v", d, reasons, err)
	}
}
