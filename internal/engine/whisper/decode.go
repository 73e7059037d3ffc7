package whisper

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/hotword"
	"github.com/scout-speech/scout/internal/engine/native"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/engine/wordtime"
)

// job is the work of a slot.
type job struct {
	samples    []float32
	language   string // code, empty to detect it
	translate  bool
	given      int     // tokens of the request's prompt in context
	context    []int64 // tokens of the text before, at most half of the positions
	hypothesis []int64
	align      bool           // record what every token attended to
	spell      bool           // report the tokens of each word
	hot        *hotword.Words // nil if there are none
	step       *wire.Step
}

// how is what may differ between two decodes of one job.
type how struct {
	tail int  // samples of silence behind the audio
	beam int  // texts to follow; 1 is greedy
	once bool // a doubtful text is not decoded again: somebody waits
	anew bool // without the hypothesis, which may be what led here
}

// blank reports whether the features behind the audio are 0 instead of silence. With 5 s short pieces are understood
// better so, with 2 s and 30 s worse: docs/adr/0072-whisper-padding.md.
func (w how) blank() bool { return w.tail >= safeTail && w.tail < wholeTail }

// decoding is the outcome of one decode.
type decoding struct {
	tokens   []int64   // without the end token
	logprobs []float32 // of tokens
	ending   *float32  // log-probability of the end token, nil if decoding stopped without one
	agreed   int       // tokens taken from the hypothesis
	stop     wire.StopReason

	language string
	prob     *float32 // of the language, nil if it was given
	noSpeech float32
	surest   *float64 // mean log-probability of the surest text of a beam, nil if one text was followed
	texts    []branch // of a beam, which followed width of them behind the prompt
	width    int
	prompt   []int64          // what stands before the text
	start    int              // where the start marker is in it
	frames   int              // heard, silence included
	blank    bool             // how they were heard, as in hearing
	placer   *wordtime.Placer // has seen the decode if words are wanted
}

// sum is the log-probability of the tokens and the end.
func (d *decoding) sum() float64 {
	sum := 0.0
	for _, p := range d.logprobs {
		sum += float64(p)
	}
	if d.ending != nil {
		sum += float64(*d.ending)
	}
	return sum
}

// average is the mean log-probability of the tokens and the end.
func (d *decoding) average() float64 { return d.sum() / float64(len(d.tokens)+1) }

// session is one job on a slot: the audio that was heard last is kept, so that another look at it need not hear it again.
type session struct {
	*slot
	job
	owned    native.Tensors
	heard    hearing
	found    *tongue       // the language that the model found last, nil where it was given
	longest  int           // most frames that were heard
	encoding time.Duration // of the encoder, in all decodes
	again    []wire.AgainReason
}

// decode decodes the job once.
func (s *session) decode(ctx context.Context, w how) (*decoding, error) {
	frames := s.framesWith(w.tail)
	if err := s.listen(frames, w.blank()); err != nil {
		return nil, err
	}
	if err := s.tellLanguage(w); err != nil {
		return nil, err
	}
	s.step.Decode(0)
	d := &decoding{frames: frames, blank: w.blank()}
	if s.align {
		d.placer, s.placer = s.placer, s.model.placer() // that of an earlier decode is kept: its text may be the better one
		d.placer.Begin(frames, len(s.samples))
	}
	if err := s.setPrompt(d); err != nil {
		return nil, err
	}
	limit := min(tokenLimit(len(s.samples)), s.model.Positions-len(d.prompt)-1)
	if w.beam > 1 {
		return d, s.beam(ctx, d, w.beam, limit)
	}
	hypothesis := s.hypothesis[:min(len(s.hypothesis), limit)]
	if w.anew {
		hypothesis = nil
	}
	return d, s.greedy(ctx, &greedy{session: s, decoding: d, limit: limit, hypothesis: hypothesis})
}

// listen hears the samples with silence, or features of 0, up to frames, if it is not what was heard last.
func (s *session) listen(frames int, blank bool) (err error) {
	if s.heard.frames == frames && s.heard.blank == blank {
		return nil
	}
	began := time.Now()
	s.longest = max(s.longest, frames)
	s.step.Encode()
	s.heard, err = s.hear(s.samples, frames, blank, &s.owned)
	s.encoding += time.Since(began)
	return err
}

// tokenLimit returns the most tokens that this much audio may give. It leaves room above the fastest speech and for short
// pieces, and only bounds the cost of a lost decoder.
func tokenLimit(samples int) int {
	const perSecond, slack = 14, 16
	return int(math.Ceil(perSecond*float64(samples)/scout.EngineSampleRateHz)) + slack
}

// setPrompt sets what comes before the text: the text before, if the request gives one or the language needs one, and the markers.
func (s *session) setPrompt(d *decoding) error {
	v := s.model.vocabulary
	switch {
	case s.found != nil:
		d.language, d.prob = s.found.code, &s.found.prob
	default:
		d.language = cmp.Or(s.language, "en")
	}
	markers, err := v.Prompt(d.language, s.translate)
	if err != nil {
		return err
	}
	before := s.context
	if len(before) == 0 && !s.translate {
		before = v.script(d.language)
	}
	d.prompt, d.start = append(slices.Clone(before), wide(markers)...), len(before)
	return nil
}

// begin runs the prompt and returns the count most probable first tokens and their log-probabilities, valid until the
// next run. With count 1, expected, if it is a token, is favoured as a hypothesis is.
func (s *session) begin(d *decoding, expected int64, count int) error {
	m := s.model
	if err := s.room(1, len(d.prompt)+cacheStep, 0, &s.owned); err != nil {
		return err
	}
	// the row of the start marker says whether somebody speaks
	in := input{hearing: s.heard, tokens: d.prompt, rows: []int64{int64(d.start), int64(len(d.prompt) - 1)}, bias: m.first, count: count}
	if expected >= 0 {
		in.favoured, in.bonus = []int64{expected, expected}, []float32{0, tieMargin}
	}
	if err := s.run(in); err != nil {
		return err
	}
	if silent := s.model.vocabulary.NoSpeech; silent >= 0 {
		d.noSpeech = probability(s.logits[:m.Vocabulary], int(silent))
	}
	s.next, s.logprob = s.next[count:], s.logprob[count:]
	return nil
}

// probability returns the share of one token in the softmax of logits.
func probability(logits []float32, id int) float32 {
	most := slices.Max(logits)
	sum := 0.0
	for _, logit := range logits {
		sum += math.Exp(float64(logit - most))
	}
	return float32(math.Exp(float64(logits[id]-most)) / sum)
}
