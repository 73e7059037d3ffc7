package speech

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/speech/vote"
)

// Batch turns complete recordings into transcripts: it drives a Decoder and a Joiner over audio that is already there.
// It is safe for concurrent use.
type Batch struct {
	scope    observe.Scope
	metrics  *metrics
	failures *observe.Failures
	decoder  *Decoder
}

// New returns a batch over the recognizer.
func New(scope observe.Scope, failures *observe.Failures, recognizer Recognizer) *Batch {
	decoder := NewDecoder(scope, recognizer)
	return &Batch{scope: decoder.scope, metrics: decoder.metrics, failures: failures, decoder: decoder}
}

// Transcribe reads the source to its end and returns what was said. If some pieces cannot be decoded, they are listed
// in SetAside and the rest continues. If no piece can be decoded, Transcribe returns the error.
//
// If the source fails, or ctx ends, Transcribe returns the error together with the transcript so far, which is nil if
// there is nothing. The Duration of such a transcript is how far it reaches.
func (b *Batch) Transcribe(ctx context.Context, source Source, options Options) (transcript *scout.Transcript, err error) {
	if options.Kind == "" {
		options.Kind = "file"
	}
	ctx, span := b.scope.Tracer().Start(ctx, "speech.transcribe", trace.WithAttributes(attribute.String("model", options.Model)))
	began := time.Now()
	b.scope.Log().Info(eventTranscriptionStarted, slog.String(observe.KeyModel, options.Model), slog.String("kind", options.Kind))
	defer func() {
		b.record(options, transcript, time.Since(began), err)
		observe.EndSpan(span, err)
	}()
	r := &run{Batch: b, options: options, cut: options.cut()}
	if options.From != nil {
		if err := options.From.suits(&options); err != nil {
			return nil, err
		}
		r.known = *options.From
		// Checkpoints before this one may still be in use: new elements are appended in new memory.
		r.known.Segments = r.known.Segments[:len(r.known.Segments):len(r.known.Segments)]
		r.known.SetAside = slices.Clone(r.known.SetAside)
		r.known.Empty = slices.Clone(r.known.Empty)
		r.known.Spoken.Of = slices.Clone(r.known.Spoken.Of)
	}
	return r.transcribe(ctx, source)
}

// run is one transcription.
type run struct {
	*Batch
	options                   Options
	cut                       segment.Options
	known                     Checkpoint // what is known after the last joined piece; its Joiner field is filled from joiner when it is handed out
	joiner                    *Joiner
	tokens                    int // of the joined pieces
	audioTokens, promptTokens int // as in Progress
}

// job is a piece on its way through the decoders.
type job struct {
	piece segment.Piece
	done  chan voted // gets one value
}

// voted is the text of a piece after the vote, and what was voted on; nil if there was no vote.
type voted struct {
	Decoded
	before Decoded
	ballot *vote.Ballot
}

// readFrames is how much is read from a source at a time: half a second.
const readFrames = scout.EngineSampleRateHz / 2

// transcribe is a pipeline: one goroutine reads and cuts, Parallel goroutines decode, one joins in order. The channels
// bound how much is held at any time: about 2*Parallel+2 pieces.
func (r *run) transcribe(ctx context.Context, source Source) (*scout.Transcript, error) {
	parallel := max(r.options.Parallel, 1)
	group, ctx := errgroup.WithContext(ctx)
	start := func(work func() error) { // a panic in any of them fails only this transcription
		group.Go(func() error { return r.failures.Guard("speech", work) })
	}
	work := make(chan job)
	inOrder := make(chan job, parallel)
	var frames int64
	var broken error     // the error of the source: what was cut before is decoded anyway
	from := r.known.Next // which the joining goroutine advances
	start(func() (err error) {
		defer close(work)
		defer close(inOrder)
		frames, broken, err = r.read(ctx, source, from, func(p segment.Piece) error {
			j := job{piece: p, done: make(chan voted, 1)}
			for _, queue := range []chan<- job{inOrder, work} {
				select {
				case queue <- j:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			return nil
		})
		return err
	})
	for range parallel {
		start(func() error {
			for j := range work {
				how := r.options.how()
				d, err := r.decoder.Decode(ctx, j.piece, how)
				if err != nil {
					return err
				}
				r.decoder.tellLost(&d)
				v := voted{before: d}
				if v.Decoded, v.ballot, err = r.decoder.vote(ctx, j.piece, d, how, r.options.Vote); err != nil {
					return err
				}
				j.done <- v
			}
			return nil
		})
	}
	r.joiner = NewJoiner(r.known.Joiner, r.settled)
	start(func() error {
		for j := range inOrder {
			select {
			case v := <-j.done:
				if r.options.Vote != nil && r.options.Vote.Watch != nil {
					r.options.Vote.Watch(v.before, v.ballot)
				}
				d, err := r.inLanguage(ctx, j.piece, v.Decoded)
				if err != nil {
					return err
				}
				r.join(j.piece, d)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		return nil
	})
	err := group.Wait()
	if err == nil {
		err = broken
	}
	end := r.joiner.Finish
	if err != nil {
		end = r.joiner.Break
	}
	err = errors.Join(err, r.failures.Guard("speech", func() error { end(); return nil }))
	return r.result(frames, err)
}

// read moves the source into a cutter, from where the transcription continues, and returns how many frames there are.
// broken is the error of the source.
func (r *run) read(ctx context.Context, source Source, from segment.Position, emit func(segment.Piece) error) (frames int64, broken, err error) {
	cutter, err := segment.Resume(r.cut, from, emit)
	if err != nil {
		return 0, nil, fmt.Errorf("cut audio: %w", err)
	}
	buf := make([]float32, readFrames)
	for {
		if ctx.Err() != nil {
			return frames, nil, context.Cause(ctx)
		}
		n, err := source.Read(buf)
		known := min(int64(n), max(0, from.First()-frames)) // of them, before what is needed
		frames += int64(n)
		if err := cutter.Write(buf[known:n]); err != nil {
			return frames, nil, fmt.Errorf("cut audio: %w", err)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return frames, fmt.Errorf("read audio: %w", err), nil
		}
	}
	if frames < from.Start {
		return frames, nil, scout.Errorf(scout.CodeInvalidArgument, "continue from a checkpoint at %v: the audio ends at %v",
			segment.Duration(from.Start), segment.Duration(frames)).WithHint("it is other audio: transcribe from the beginning")
	}
	if err := cutter.Close(); err != nil {
		return frames, nil, fmt.Errorf("cut audio: %w", err)
	}
	return frames, nil, nil
}

// join adds a piece to the transcript and reports it to the caller.
func (r *run) join(piece segment.Piece, d Decoded) {
	r.joiner.Add(d)
	r.tokens, r.audioTokens, r.promptTokens = r.tokens+d.Tokens, r.audioTokens+d.AudioTokens, max(r.promptTokens, d.PromptTokens)
	r.known.SetAside = appendAside(r.known.SetAside, d.SetAside...)
	r.known.Empty = appendEmpty(r.known.Empty, d.Empty...)
	if r.known.Next.Start == 0 || d.Peak > r.known.Peak {
		r.known.Peak = d.Peak
	}
	if !d.Failed {
		r.known.Understood++
	}
	r.known.Next = r.cut.After(piece)
	if r.options.Saved != nil {
		r.options.Saved(r.checkpoint())
	}
	if r.options.Progress != nil {
		r.options.Progress(Progress{Done: piece.To(), Total: r.options.Length, Words: r.joiner.Words(), Tokens: r.tokens, AudioTokens: r.audioTokens, PromptTokens: r.promptTokens})
	}
}

func (r *run) settled(s scout.Segment) {
	r.known.Segments = append(r.known.Segments, s)
	if r.options.Settled != nil {
		r.options.Settled(s)
	}
}

// checkpoint returns what is known now. It copies the last stretches, because they may still grow.
func (r *run) checkpoint() Checkpoint {
	c := r.known
	c.Version, c.Model, c.Language, c.Translate, c.Cut = checkpointVersion, r.options.Model, r.options.Language, r.options.Translate, r.cut
	c.Spoken.Of = slices.Clone(c.Spoken.Of)
	c.Joiner = r.joiner.State()
	c.SetAside, c.Empty = slices.Clone(c.SetAside), slices.Clone(c.Empty)
	return c
}

// result makes a transcript of what is known; it is complete if err is nil.
func (r *run) result(frames int64, err error) (*scout.Transcript, error) {
	t := &scout.Transcript{
		Model: r.options.Model, Language: r.options.Language, Translated: r.options.Translate, Duration: segment.Duration(frames),
		Segments: r.known.Segments, SetAside: r.known.SetAside,
	}
	if t.Language == "" {
		t.Language, t.LanguageProb = r.known.Spoken.most()
	}
	if err != nil {
		t.Duration = segment.Duration(r.known.Next.Start)
		if t.Duration == 0 {
			return nil, err
		}
		return t, err
	}
	if len(t.SetAside) > 0 && len(t.Segments) == 0 && r.known.Understood == 0 {
		err := scout.Errorf(t.SetAside[0].Code, "no piece could be transcribed: %s", t.SetAside[0].Reason)
		if t.SetAside[0].Code == scout.CodeAudioSetAside { // its hint mentions a rest that was transcribed
			err = err.WithHint("the audio itself is untouched: keep the file and report this")
		}
		return nil, err
	}
	t.Warnings = warnings(&r.known, t.Duration)
	for _, w := range t.Warnings {
		r.metrics.warnings.WithLabelValues(string(w.Code)).Inc()
	}
	return t, nil
}

// record counts and logs the outcome.
func (b *Batch) record(options Options, transcript *scout.Transcript, took time.Duration, err error) {
	if err != nil {
		code := string(scout.CodeOf(err))
		b.metrics.errors.WithLabelValues(options.Kind, code).Inc()
		b.scope.Log().Warn(eventTranscriptionFailed, slog.String("kind", options.Kind), slog.String(observe.KeyModel, options.Model),
			slog.String(observe.KeyCode, code), slog.String(observe.KeyError, scout.Plain(err)), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
		return
	}
	words := 0
	for i := range transcript.Segments {
		words += len(splitWords(transcript.Segments[i].Text))
	}
	b.metrics.duration.WithLabelValues(options.Kind, options.Model).Observe(took.Seconds())
	b.metrics.words.WithLabelValues(options.Kind).Add(float64(words))
	b.metrics.audio.WithLabelValues(options.Kind).Add(transcript.Duration.Seconds())
	b.scope.Log().Info(eventTranscriptionFinished, slog.String("kind", options.Kind), slog.String(observe.KeyModel, options.Model),
		slog.Int64(observe.KeyAudioMS, transcript.Duration.Milliseconds()), slog.Int64(observe.KeyDurationMS, took.Milliseconds()),
		slog.Int("words", words), slog.Int("set_aside", len(transcript.SetAside)),
		slog.Int("warnings", len(transcript.Warnings)))
}
