package model_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
)

// What the catalogue has is complete, of models that are in it, and shown for those whose files it knows.
func TestFiguresOfTheCatalogue(t *testing.T) {
	t.Parallel()
	store, err := model.Open(t.TempDir(), noScope())
	if err != nil {
		t.Fatal(err)
	}
	list, err := store.List()
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, l := range list {
		if l.Tested != (l.Figures != nil) {
			t.Errorf("%s: tested %v, figures %+v", l.ID, l.Tested, l.Figures)
		}
		if f := l.Figures; f != nil {
			shown++
			if f.WER <= 0 || f.WER > 1 || f.WERLow > f.WER || f.WERHigh < f.WER || f.Speed <= 0 || f.MemoryBytes <= 0 || f.Clips <= 0 || f.Words <= 0 || f.AudioSeconds <= 0 {
				t.Errorf("%s: %+v", l.ID, *f)
			}
			if f.Date == "" || f.Machine == "" || f.Set == "" || f.Normaliser == "" || f.Engine == "" || f.Version == "" || len(f.Fingerprint) != 64 {
				t.Errorf("%s: %+v", l.ID, *f)
			}
		}
	}
	if shown == 0 {
		t.Error("no model has figures")
	}
}

// Figures are shown for exactly the files that were measured, under whichever id they are installed.
func TestFiguresBelongToFiles(t *testing.T) {
	t.Parallel()
	files, others := sampleFiles(), sampleFiles()
	others["tokens.txt"] = []byte("other tokens")
	from, fromOthers := t.TempDir(), t.TempDir()
	writeFiles(t, from, files)
	writeFiles(t, fromOthers, others)
	known, unknown := entry("known", "http://127.0.0.1:1", files, true), entry("unknown", "http://127.0.0.1:1", files, false)
	also := entry("also", "http://127.0.0.1:1", others, true)
	also.Files[2].Also = []model.Sum{{SizeBytes: int64(len(files["tokens.txt"])), SHA256: sum(files["tokens.txt"])}}
	catalogue := []model.Entry{known, unknown, also}

	measuring := open(t, t.TempDir(), catalogue)
	pull(t, measuring, "known", model.PullOptions{From: from})
	fingerprint, err := measuring.Fingerprint(t.Context(), "known")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "figures.json")
	if err := os.WriteFile(path, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want := model.Figures{Fingerprint: fingerprint, Set: "dev", Clips: 3, WER: 0.125}
	for _, wer := range []float64{0.5, want.WER} { // the later one holds
		f := want
		f.WER = wer
		if err := model.RecordFigures(path, "known", f); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	store := open(t, t.TempDir(), catalogue, model.WithFigures(data))
	check := func(situation string, tested ...bool) {
		t.Helper()
		list, err := store.List()
		if err != nil || len(list) != len(tested) {
			t.Fatalf("%s: %+v, %v", situation, list, err)
		}
		for i, l := range list {
			if l.Tested != tested[i] || (l.Figures != nil) != tested[i] || tested[i] && *l.Figures != want {
				t.Errorf("%s: %s: tested %v, figures %+v", situation, l.ID, l.Tested, l.Figures)
			}
		}
	}
	check("before a pull", true, false, true)
	pull(t, store, "unknown", model.PullOptions{From: from})
	check("the same files, whose sums nobody knew", true, true, true)
	pull(t, store, "also", model.PullOptions{From: fromOthers})
	check("other files than those that were measured", true, true, false)
}

// Figures of files that are not those of the catalogue cannot be measured, nor those of damaged ones.
func TestFingerprintIsOfTheWholeModel(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	from := t.TempDir()
	writeFiles(t, from, files)
	store := open(t, t.TempDir(), []model.Entry{entry("sample", "http://127.0.0.1:1", files, true)})
	_, err := store.Fingerprint(t.Context(), "own")
	wantCode(t, err, scout.CodeInvalidArgument)
	_, err = store.Fingerprint(t.Context(), "sample")
	wantCode(t, err, scout.CodeModelNotInstalled)
	m := pull(t, store, "sample", model.PullOptions{From: from})
	fingerprint, err := store.Fingerprint(t.Context(), "sample")
	if err != nil || fingerprint != model.Fingerprint(m.SHA256) || len(fingerprint) != 64 || fingerprint == model.Fingerprint(nil) {
		t.Errorf("fingerprint %q, %v", fingerprint, err)
	}
	encoder := m.Files[model.RoleEncoder]
	content, err := os.ReadFile(encoder)
	if err != nil {
		t.Fatal(err)
	}
	content[0]++
	if err := os.WriteFile(encoder, content, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = store.Fingerprint(t.Context(), "sample")
	wantCode(t, err, scout.CodeModelCorrupt)
}
