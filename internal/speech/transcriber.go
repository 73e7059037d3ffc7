package speech

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Recognizer gives the text of one piece; *engine.Engine is one.
type Recognizer interface {
	Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error)
}

// Source is audio at 16 kHz, mono, in [-1, 1]. Read fills a part of dst and returns how much;
// io.EOF ends it. The reader of internal/audio/file is one.
type Source interface {
	Read(dst []float32) (int, error)
}

// Options say how a file is transcribed. The zero value means the defaults beside each field.
type Options struct {
	// Model and Language stand in the transcript.
	Model    string
	Language string
	// Cut places the borders of pieces; nil means segment.Defaults.
	Cut *segment.Options
	// Class of the requests.
	Class schedule.Class
	// Effort is how much a doubtful piece may cost.
	Effort Effort
	// Parallel is how many pieces are decoded at the same time; default 1. More than the engine has
	// lanes gains nothing.
	Parallel int
	// Words asks for word times where the model gives them.
	Words    bool
	HotWords []string
	// Kind labels the metrics: "file" by default, later "live" and "upload".
	Kind string
	// Progress is called from one goroutine after each finished piece; nil for none.
	Progress func(Progress)
}

// Progress is how far a transcription is.
type Progress struct {
	// Done is the length of audio that is text now.
	Done time.Duration
	// Words so far.
	Words int
}

// Transcriber turns audio into transcripts. It is safe for concurrent use.
type Transcriber struct {
	scope      observe.Scope
	metrics    *metrics
	failures   *observe.Failures
	recognizer Recognizer
}

// New returns a transcriber over the recognizer.
func New(scope observe.Scope, failures *observe.Failures, recognizer Recognizer) *Transcriber {
	scope = scope.Component("speech")
	return &Transcriber{scope: scope, metrics: newMetrics(scope), failures: failures, recognizer: recognizer}
}

// Transcribe reads the source to its end and returns what was said. A piece that cannot be decoded
// while others can is listed in SetAside and the rest goes on; when none can, that is the error.
// When the source breaks, or ctx ends, the error is returned and no transcript.
func (t *Transcriber) Transcribe(ctx context.Context, source Source, options Options) (transcript *scout.Transcript, err error) {
	if options.Kind == "" {
		options.Kind = "file"
	}
	cut := segment.Defaults()
	if options.Cut != nil {
		cut = *options.Cut
	}
	ctx, span := t.scope.Tracer().Start(ctx, "speech.transcribe", trace.WithAttributes(attribute.String("model", options.Model)))
	began := time.Now()
	t.scope.Log().Info(observe.EventTranscriptionStarted, slog.String(observe.KeyModel, options.Model), slog.String("kind", options.Kind))
	defer func() {
		t.finish(options, transcript, time.Since(began), err)
		observe.EndSpan(span, err)
	}()
	return t.run(ctx, source, cut, options)
}

// job is a piece on its way through the decoders.
type job struct {
	piece segment.Piece
	done  chan heard // gets one value
}

// readFrames is how much is read from a source at once: half a second.
const readFrames = scout.EngineSampleRateHz / 2

// run is a pipeline: one goroutine reads and cuts, Parallel decode, this one joins in order. What is
// held at any time is bounded by the channels: about 2*Parallel+2 pieces.
func (t *Transcriber) run(ctx context.Context, source Source, cut segment.Options, options Options) (*scout.Transcript, error) {
	parallel := max(options.Parallel, 1)
	group, ctx := errgroup.WithContext(ctx)
	start := func(work func() error) { // a panic in any of them fails this transcription alone
		group.Go(func() error { return t.failures.Guard("speech", work) })
	}
	work := make(chan job)
	inOrder := make(chan job, parallel)
	var frames int64
	start(func() error {
		defer close(work)
		defer close(inOrder)
		cutter, err := segment.New(cut, func(p segment.Piece) error {
			j := job{piece: p, done: make(chan heard, 1)}
			for _, queue := range []chan<- job{inOrder, work} {
				select {
				case queue <- j:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("cut audio: %w", err)
		}
		frames, err = pump(ctx, source, cutter)
		return err
	})
	for range parallel {
		start(func() error {
			for j := range work {
				h, err := t.decode(ctx, j.piece, options, 0)
				if err != nil {
					return err
				}
				j.done <- h
			}
			return nil
		})
	}
	joiner := newJoiner()
	start(func() error {
		for j := range inOrder {
			select {
			case h := <-j.done:
				joiner.add(j.piece, h)
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if options.Progress != nil {
				options.Progress(Progress{Done: j.piece.To(), Words: joiner.words()})
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	segments, aside := joiner.finish()
	if len(aside) > 0 && len(segments) == 0 && joiner.decoded == 0 {
		return nil, scout.Errorf(aside[0].Code, "no piece could be transcribed: %s", aside[0].Reason)
	}
	return &scout.Transcript{
		Model: options.Model, Language: options.Language,
		Duration: segment.Duration(frames),
		Segments: segments, SetAside: aside,
	}, nil
}

// pump moves audio from the source into the cutter and returns how many frames it moved.
func pump(ctx context.Context, source Source, cutter *segment.Cutter) (int64, error) {
	buf := make([]float32, readFrames)
	var frames int64
	for {
		if ctx.Err() != nil {
			return frames, context.Cause(ctx)
		}
		n, err := source.Read(buf)
		frames += int64(n)
		if werr := cutter.Write(buf[:n]); werr != nil {
			return frames, fmt.Errorf("cut audio: %w", werr)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return frames, fmt.Errorf("read audio: %w", err)
		}
	}
	if err := cutter.Close(); err != nil {
		return frames, fmt.Errorf("cut audio: %w", err)
	}
	return frames, nil
}

// finish records the outcome.
func (t *Transcriber) finish(options Options, transcript *scout.Transcript, took time.Duration, err error) {
	if err != nil {
		code := string(scout.CodeOf(err))
		t.metrics.errors.WithLabelValues(options.Kind, code).Inc()
		t.scope.Log().Warn(observe.EventTranscriptionFailed, slog.String("kind", options.Kind), slog.String(observe.KeyModel, options.Model),
			slog.String(observe.KeyCode, code), slog.String(observe.KeyError, err.Error()), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
		return
	}
	words := 0
	for i := range transcript.Segments {
		words += len(splitWords(transcript.Segments[i].Text))
	}
	t.metrics.duration.WithLabelValues(options.Kind, options.Model).Observe(took.Seconds())
	t.metrics.words.WithLabelValues(options.Kind).Add(float64(words))
	t.metrics.audio.WithLabelValues(options.Kind).Add(transcript.Duration.Seconds())
	t.scope.Log().Info(observe.EventTranscriptionFinished, slog.String("kind", options.Kind), slog.String(observe.KeyModel, options.Model),
		slog.Int64(observe.KeyAudioMS, transcript.Duration.Milliseconds()), slog.Int64(observe.KeyDurationMS, took.Milliseconds()),
		slog.Int("words", words), slog.Int("set_aside", len(transcript.SetAside)))
}
