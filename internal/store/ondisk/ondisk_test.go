package ondisk_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
)

// place is a store and the folder that it reconciles itself with.
type place struct {
	*testing.T
	store   *sqlite.Store
	dir     string
	folders ondisk.Folders
}

func newPlace(t *testing.T) *place {
	t.Helper()
	s := sqlitetest.Open(t, filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	p := &place{T: t, store: s, dir: t.TempDir()}
	uploads := t.TempDir()
	for dir, source := range map[string]store.Source{p.dir: store.SourceMicrophone, uploads: store.SourceUpload} {
		folder, err := recording.OpenFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		p.folders = append(p.folders, ondisk.Part{Folder: folder, Source: source})
	}
	return p
}

// record makes the files of a finished recording.
func (p *place) record(n int, state recording.State) recording.ID {
	p.Helper()
	at := time.Date(2026, 11, 1, 0, 0, n, 0, time.UTC)
	id := recording.ID(fmt.Sprintf("20261101T0000%02d000Z-%012x", n, n))
	p.write(id, recording.Manifest{
		Version: 1, ID: id, State: state, Format: scout.Format{SampleRateHz: 48000, Channels: 1, Sample: scout.SampleS16}, StartedAt: at, EndedAt: at.Add(time.Second),
		Frames: 48000, Gaps: []scout.Gap{{Start: 10, Frames: 5, Reason: "restart"}}, Device: recording.Device{Name: "USB"}, Labels: map[string]string{"at": "start"},
	}, 100)
	return id
}

func (p *place) write(id recording.ID, m recording.Manifest, bytes int) {
	p.Helper()
	data, err := json.Marshal(m)
	if err != nil {
		p.Fatal(err)
	}
	for suffix, content := range map[string][]byte{".json": data, ".wav": make([]byte, bytes)} {
		if err := os.WriteFile(filepath.Join(p.dir, string(id)+suffix), content, 0o600); err != nil {
			p.Fatal(err)
		}
	}
}

// reconciled compares what a look at the folder finds.
func (p *place) reconciled(added, changed, gone, problems int) {
	p.Helper()
	got, err := store.Reconcile(p.Context(), p.store, p.folders)
	if err != nil || got.New != added || got.Changed != changed || got.Gone != gone || len(got.Problems) != problems {
		p.Errorf("%+v, %v; want %d new, %d changed, %d gone, %d problems", got, err, added, changed, gone, problems)
	}
}

func (p *place) recording(id recording.ID) store.Recording {
	p.Helper()
	r, err := p.store.Recording(p.Context(), string(id))
	if err != nil {
		p.Fatal(err)
	}
	return r
}

func TestReconcileFollowsTheFolder(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	first, second := p.record(1, recording.StateFinished), p.record(2, recording.StateRecording)
	p.reconciled(2, 0, 0, 0)
	r := p.recording(first)
	if r.Device != "USB" || r.Duration != time.Second || r.LostFrames != 5 || r.Bytes != 100 || r.Labels["at"] != "start" || r.Audio != store.AudioPresent ||
		r.Source != store.SourceMicrophone || r.State != "finished" {
		t.Errorf("%+v", r)
	}
	p.reconciled(0, 0, 0, 0)

	// A recording grows and ends.
	p.record(2, recording.StateFinished)
	p.write(second, mustManifest(p, second), 500)
	p.reconciled(0, 1, 0, 0)
	if r := p.recording(second); r.State != "finished" || r.Bytes != 500 {
		t.Errorf("%+v", r)
	}

	// Into the folder's trash and out of it.
	if err := p.part().Trash(first); err != nil {
		t.Fatal(err)
	}
	p.reconciled(0, 1, 0, 0)
	if r := p.recording(first); r.DeletedAt.IsZero() || r.Audio != store.AudioPresent {
		t.Errorf("%+v", r)
	}
	p.reconciled(0, 0, 0, 0)
	if err := p.part().Restore(first); err != nil {
		t.Fatal(err)
	}
	p.reconciled(0, 1, 0, 0)
	if r := p.recording(first); !r.DeletedAt.IsZero() {
		t.Errorf("%+v", r)
	}

	// The text of what is gone stays.
	err := p.store.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.PutTranscript(store.Put{Key: store.MainKey(string(first)), Kind: store.KindFirst, Transcript: scout.Transcript{Segments: []scout.Segment{{Text: "kept"}}}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.part().Delete(first); err != nil {
		t.Fatal(err)
	}
	p.reconciled(0, 0, 1, 0)
	p.reconciled(0, 0, 0, 0)
	if r := p.recording(first); r.Audio != store.AudioRemoved || r.Transcript == nil || r.Transcript.Preview != "kept" {
		t.Errorf("%+v", r)
	}
	p.record(1, recording.StateFinished) // it comes back
	p.reconciled(0, 1, 0, 0)
	if r := p.recording(first); r.Audio != store.AudioPresent {
		t.Errorf("%+v", r)
	}
}

// part is the folder of recordings; the other one is that of uploads.
func (p *place) part() *recording.Folder {
	for _, part := range p.folders {
		if part.Dir() == p.dir {
			return part.Folder
		}
	}
	p.Fatal("no folder")
	return nil
}

func mustManifest(p *place, id recording.ID) recording.Manifest {
	p.Helper()
	m, err := p.part().Manifest(id)
	if err != nil {
		p.Fatal(err)
	}
	return m
}

func TestReconcileOneRecording(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	id := p.record(1, recording.StateFinished)
	p.record(2, recording.StateFinished)
	got, err := store.ReconcileOne(t.Context(), p.store, p.folders, string(id))
	if err != nil || got.New != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = store.ReconcileOne(t.Context(), p.store, p.folders, "20261101T000009000Z-000000000009") // neither here nor there
	if err != nil || got.Gone != 0 || len(got.Problems) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestReconcileSaysWhatItCannotRead(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.record(1, recording.StateFinished)
	damaged := p.record(2, recording.StateFinished)
	if err := os.WriteFile(filepath.Join(p.dir, string(damaged)+".json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	bare := p.record(3, recording.StateFinished)
	if err := os.Remove(filepath.Join(p.dir, string(bare)+".json")); err != nil {
		t.Fatal(err)
	}
	for _, foreign := range []string{"notes.txt", "recorder.lock", ".hidden"} {
		if err := os.WriteFile(filepath.Join(p.dir, foreign), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.reconciled(2, 0, 0, 1)
	if r := p.recording(bare); r.State != string(recording.StateRecording) || !r.StartedAt.Equal(time.Date(2026, 11, 1, 0, 0, 3, 0, time.UTC)) {
		t.Errorf("audio without a manifest: %+v", r)
	}
	if err := os.RemoveAll(p.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Reconcile(t.Context(), p.store, p.folders); scout.CodeOf(err) != scout.CodeFileNotFound {
		t.Errorf("a folder that is gone: %v", err)
	}
	if r := p.recording(bare); r.Audio != store.AudioPresent {
		t.Errorf("a folder that cannot be read says nothing about what was in it: %+v", r)
	}
}
