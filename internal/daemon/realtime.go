package daemon

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/api"
	"github.com/scout-speech/scout/internal/api/openai"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/realtime"
	"github.com/scout-speech/scout/internal/recognize"
)

// openRealtime makes the sessions of speech that clients send by OpenAI's protocol.
func (d *daemon) openRealtime() {
	models := d.keepModels()
	m := realtimeModels{names: d.names(models), models: models, lender: d.engines}
	d.realtime = realtime.New(realtime.Options{
		Scope: d.options.Scope, Failures: d.options.Failures, Dir: d.dir, Budget: d.budget,
		MostAudio: time.Duration(d.options.Settings.Limits.AudioSeconds) * time.Second, MostUnheard: time.Duration(d.options.Settings.Limits.RealtimeUnheardSeconds) * time.Second, Check: m.check, Borrow: m.borrow, Ease: d.strain.ease, Spell: spell,
	})
}

// realtimeModels are the models of items.
type realtimeModels struct {
	names  *openai.Names
	models api.Models
	lender openai.Lender
}

// spell returns the tokens of words that follow a text.
func spell(before string, words []scout.Word) []realtime.LogProb {
	all := openai.LogProbs(before, words)
	if all == nil {
		return nil
	}
	tokens := make([]realtime.LogProb, len(all))
	for i := range all {
		tokens[i] = realtime.LogProb(all[i])
	}
	return tokens
}

// problems with the fields of a transcription have these codes.
const (
	invalidModel = "invalid_model"
	invalidValue = "invalid_value"
)

// check returns what is wrong with how an item is to be transcribed. It opens no model.
func (m realtimeModels) check(ctx context.Context, ask realtime.Ask) *realtime.Problem {
	problem := func(code, param string, err error) *realtime.Problem {
		var field *openai.FieldError
		if errors.As(err, &field) {
			param = field.Param
		}
		return &realtime.Problem{Code: code, Param: param, Message: scout.Plain(err)}
	}
	name, err := m.names.Resolve(ctx, ask.Model)
	if err != nil {
		return problem(invalidModel, "model", err)
	}
	languages, err := openai.ParseLanguages(ask.Language, ask.Languages)
	if err != nil {
		return problem(invalidValue, "language", err)
	}
	if _, err := openai.Prefer(ask.Keywords, ask.Prompt); err != nil {
		return problem(invalidValue, "keywords", err)
	}
	if len(languages) == 0 {
		return nil
	}
	list, err := m.models.List(ctx)
	if err != nil {
		return problem(invalidModel, "model", err)
	}
	for i := range list {
		if one := &list[i]; one.State == v1.ModelInstalled && (name.Open || one.ID == name.ID) && knowsAny(one.Languages, languages) {
			return nil
		}
	}
	return problem(invalidValue, "language", scout.Errorf(scout.CodeModelLanguage, "no model that may be used knows the language %s", languages[0]))
}

// knowsAny reports whether a model with these languages may know one of some; one without any may know all.
func knowsAny(known, asked []string) bool {
	return len(known) == 0 || slices.ContainsFunc(asked, func(code string) bool { return slices.Contains(known, code) })
}

// borrow lends a model for an item.
func (m realtimeModels) borrow(ctx context.Context, ask realtime.Ask) (realtime.Recognizer, func(), error) {
	name, err := m.names.Resolve(ctx, ask.Model)
	if err != nil {
		return realtime.Recognizer{}, nil, err
	}
	languages, err := openai.ParseLanguages(ask.Language, ask.Languages)
	if err != nil {
		return realtime.Recognizer{}, nil, err
	}
	preferred, err := openai.Prefer(ask.Keywords, ask.Prompt)
	if err != nil {
		return realtime.Recognizer{}, nil, err
	}
	r, code, release, err := openai.Borrow(ctx, m.lender, name, recognize.Fast, languages)
	if err != nil {
		return realtime.Recognizer{}, nil, err
	}
	lent := realtime.Recognizer{CountsTokens: openai.CountsTokens(ask.Model), Model: r.Model.ID, Engine: r.Engine, Language: code, Trait: r.Trait(), HotWords: preferred.HotWords}
	if known := r.Model.Languages; len(known) == 1 {
		lent.Known = known[0]
	}
	return lent, release, nil
}
