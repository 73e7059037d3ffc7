package model_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
)

// installed returns a store with the sample model in place.
func installed(t *testing.T) (*model.Store, model.Installed, contents) {
	t.Helper()
	files := sampleFiles()
	from := t.TempDir()
	writeFiles(t, from, files)
	entries := append(offline(files, true), entry("other", "http://127.0.0.1:1", files, true))
	store := open(t, t.TempDir(), entries)
	pulled := pull(t, store, "sample", model.PullOptions{From: from})
	pull(t, store, "other", model.PullOptions{From: from})
	return store, pulled.Installed, files
}

func TestResolveWithNothingInstalled(t *testing.T) {
	t.Parallel()
	store := open(t, filepath.Join(t.TempDir(), "not", "yet"), offline(sampleFiles(), true))
	for _, id := range []string{"", "sample"} {
		_, err := store.Resolve(t.Context(), id)
		wantCode(t, err, scout.CodeModelNotInstalled)
		if !strings.Contains(scout.HintOf(err), "scout models pull sample") {
			t.Errorf("hint %q does not name the command", scout.HintOf(err))
		}
	}
	_, err := store.Resolve(t.Context(), "whatever")
	wantCode(t, err, scout.CodeModelUnknown)
	_, err = store.Resolve(t.Context(), "../../etc")
	wantCode(t, err, scout.CodeModelUnknown)
	list, err := store.List()
	if err != nil || len(list) != 1 || list[0].Installed || !list[0].Default || !list[0].Selected {
		t.Errorf("list %+v, error %v; want the default model, not installed", list, err)
	}
	if _, err := os.Stat(store.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("looking made the models folder: %v", err)
	}
}

func TestUseSelectsTheModel(t *testing.T) {
	t.Parallel()
	store, _, _ := installed(t)
	if m, err := store.Resolve(t.Context(), ""); err != nil || m.ID != "sample" {
		t.Errorf("without a selection %q is used, error %v; want the default", m.ID, err)
	}
	if _, err := store.Use(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	if m, err := store.Resolve(t.Context(), ""); err != nil || m.ID != "other" {
		t.Errorf("selected other, got %q, error %v", m.ID, err)
	}
	if m, err := store.Resolve(t.Context(), "sample"); err != nil || m.ID != "sample" {
		t.Errorf("asked for sample, got %q, error %v", m.ID, err)
	}
	_, err := store.Use(t.Context(), "")
	wantCode(t, err, scout.CodeInvalidArgument)
	writeFiles(t, store.Dir(), contents{"selected": []byte("../../etc\n")})
	_, err = store.Resolve(t.Context(), "")
	wantCode(t, err, scout.CodeConfigInvalid)
}

func TestRemove(t *testing.T) {
	t.Parallel()
	store, m, _ := installed(t)
	wantCode(t, store.Remove(t.Context(), "sample", false), scout.CodeModelInUse)
	if err := store.Remove(t.Context(), "other", false); err != nil {
		t.Fatal(err)
	}
	wantCode(t, store.Remove(t.Context(), "other", false), scout.CodeModelNotInstalled)
	wantCode(t, store.Remove(t.Context(), "what", false), scout.CodeModelUnknown)
	if _, err := store.Use(t.Context(), "sample"); err != nil {
		t.Fatal(err)
	}
	if err := store.Remove(t.Context(), "sample", true); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(m.Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
	if selected, err := store.Selected(); err != nil || selected != "" {
		t.Errorf("still selected: %q, error %v", selected, err)
	}
	writeFiles(t, store.Dir(), contents{"sample.partial/enc.onnx.part": []byte("x")})
	if err := store.Remove(t.Context(), "sample", false); err != nil {
		t.Errorf("what an interrupted pull left cannot be removed: %v", err)
	}
	wantOnly(t, store.Dir(), ".sample.lock", ".other.lock")
}

func TestDamageIsFoundBeforeUse(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		damage func(t *testing.T, path string)
		state  model.FileState
		says   string
	}{
		"missing": {func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}, model.FileMissing, "is missing"},
		"truncated": {func(t *testing.T, path string) {
			if err := os.Truncate(path, 1000); err != nil {
				t.Fatal(err)
			}
		}, model.FileTruncated, "1000 of 120000"},
		"empty": {func(t *testing.T, path string) {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		}, model.FileTruncated, "0 of 120000"},
		"longer": {func(t *testing.T, path string) {
			if err := os.Truncate(path, 120_001); err != nil {
				t.Fatal(err)
			}
		}, model.FileAltered, "120001 bytes instead of 120000"},
		"one bit": {func(t *testing.T, path string) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[77_777] ^= 4
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}, model.FileAltered, "SHA-256"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, m, _ := installed(t)
			path := m.Files[model.RoleDecoder]
			test.damage(t, path)
			_, err := store.Resolve(t.Context(), "sample")
			wantCode(t, err, scout.CodeModelCorrupt)
			if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), test.says) || !strings.Contains(scout.HintOf(err), "scout models pull sample") {
				t.Errorf("error %q, hint %q: want the file, %q and the repair", err, scout.HintOf(err), test.says)
			}
			report, err := store.Verify(t.Context(), "sample")
			wantCode(t, err, scout.CodeModelCorrupt)
			if len(report.Files) != 3 || report.Files[0].State != model.FileIntact || report.Files[1].State != test.state {
				t.Errorf("report %+v: want the encoder intact and the decoder %s", report.Files, test.state)
			}
			_, err = store.Use(t.Context(), "sample")
			wantCode(t, err, scout.CodeModelCorrupt)
		})
	}
}

// TestCheckBeforeUseLooksAtSizeAndTime states what the quick check sees and what only verify sees.
func TestCheckBeforeUseLooksAtSizeAndTime(t *testing.T) {
	t.Parallel()
	store, m, files := installed(t)
	path := m.Files[model.RoleDecoder]
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	writeFiles(t, m.Dir, contents{"dec.onnx": bytes.Repeat([]byte{1}, len(files["dec.onnx"]))})
	if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Resolve(t.Context(), "sample"); err != nil {
		t.Errorf("size and time are the same, yet the file was read: %v", err)
	}
	_, err = store.Verify(t.Context(), "sample")
	wantCode(t, err, scout.CodeModelCorrupt)
	_, err = store.Resolve(t.Context(), "sample") // and from then on it is known
	wantCode(t, err, scout.CodeModelCorrupt)
}

func TestDamagedRecordsAreNoReasonToPanic(t *testing.T) {
	t.Parallel()
	store, m, files := installed(t)
	for _, cache := range []string{"", "null", "[]", `{"enc.onnx":{"size":1}}`} {
		writeFiles(t, m.Dir, contents{".verified.json": []byte(cache)})
		wantInstalled(t, store, "sample", files)
	}
	for _, broken := range []string{"", "{", "null", `{"version":9}`, `{"version":1,"id":"other"}`} {
		writeFiles(t, m.Dir, contents{"model.json": []byte(broken)})
		_, err := store.Resolve(t.Context(), "sample")
		wantCode(t, err, scout.CodeModelCorrupt)
	}
	list, err := store.List()
	if err != nil || list[0].Problem == "" {
		t.Errorf("list %+v, error %v; want the problem named", list, err)
	}
}

func TestModelOutsideTheCatalogueStaysUsable(t *testing.T) {
	t.Parallel()
	store, _, files := installed(t)
	later := open(t, store.Dir(), []model.Entry{entry("newer", "http://127.0.0.1:1", files, true)})
	wantInstalled(t, later, "other", files)
	list, err := later.List()
	if err != nil || len(list) != 3 || !list[1].Installed || !list[2].Installed {
		t.Errorf("list %+v, error %v; want the installed models beside the catalogue", list, err)
	}
}

func TestReplacementInTwoStepsSurvivesACrash(t *testing.T) {
	t.Parallel()
	store, m, files := installed(t)
	// The crash came between the two renames: the old version lies aside.
	if err := os.Rename(m.Dir, m.Dir+".replaced"); err != nil {
		t.Fatal(err)
	}
	wantInstalled(t, open(t, store.Dir(), store.Catalogue()), "sample", files)
	// The crash came after them: the old version is only to be deleted.
	writeFiles(t, store.Dir(), contents{"sample.replaced/enc.onnx": []byte("old")})
	wantInstalled(t, open(t, store.Dir(), store.Catalogue()), "sample", files)
	if _, err := os.Stat(m.Dir + ".replaced"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old version is still there: %v", err)
	}

	staged, final := filepath.Join(t.TempDir(), "staged"), filepath.Join(t.TempDir(), "final")
	writeFiles(t, staged, contents{"version": []byte("new")})
	writeFiles(t, final, contents{"version": []byte("old")})
	if err := model.SwapInTwoSteps(staged, final); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]string{staged: "old", final: "new"} {
		if data, err := os.ReadFile(filepath.Join(dir, "version")); err != nil || string(data) != want {
			t.Errorf("%s holds %q, error %v; want %s", dir, data, err, want)
		}
	}
}

func TestOpenRefusesWhatIsNoFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	writeFiles(t, filepath.Dir(file), contents{"file": []byte("x")})
	for _, dir := range []string{"", file} {
		_, err := model.Open(dir, noScope())
		wantCode(t, err, scout.CodeConfigInvalid)
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	store, m, _ := installed(t)
	for _, id := range []string{"", "sample"} {
		if path, err := store.Path(id); err != nil || path != m.Dir {
			t.Errorf("path of %q: %q, error %v; want %q", id, path, err, m.Dir)
		}
	}
	_, err := store.Path("none")
	wantCode(t, err, scout.CodeModelUnknown)
}
