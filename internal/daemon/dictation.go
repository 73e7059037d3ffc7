package daemon

import (
	"context"
	"slices"

	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// startDictations makes the component of live text, and continues what an earlier daemon left.
func (d *daemon) startDictations(ctx context.Context, folder *recording.Folder) error {
	d.dictations = dictate.New(dictate.Options{
		Scope: d.options.Scope, Failures: d.options.Failures, Recorder: d.recorder, Store: d.store, See: d.history.See,
		Live:   remote.Live{Dir: folder.Dir(), Name: d.options.Launch.Name},
		Borrow: d.borrow, Knowing: d.knowing, Begin: d.activity.Begin, Hold: d.backlog.Hold, Language: d.options.Settings.DictationLanguage(),
	})
	d.dictations.Open(ctx) // before the backlog, which would make the same texts
	d.components.run("dictate", d.dictations.Run)
	return nil
}

// borrow lends a model to a dictation.
func (d *daemon) borrow(ctx context.Context, id string) (dictate.Recognizer, func(), error) {
	r, release, err := d.engines.Borrow(ctx, id)
	if err != nil {
		return dictate.Recognizer{}, nil, err
	}
	return dictate.Recognizer{Model: r.Model.ID, Engine: r.Engine, Language: r.Language}, release, nil
}

// knowing returns the installed models that know a language.
func (d *daemon) knowing(_ context.Context, language string) []string {
	dir, shared, err := d.options.Settings.ModelsDir()
	if err != nil {
		return nil
	}
	models, err := model.Open(dir, d.options.Scope, model.WithShared(shared...))
	if err != nil {
		return nil
	}
	list, err := models.List()
	if err != nil {
		return nil
	}
	var ids []string
	for i := range list {
		if m := &list[i]; m.Installed && m.Problem == "" && slices.Contains(m.Languages, language) {
			ids = append(ids, m.ID)
		}
	}
	return ids
}
