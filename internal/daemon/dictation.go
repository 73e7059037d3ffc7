package daemon

import (
	"context"
	"slices"

	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// startDictations makes the component of live text, and continues what an earlier daemon left.
func (d *daemon) startDictations(ctx context.Context, folder *recording.Folder) error {
	d.dictations = dictate.New(dictate.Options{
		Scope: d.options.Scope, Failures: d.options.Failures, Recorder: d.recorder, Store: d.store, See: d.history.See,
		Live:           remote.Live{Dir: folder.Dir(), Name: d.options.Launch.Name},
		Sent:           d.browser,
		BorrowAccurate: d.secondPasses(),
		Borrow:         d.borrow, Begin: d.activity.work.Begin, Hold: d.backlog.Hold, Language: d.options.Settings.DictationLanguage(), Ease: d.strain.ease, Degradation: func() int { return int(d.strain.level.Load()) },
	})
	d.dictations.Open(ctx) // before the backlog, which would make the same texts
	d.components.run("dictate", d.dictations.Run)
	d.components.run("browser", func(ctx context.Context) error { return d.browser.Run(ctx, d.dictations) })
	return nil
}

// borrow lends a model to a dictation.
func (d *daemon) borrow(ctx context.Context, id, asked string) (dictate.Recognizer, func(), error) {
	r, release, err := d.engines.BorrowFor(ctx, id, recognize.Fast, asked)
	if err != nil {
		return dictate.Recognizer{}, nil, err
	}
	return dictate.Recognizer{Model: r.Model.ID, Engine: r.Engine, Language: r.Language, Trait: r.Trait()}, release, nil
}

// liveSessions is how many dictations and sessions of sound that clients send are open. One of those without text is no dictation any more.
func (d *daemon) liveSessions() int {
	open := make(map[recording.ID]bool)
	for _, id := range slices.Concat(d.dictations.IDs(), d.browser.IDs()) {
		open[id] = true
	}
	return len(open)
}
