// Package moonshine runs the prepared graphs of a Moonshine model (internal/model/prepare) with its own decoding loop
// over ONNX Runtime. It belongs to the engine process.
//
// The loop gives more than words: a cancelled request ends between any two nodes of a graph, two requests run at once
// over one copy of the weights, every token has a probability, and a known text is continued after one pass over it.
// Measured: docs/adr/0011-decoding-loop.md.
package moonshine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/hotword"
	"github.com/scout-speech/scout/internal/engine/native"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/engine/wordtext"
	"github.com/scout-speech/scout/internal/model/prepare"
)

// Name is the backend's name in Load and Hello.
const Name = "moonshine"

// Roles of the files in Load.Files.
const (
	roleEncoder = "prepared_encoder" // encoder.onnx of a prepared model, its weights beside it
	roleDecoder = "prepared_decoder" // decoder.onnx of a prepared model, its weights beside it
	roleTokens  = "tokens"           // tokens.txt: lines "base64(token) id"
)

// maxSeconds is the longest request. 33 s in one decode still gives the right text, 66 s fall into a repetition loop; time
// and memory grow with the square of the length.
const maxSeconds = 30

// backend is one loaded model. Its slots share the weights.
type backend struct {
	facts      wire.Hello
	vocabulary *vocabulary
	model      *model
	slots      *native.Slots[*slot]
}

var _ server.Backend = (*backend)(nil)

// Open loads the prepared graphs and the vocabulary. library is the path of ONNX Runtime's shared library; the system
// searches for a bare name. The first call in a process decides which library is used.
//
// Files that are missing, or that ONNX Runtime cannot run, give a coded error. The caller must check that prepared
// files belong to their originals.
func Open(ctx context.Context, load wire.Load, library string) (server.Backend, error) {
	var v *vocabulary
	err := native.Start(library, func() (err error) {
		v, err = readVocabulary(load.Files[roleTokens])
		return err
	})
	if err != nil {
		return nil, err
	}
	m, err := openModel(load.Files[roleEncoder], load.Files[roleDecoder])
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
		},
		vocabulary: v, model: m, slots: slots,
	}
	if err := b.tryOut(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// tryOut runs both graphs once over silence. The run also loads into memory what the first request would wait for.
func (b *backend) tryOut(ctx context.Context) error {
	l, err := b.slots.Take(ctx)
	if err != nil {
		return fmt.Errorf("load model: %w", err)
	}
	defer b.slots.Add(l)
	_, err = l.transcribe(ctx, job{samples: make([]float32, prepare.MinSamples), limit: 1})
	return native.TriedOut(ctx, b.facts.ModelID, err)
}

// Facts describes the model.
func (b *backend) Facts() wire.Hello { return b.facts }

// Transcribe decodes one piece. It waits for a free slot and ends soon after ctx: within a token, or within a node of
// the encoder. It fails with invalid_argument for a hypothesis outside the vocabulary and for too many or too long hot
// words, with the code of ctx's error, or with engine_failed. The result belongs to the caller.
func (b *backend) Transcribe(ctx context.Context, request *wire.Request) (*wire.Result, error) {
	if request.Options.Score != nil {
		return b.score(ctx, request)
	}
	limit := tokenLimit(len(request.Samples))
	hypothesis, err := b.vocabulary.hypothesis(request.Options.Hypothesis, limit)
	if err != nil {
		return nil, err
	}
	hot, err := hotword.New(b.vocabulary, request.Options.HotWords)
	if err != nil {
		return nil, err
	}
	l, err := b.slots.Take(ctx)
	if err != nil {
		return nil, fmt.Errorf("transcribe: %w", err)
	}
	defer b.slots.Add(l)
	defer l.shed(len(request.Samples))
	d, err := l.transcribe(ctx, job{
		samples: request.Samples, hypothesis: hypothesis, limit: limit, align: request.Options.Words, hot: hot, step: request.Step,
	})
	if err != nil {
		return nil, fmt.Errorf("transcribe: %w", err)
	}
	pieces := b.vocabulary.piecesOf(d.tokens)
	line := wordtext.New(pieces)
	result := &wire.Result{
		Text: wordtext.Text(pieces), Tokens: wordtext.Tokens(d.tokens, pieces, d.logprobs), Words: line.Words(d.logprobs),
		Stop: d.stop, EndLogProb: d.ending, Agreed: d.agreed, AudioTokens: prepare.Frames(len(request.Samples)),
		EncodeMS: float64(d.encoding) / float64(time.Millisecond),
	}
	if request.Options.Tokens {
		line.Spell(d.logprobs, result.Words)
	}
	if request.Options.Words {
		line.Place(l.placer, request.Samples, result.Words)
	}
	return result, nil
}

// Close waits for running requests and frees the model. The backend cannot be used afterwards.
func (b *backend) Close() error { return errors.Join(b.slots.Close(), b.model.close()) }
