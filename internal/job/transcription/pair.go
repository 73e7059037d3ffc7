package transcription

import (
	"context"
	"slices"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/transcribe"
)

// pair borrows the fast model beside the accurate one, if the work needs it: for a text that comes first, or for its vote. Without
// it the text is made by the accurate model alone. A text of the fast model that the recording has already is used.
func (w *Worker) pair(ctx context.Context, c *job.Claimed, request *Request, accurate *recognize.Recognizer, effort speech.Effort) (*transcribe.Pair, func(), error) {
	none := func() {}
	votes := w.options.Vote && effort == speech.EffortThorough
	progressive := w.progressive(request)
	if request.translates() || !votes && !progressive {
		return nil, none, nil
	}
	fast, release, err := w.options.Engines.BorrowFor(ctx, "", recognize.Fast, request.Language)
	if err != nil {
		if ctx.Err() != nil {
			return nil, none, context.Cause(ctx)
		}
		return nil, none, nil // nobody asked for that model
	}
	votes = votes && recognize.Votes(accurate, fast)
	if fast.Model.ID == accurate.Model.ID || !votes && !progressive {
		release()
		return nil, none, nil
	}
	pair := &transcribe.Pair{Fast: fast, Vote: votes}
	known, has, err := w.textOf(ctx, request.Transcript(recording.ID(c.Job.Recording)), fast.Model.ID)
	switch {
	case err != nil:
		release()
		return nil, none, err
	case known != nil:
		pair.First = &transcribe.First{Known: known}
	case progressive && !has:
		pair.First = &transcribe.First{Finished: func(ctx context.Context, t *scout.Transcript) error {
			_, _, err := w.options.History.Keep(ctx, history.Text{
				Recording: c.Job.Recording, Transcript: *t, Client: c.Job.Client, Once: "job " + c.Job.ID + " first",
			})
			return err
		}}
	}
	return pair, release, nil
}

// progressive reports whether the text of the fast model is to come first.
func (w *Worker) progressive(request *Request) bool {
	if request.Progressive != nil {
		return *request.Progressive
	}
	return w.options.Progressive
}

// textOf returns the newest text of a transcript that a model made, nil for none. has says that there is any text.
func (w *Worker) textOf(ctx context.Context, key store.Key, model string) (t *scout.Transcript, has bool, err error) {
	st := w.options.History.Store()
	versions, err := st.Versions(ctx, key)
	if code := scout.CodeOf(err); code == scout.CodeNotFound || code == scout.CodeRecordingNotFound {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	newest := 0
	for i := range versions {
		if v := &versions[i]; v.Model == model && !v.Held() {
			newest = max(newest, v.Version)
		}
	}
	if newest == 0 {
		return nil, len(versions) > 0, nil
	}
	found, err := st.Transcript(ctx, key, newest)
	if err != nil {
		return nil, true, err
	}
	if !slices.ContainsFunc(found.Segments, func(s scout.Segment) bool { return len(s.Words) > 0 }) {
		return nil, true, nil
	}
	return &found.Transcript, true, nil
}
