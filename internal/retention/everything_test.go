package retention_test

import (
	"context"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// there are the recordings that the store knows, in the trash and outside.
func (w *world) there() (ids []string) {
	w.Helper()
	for _, deleted := range []bool{false, true} {
		list, err := w.store.Recordings(w.Context(), store.Filter{Deleted: deleted}, store.Page{})
		w.must(err)
		for i := range list.Data {
			ids = append(ids, list.Data[i].ID)
		}
	}
	return ids
}

func (w *world) trash(id string) {
	w.Helper()
	w.must(w.folder.Trash(recording.ID(id)))
	w.must(w.store.Update(w.Context(), func(tx store.Tx) error { _, err := tx.Delete(id); return err }))
}

// Everything goes but what is being made, and what is in the trash can go alone.
func TestPurgingEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	kept, trashed, live := w.record("kept"), w.record("in the trash"), w.record("goes on")
	w.trash(trashed)
	text := w.record("a text in the trash")
	w.must(w.store.Update(t.Context(), func(tx store.Tx) error { _, err := tx.DeleteTranscript(store.MainKey(text)); return err }))
	session, _, err := store.OpenSession(t.Context(), w.store, live)
	w.must(err)
	running := w.begin()
	w.see()

	swept, err := w.sweeper.PurgeAll(t.Context(), true)
	if err != nil || swept.Recordings != 1 || swept.Texts != 1 || swept.InUse != 0 || len(w.there()) != 4 {
		t.Fatalf("the trash: %+v, %v; %v are there", swept, err, w.there())
	}
	if _, err := w.store.Versions(t.Context(), store.MainKey(text)); scout.CodeOf(err) != scout.CodeNotFound {
		t.Errorf("the text in the trash: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.sweeper.PurgeAll(cancelled, false); err == nil {
		t.Error("who has gone is told that everything went")
	}
	swept, err = w.sweeper.PurgeAll(t.Context(), false)
	if err != nil || swept.Recordings != 2 || swept.InUse != 2 {
		t.Fatalf("everything: %+v, %v", swept, err)
	}
	for id, there := range map[string]bool{kept: false, text: false, live: true, string(running.ID()): true} {
		if _, err := w.folder.Manifest(recording.ID(id)); (err == nil) != there {
			t.Errorf("the files of %s: %v", id, err)
		}
	}
	w.must(session.End(t.Context(), func(store.Tx) ([]store.NewEvent, error) { return nil, nil }))
	_, err = running.Finish(recording.End{At: w.now, Reason: recording.EndStopped})
	w.must(err)
	w.see()
	if swept, err = w.sweeper.PurgeAll(t.Context(), false); err != nil || swept.Recordings != 2 || len(w.there()) != 0 {
		t.Errorf("the rest: %+v, %v; %v are there", swept, err, w.there())
	}
}
