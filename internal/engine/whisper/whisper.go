// Package whisper runs the prepared graphs of a Whisper model (internal/model/prepare/whisper) with its own decoding loop
// over ONNX Runtime. It belongs to the engine process.
//
// A piece is heard with a short tail of silence instead of the 30 s that the model was trained with, which takes a third
// of the time. A text that shows signs of too little silence is decoded again with more. Measured:
// docs/adr/0072-whisper-padding.md.
package whisper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/hotword"
	"github.com/scout-speech/scout/internal/engine/native"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/whisper/token"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/engine/wordtext"
)

// Name is the backend's name in Load and Hello.
const Name = "whisper"

// Roles of the files in Load.Files.
const (
	roleMel       = "prepared_mel"     // mel.onnx of a prepared model
	roleEncoder   = "prepared_encoder" // encoder.onnx, its weights beside it
	roleDecoder   = "prepared_decoder" // decoder.onnx, its weights and prepared.json beside it
	roleTokenizer = "tokenizer"        // tokenizer.json or a vocabulary
)

const (
	// maxSeconds is the longest request: what the model was trained with.
	maxSeconds = 30
	// mostBeam is the most texts that are followed at once.
	mostBeam = 16
	// largeTensor is from how many bytes on a tensor is taken from the system (docs/adr/0071-whisper-graphs.md): those of Whisper
	// base's encoder from 20 s on.
	largeTensor = 2 << 20
)

// backend is one loaded model. Its slots share the weights.
type backend struct {
	facts wire.Hello
	model *model
	slots *native.Slots[*slot]
}

var _ server.Backend = (*backend)(nil)

// Open loads the prepared graphs and the vocabulary. library is the path of ONNX Runtime's shared library; the system
// searches for a bare name. The first call in a process decides which library is used.
//
// Files that are missing, or that ONNX Runtime cannot run, give a coded error. The caller must check that prepared files
// belong to their originals.
func Open(ctx context.Context, load wire.Load, library string) (server.Backend, error) {
	v := &vocabulary{}
	err := native.Start(library, func() (err error) {
		v.Vocabulary, err = token.Open(load.Files[roleTokenizer])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load model: %w", err)
	}
	m, err := openModel(load.Files[roleMel], load.Files[roleEncoder], load.Files[roleDecoder], v)
	if err != nil {
		return nil, err
	}
	slots, err := native.NewSlots(load.Slots, func() (*slot, error) { return newSlot(m) })
	if err != nil {
		return nil, errors.Join(err, m.close())
	}
	b := &backend{
		facts: wire.Hello{
			Backend: Name, ModelID: load.ModelID, Family: load.Family, Languages: load.Languages,
			MaxFrames: maxSeconds * scout.EngineSampleRateHz, Slots: slots.Count(), Steps: true,
			LogProbs: true, WordTimes: true, HotWords: true, Continues: true, Scores: true,
			Translates: v.Multilingual, DetectsLanguage: v.Multilingual,
		},
		model: m, slots: slots,
	}
	if err := b.tryOut(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	native.MapFrom(largeTensor)
	native.ReturnFreed()
	return b, nil
}

// tryOut runs all graphs once over silence.
func (b *backend) tryOut(ctx context.Context) error {
	_, err := b.Transcribe(ctx, trial())
	return native.TriedOut(ctx, b.facts.ModelID, err)
}

// trial asks for the text of silence, whose language is never certain: hearing 30 s to find it would leave 40 MB.
func trial() *wire.Request {
	return &wire.Request{Samples: make([]float32, frameSamples), Options: wire.RequestOptions{Once: true}}
}

// Facts describes the model.
func (b *backend) Facts() wire.Hello { return b.facts }

// Close waits for running requests and frees the model. The backend cannot be used afterwards.
func (b *backend) Close() error { return errors.Join(b.slots.Close(), b.model.close()) }

// Transcribe decodes one piece. It waits for a free slot and ends soon after ctx: within a token, or within a node of the
// encoder. It fails with invalid_argument for a language that the model does not know, a hypothesis outside the
// vocabulary, and too many or too long hot words, with the code of ctx's error, or with engine_failed. The result belongs
// to the caller.
func (b *backend) Transcribe(ctx context.Context, request *wire.Request) (result *wire.Result, err error) {
	if request.Options.Score != nil {
		return b.score(ctx, request)
	}
	j, err := b.job(request)
	if err != nil {
		return nil, err
	}
	l, err := b.slots.Take(ctx)
	if err != nil {
		return nil, fmt.Errorf("transcribe: %w", err)
	}
	defer b.slots.Add(l)
	l.kept = kept{}
	s := &session{slot: l, job: j}
	defer func() {
		if err == nil && request.Options.Keep {
			err = l.keep(s)
			return
		}
		err = join(err, l.shed(s.longest))
	}()
	d, err := s.transcribe(ctx, howOf(request.Options))
	if err != nil {
		return nil, fmt.Errorf("transcribe: %w", err)
	}
	return s.result(d), nil
}

// job checks a request.
func (b *backend) job(request *wire.Request) (job, error) {
	v, o := b.model.vocabulary, request.Options
	j := job{samples: request.Samples, language: o.Language, translate: o.Translate, align: o.Words, spell: o.Tokens, step: request.Step}
	if j.language == "auto" {
		j.language = ""
	}
	if _, err := v.Prompt(cmp.Or(j.language, "en"), j.translate); err != nil {
		return j, err //nolint:wrapcheck // it says what is wrong with the request
	}
	var err error
	if j.hypothesis, err = v.hypothesis(o.Hypothesis, b.model.Vocabulary, tokenLimit(len(j.samples))); err != nil {
		return j, err
	}
	if j.hot, err = hotword.New(v, o.HotWords); err != nil {
		return j, err //nolint:wrapcheck // as above
	}
	if o.Prompt != "" && v.Previous != token.None {
		most := b.model.Positions/2 - 1
		before := v.Encode(" " + o.Prompt)
		j.context = append([]int64{int64(v.Previous)}, before[max(len(before)-most, 0):]...)
		j.given = len(j.context) - 1
	}
	return j, nil
}

// Tails of silence, in samples.
const (
	usualTail = 2 * scout.EngineSampleRateHz
	safeTail  = 5 * scout.EngineSampleRateHz // with it no piece of 627 repeated itself
	wholeTail = maxSeconds * scout.EngineSampleRateHz
)

// howOf returns how a request wants to be decoded. With hot words one text is followed.
func howOf(o wire.RequestOptions) how {
	w := how{tail: usualTail, beam: min(max(o.Beam, 1), mostBeam), once: o.Once}
	if o.TailMS > 0 {
		w.tail = min(o.TailMS*scout.EngineSampleRateHz/1000, wholeTail)
	}
	if len(o.HotWords) > 0 {
		w.beam = 1
	}
	return w
}

// transcribe decodes, again where the text is suspicious or doubtful. It ends soon after ctx.
func (s *session) transcribe(ctx context.Context, w how) (d *decoding, err error) {
	err = s.during(ctx, func() (err error) {
		var again []wire.AgainReason
		d, again, err = settle(ctx, s, w)
		s.again = append(s.again, again...)
		if err == nil && !w.once {
			d, err = s.recount(ctx, d)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

// result converts a decoding for the wire. If nobody speaks there is no text.
func (s *session) result(d *decoding) *wire.Result {
	v := s.model.vocabulary
	r := &wire.Result{
		Stop: wire.StopEnd, Language: d.language, LanguageProb: d.prob,
		EncodeMS: float64(s.encoding) / float64(time.Millisecond), Again: s.again, AudioTokens: s.model.framesFor(len(s.samples), 0), PromptTokens: s.given,
	}
	if v.NoSpeech != token.None {
		r.NoSpeech = &d.noSpeech
	}
	if d.nothing() {
		return r
	}
	pieces := v.pieces(d.tokens)
	line := wordtext.New(pieces)
	r.Text, r.Tokens, r.Words = wordtext.Text(pieces), wordtext.Tokens(d.tokens, pieces, d.logprobs), line.Words(d.logprobs)
	r.Stop, r.EndLogProb, r.Agreed = d.stop, d.ending, d.agreed
	if s.spell {
		line.Spell(d.logprobs, r.Words)
	}
	if s.align {
		line.Place(d.placer, s.samples, r.Words)
	}
	return r
}
