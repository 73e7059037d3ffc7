package history_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
)

// unreadable is a store whose texts cannot be read.
type unreadable struct {
	store.Store
	err error // nil: they can
}

func (u *unreadable) Transcript(ctx context.Context, key store.Key, version int) (store.Transcript, error) {
	if u.err != nil {
		return store.Transcript{}, u.err
	}
	return u.Store.Transcript(ctx, key, version)
}

func (u *unreadable) Update(ctx context.Context, change func(store.Tx) error) error {
	return u.Store.Update(ctx, func(tx store.Tx) error { return change(&unreadableTx{tx, u.err}) })
}

type unreadableTx struct {
	store.Tx
	err error
}

func (u *unreadableTx) Transcript(key store.Key, version int) (store.Transcript, error) {
	if u.err != nil {
		return store.Transcript{}, u.err
	}
	return u.Tx.Transcript(key, version)
}

// A text that cannot be read is not another version, and not absent: the new one is neither dropped nor called the first.
func TestKeepWithoutReading(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder, err := recording.OpenFolder(filepath.Join(dir, "recordings"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := folder.Create(recording.Settings{Format: scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleF32}, StartedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 4*16000)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(recording.End{At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	db := sqlitetest.Open(t, filepath.Join(dir, sqlite.FileName), sqlite.Options{})
	defer db.Close() //nolint:errcheck // of a test
	st := &unreadable{Store: db}
	h := history.New(observe.Scope{}, st, ondisk.Folders{{Folder: folder, Source: store.SourceMicrophone}})
	text := history.Text{Recording: string(w.ID()), Transcript: scout.Transcript{Model: "a", Segments: []scout.Segment{{Text: "what was said", End: time.Second}}}}
	if _, version, err := h.Keep(t.Context(), text); err != nil || version.Kind != store.KindFirst {
		t.Fatalf("version %+v, %v", version, err)
	}
	for _, ifVersion := range []int{0, 1} {
		again := text
		again.IfVersion = ifVersion
		again.Also = func(store.Tx, store.Key, store.Version) error {
			t.Error("the work is done without its text")
			return nil
		}
		st.err = scout.Errorf(scout.CodeReadFailed, "the disk does not answer")
		if _, version, err := h.Keep(t.Context(), again); scout.CodeOf(err) != scout.CodeReadFailed {
			t.Errorf("if version %d: %+v, %v", ifVersion, version, err)
		}
	}
	st.err = nil
	if _, version, err := h.Keep(t.Context(), text); err != nil || version.Kind != store.KindRetranscribed || version.Version != 2 {
		t.Errorf("afterwards: %+v, %v", version, err)
	}
}
