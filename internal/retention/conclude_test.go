package retention_test

import (
	"context"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/retention"
	"github.com/scout-speech/scout/internal/store"
)

// A purge ends what is still done for a dictation whose text is there, instead of being refused.
func TestAPurgeConcludesADictation(t *testing.T) {
	t.Parallel()
	for what, purge := range map[string]func(s *retention.Sweeper, id string) error{
		"the recording": func(s *retention.Sweeper, id string) error { return s.Purge(t.Context(), id) },
		"the text":      func(s *retention.Sweeper, id string) error { return s.PurgeText(t.Context(), store.MainKey(id)) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			id := w.record("what was said")
			session, _, err := store.OpenSession(t.Context(), w.store, id)
			w.must(err)
			if err := purge(w.sweeper, id); scout.CodeOf(err) != scout.CodeRecordingInUse {
				t.Errorf("while it goes on: %v", err)
			}
			s := retention.New(retention.Options{
				Store: w.store, Folder: w.folder, Keep: func() store.Retention { return w.keep },
				Conclude: func(ctx context.Context, concluded recording.ID) {
					if string(concluded) == id {
						w.must(session.End(ctx, func(store.Tx) ([]store.NewEvent, error) { return nil, nil }))
					}
				},
			})
			if err := purge(s, id); err != nil {
				t.Error(err)
			}
		})
	}
}
