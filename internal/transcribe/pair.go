package transcribe

import (
	"context"
	"errors"
	"log/slog"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/vote"
)

// Log events of texts that two models make, listed in docs/formats/log-events.md.
const (
	eventFirstText       = "first_text"
	eventFirstTextFailed = "first_text_failed"
)

// Pair is a fast model beside the accurate one that makes the text.
type Pair struct {
	// Fast stays the caller's.
	Fast *recognize.Recognizer
	// Vote lets its words win where recognize.Vote says so; see speech.Vote. It is used with EffortThorough only.
	Vote bool
	// First has the fast model transcribe the input before; nil if nobody wants its text.
	First *First
}

// First receives the text of the fast model, which comes before the accurate one. It is not made of streams, of channels apart and of
// languages that the fast model does not know. What fails in it costs nothing but itself.
type First struct {
	// Settled receives every segment as soon as it is final; it may be nil.
	Settled func(scout.Segment)
	// Finished receives the whole text. Its error ends the work on the input. It may be nil.
	Finished func(ctx context.Context, t *scout.Transcript) error
	// Known is the text if it was made earlier; then it is not made again and nothing is called.
	Known *scout.Transcript
}

// vote returns what lets the fast model vote on a text by an accurate one; nil for no vote.
func (p *Pair) vote(accurate *recognize.Recognizer, o *Options) *speech.Vote {
	if p == nil || p.Fast == nil || !p.Vote || o.Effort != speech.EffortThorough || o.Translate || !recognize.Votes(accurate, p.Fast) {
		return nil
	}
	return &speech.Vote{Fast: p.Fast.Engine, Trait: p.Fast.Trait(), Languages: p.Fast.Model.Languages, Rule: vote.Default()}
}

// voter is the id of the model that votes on a text; empty for none.
func (p *Pair) voter(accurate *recognize.Recognizer, o *Options) string {
	if p.vote(accurate, o) == nil {
		return ""
	}
	return p.Fast.Model.ID
}

// first makes the text of the fast model, if it is wanted, and returns its words; nil for none. The error is that of Finished, or of
// the end of ctx.
func (t *Transcriber) first(ctx context.Context, in Input, o *Options) ([]scout.Word, error) {
	p := o.Pair
	if p == nil || p.First == nil || p.Fast == nil || o.Translate {
		return nil, nil
	}
	if p.First.Known != nil {
		return wordsOf(p.First.Known), nil
	}
	if in.Path == "" {
		return nil, nil
	}
	language, err := p.Fast.Language(o.Language)
	if err != nil {
		return nil, nil //nolint:nilerr // it does not know the language
	}
	made, err := t.firstText(ctx, in, o, language)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		t.scope.Log().Warn(eventFirstTextFailed, slog.String(observe.KeyModel, p.Fast.Model.ID),
			slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, scout.Plain(err)))
		return nil, nil
	}
	t.scope.Log().Info(eventFirstText, slog.String(observe.KeyModel, p.Fast.Model.ID), slog.Int64(observe.KeyAudioMS, made.Duration.Milliseconds()))
	if p.First.Finished != nil {
		if err := p.First.Finished(ctx, made); err != nil {
			return nil, err
		}
	}
	return wordsOf(made), nil
}

func (t *Transcriber) firstText(ctx context.Context, in Input, o *Options, language string) (made *scout.Transcript, err error) {
	regular, err := checkPath(in.Path)
	if err != nil {
		return nil, err
	}
	if !regular {
		return nil, scout.Errorf(scout.CodeInvalidArgument, "%s can be read only once", in.Name())
	}
	reader, err := t.open(ctx, in, o.File)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	fast := o.Pair.Fast
	effort := o.Effort
	if effort == speech.EffortThorough {
		effort = speech.EffortNormal // its words vote as well so
	}
	made, err = speech.New(t.scope, t.failures, fast.Engine).Transcribe(ctx, reader, speech.Options{
		Model: fast.Model.ID, Language: language, Trait: fast.Trait(), Effort: effort, Class: o.Class, Client: o.Client, Parallel: fast.Parallel,
		Words: true, HotWords: o.HotWords, Kind: "first", Settled: o.Pair.First.Settled,
	})
	if err != nil {
		return nil, err
	}
	made.Warnings = append(made.Warnings, reader.Info().Warnings...)
	return made, nil
}

// wordsOf returns the words of a text that have times.
func wordsOf(t *scout.Transcript) []scout.Word {
	words := []scout.Word{}
	for i := range t.Segments {
		words = append(words, t.Segments[i].Words...)
	}
	return words
}
