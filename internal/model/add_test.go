package model_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/model/ct2/ct2test"
)

// whisperFolder writes a small Whisper model into a new folder of that name.
func whisperFolder(t *testing.T, name string, change func(*ct2test.Model)) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), filepath.FromSlash(name))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m := ct2test.New(ct2test.Small(), ct2test.Int8)
	if change != nil {
		change(m)
	}
	m.Write(t, dir)
	return dir
}

// names of the files that are copied from the folder.
var whisperFiles = []string{"model.bin", "config.json", "tokenizer.json"}

func add(t *testing.T, store *model.Store, folder string, options model.AddOptions) model.Installed {
	t.Helper()
	m, err := store.Add(t.Context(), folder, options)
	if err != nil {
		t.Fatalf("add: %v (code %s)", err, scout.CodeOf(err))
	}
	return m
}

func TestAddAndRemove(t *testing.T) {
	t.Parallel()
	folder := whisperFolder(t, "faster-whisper-Über 2", nil)
	store := open(t, t.TempDir(), offline(sampleFiles(), true))
	prepared := 0
	m := add(t, store, folder, model.AddOptions{Prepare: func(_ context.Context, staged model.Installed) error {
		prepared++
		writeFiles(t, staged.Dir, contents{"prepared/graph": []byte(staged.Files[model.RoleWeights])})
		return nil
	}})
	if m.ID != "faster-whisper--ber-2" || m.Own || m.Family != model.Whisper || !m.EnglishOnly() || prepared != 1 {
		t.Errorf("added %+v, prepared %d times", m, prepared)
	}
	wantOnly(t, m.Dir, append([]string{"model.json", ".verified.json", "prepared"}, whisperFiles...)...)
	if err := os.RemoveAll(folder); err != nil { // it is not needed any more
		t.Fatal(err)
	}
	if resolved, err := store.Resolve(t.Context(), m.ID); err != nil || resolved.Files[model.RoleTokenizer] != filepath.Join(m.Dir, "tokenizer.json") {
		t.Errorf("resolved %+v, %v", resolved, err)
	}
	if list, err := store.List(); err != nil || len(list) != 2 || !list[1].Installed || list[1].Own || list[1].Problem != "" || list[1].Tested {
		t.Errorf("list %+v, %v", list, err)
	}

	// What is damaged says how it is put in order, and so does a pull.
	if err := os.Truncate(m.Files[model.RoleWeights], 100); err != nil {
		t.Fatal(err)
	}
	_, err := store.Verify(t.Context(), m.ID)
	wantCode(t, err, scout.CodeModelCorrupt)
	want := "scout models add --force --id faster-whisper--ber-2 '" + folder + "'"
	if !strings.Contains(scout.HintOf(err), want) {
		t.Errorf("hint %q, want %q", scout.HintOf(err), want)
	}
	_, err = store.Pull(t.Context(), m.ID, model.PullOptions{})
	wantCode(t, err, scout.CodeInvalidArgument)
	if !strings.Contains(scout.HintOf(err), want) {
		t.Errorf("hint %q, want %q", scout.HintOf(err), want)
	}
	if err := store.Remove(t.Context(), m.ID, false); err != nil {
		t.Error(err)
	}
	wantOnly(t, store.Dir(), "."+m.ID+".lock")
}

func TestAddByLinks(t *testing.T) {
	t.Parallel()
	folder := whisperFolder(t, "mine", nil)
	store := open(t, t.TempDir(), offline(sampleFiles(), true), model.WithPartFiles(func(string, int64) (model.PartFile, error) {
		return nil, errors.New("something is copied")
	}))
	m := add(t, store, folder, model.AddOptions{Link: true, ID: "linked"})
	for _, name := range whisperFiles {
		if target, err := os.Readlink(filepath.Join(m.Dir, name)); err != nil || target != filepath.Join(folder, name) {
			t.Errorf("%s leads to %q, %v", name, target, err)
		}
	}
	if _, err := store.Verify(t.Context(), "linked"); err != nil {
		t.Error(err)
	}
	if err := store.Remove(t.Context(), "linked", false); err != nil {
		t.Error(err)
	}
	wantOnly(t, folder, append([]string{"vocabulary.json"}, whisperFiles...)...)
	add(t, store, folder, model.AddOptions{Link: true, ID: "linked"})
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	_, err := store.Resolve(t.Context(), "linked")
	wantCode(t, err, scout.CodeModelCorrupt)
}

func TestAddReplacesOnlyWhatWasAdded(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	dir := t.TempDir()
	writeFiles(t, dir, contents{"mine/model.toml": []byte(ownWhisper("mine"))})
	writeFiles(t, dir+"/mine", files)
	store := open(t, dir, offline(files, true))
	folder := whisperFolder(t, "one", nil)
	add(t, store, folder, model.AddOptions{})
	for name, test := range map[string]struct {
		options model.AddOptions
		code    scout.Code
		hint    string
	}{
		"added already":               {model.AddOptions{}, scout.CodeConflict, "--force"},
		"added already, by force":     {model.AddOptions{Force: true}, "", ""},
		"the id of the catalogue":     {model.AddOptions{ID: "sample", Force: true}, scout.CodeInvalidArgument, "scout models pull sample --from " + folder},
		"the id of a model by hand":   {model.AddOptions{ID: "mine", Force: true}, scout.CodeConflict, "--id"},
		"no id":                       {model.AddOptions{ID: "A/B"}, scout.CodeInvalidArgument, "--id ID " + folder},
		"the id of a pull under way":  {model.AddOptions{ID: "x.partial"}, scout.CodeInvalidArgument, "--id ID"},
		"another id, which is free":   {model.AddOptions{ID: "two"}, "", ""},
		"the name of the lock's file": {model.AddOptions{ID: "models.lock"}, scout.CodeInvalidArgument, ""},
	} {
		_, err := store.Add(t.Context(), folder, test.options)
		if scout.CodeOf(err) != test.code || !strings.Contains(scout.HintOf(err), test.hint) {
			t.Errorf("%s: %v (%s), hint %q", name, err, scout.CodeOf(err), scout.HintOf(err))
		}
	}
	wantInstalled(t, store, "mine", files)
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	up := "decoder/layer_1/ffn/linear_0/bias"
	for name, test := range map[string]struct {
		folder func(t *testing.T) string
		code   scout.Code
		text   string
	}{
		"nothing":         {func(t *testing.T) string { return filepath.Join(t.TempDir(), "none") }, scout.CodeFileNotFound, "no such file"},
		"a file":          {func(t *testing.T) string { return filepath.Join(whisperFolder(t, "x", nil), "model.bin") }, scout.CodeInvalidArgument, "is not a folder"},
		"an empty folder": {func(t *testing.T) string { return t.TempDir() }, scout.CodeModelCorrupt, "model.bin: it is missing"},
		"another architecture": {func(t *testing.T) string {
			return whisperFolder(t, "x", func(m *ct2test.Model) { m.Spec = "TransformerSpec" })
		}, scout.CodeModelUnsupported, "TransformerSpec"},
		"a number that is none": {func(t *testing.T) string {
			return whisperFolder(t, "x", func(m *ct2test.Model) { copy(m.Find(up).Data, []byte{0, 0, 0xc0, 0x7f}) })
		}, scout.CodeModelCorrupt, "is not a finite number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t, t.TempDir(), offline(sampleFiles(), true))
			_, err := store.Add(t.Context(), test.folder(t), model.AddOptions{ID: "x"})
			wantCode(t, err, test.code)
			if !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), ".partial") {
				t.Errorf("%v\nwant …%s", err, test.text)
			}
			if entries, err := os.ReadDir(store.Dir()); err != nil || len(entries) > 1 {
				t.Errorf("left %v, %v", entries, err)
			}
		})
	}
}

// A failure while it is copied leaves nothing, and the version that was there.
func TestAddThatFails(t *testing.T) {
	t.Parallel()
	folder := whisperFolder(t, "mine", nil)
	dir := t.TempDir()
	before := add(t, open(t, dir, offline(sampleFiles(), true)), folder, model.AddOptions{})
	refused := errors.New("the graph has no such node")
	for name, test := range map[string]struct {
		option  model.Option
		prepare func(context.Context, model.Installed) error
		code    scout.Code
	}{
		"a full disk": {model.WithPartFiles(func(string, int64) (model.PartFile, error) { return &fullDisk{left: 200_000, closes: syscall.EIO}, nil }), nil, scout.CodeDiskFull},
		"preparation": {model.WithShared(), func(context.Context, model.Installed) error { return refused }, scout.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			store := open(t, dir, offline(sampleFiles(), true), test.option)
			_, err := store.Add(t.Context(), folder, model.AddOptions{Force: true, Prepare: test.prepare})
			wantCode(t, err, test.code)
			if _, err := store.Verify(t.Context(), before.ID); err != nil {
				t.Errorf("the version before: %v", err)
			}
			wantOnly(t, dir, "mine", ".mine.lock")
		})
	}
}

// The folder of a repository in a cache of Hugging Face stands for its newest snapshot and gives the id.
func TestAddAndFindInACache(t *testing.T) {
	t.Parallel()
	cache := t.TempDir()
	good := whisperFolder(t, "good", nil)
	link := func(repository, revision string) string {
		dir := filepath.Join(cache, repository, "snapshots", revision)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range append([]string{"vocabulary.json"}, whisperFiles...) { // as Hugging Face does
			if err := os.Symlink(filepath.Join(good, name), filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	newest := link("models--Systran--faster-whisper-base", "1234")
	broken := link("models--somebody--other", "abcd")
	alone := link("models--alone", "1")
	if err := os.Remove(filepath.Join(broken, "config.json")); err != nil {
		t.Fatal(err)
	}
	writeFiles(t, cache, contents{
		"models--Systran--faster-whisper-base/refs/main": []byte("1234\n"), "models--x--bert/snapshots/1/pytorch_model.bin": []byte("x"),
		"models--Systran--faster-whisper-base/snapshots/0001/readme": []byte("x"), "version.txt": []byte("1"),
	})
	store := open(t, t.TempDir(), offline(sampleFiles(), true))
	found, err := store.Find(t.Context(), []string{cache, filepath.Join(cache, "none")})
	if err != nil || len(found) != 3 {
		t.Fatalf("found %+v, %v", found, err)
	}
	byID := map[string]model.Found{}
	for _, f := range found {
		byID[f.ID] = f
	}
	if f := byID["faster-whisper-base"]; f.Dir != newest || f.Installed != "" || f.SizeBytes == 0 || !slices.Equal(f.Languages, []string{"en"}) {
		t.Errorf("found %+v", f)
	}
	if f := byID["other"]; f.Code != scout.CodeModelCorrupt || !strings.Contains(f.Problem, "config.json: it is missing") {
		t.Errorf("found %+v", f)
	}
	if f := byID["alone"]; f.Dir != alone {
		t.Errorf("found %+v", f)
	}
	m := add(t, store, filepath.Join(cache, "models--Systran--faster-whisper-base"), model.AddOptions{})
	if m.ID != "faster-whisper-base" {
		t.Errorf("added as %s", m.ID)
	}
	found, err = store.Find(t.Context(), []string{cache})
	if err != nil || len(found) != 3 || found[0].Installed != m.ID {
		t.Errorf("found %+v, %v", found, err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Find(cancelled, []string{cache}); scout.ClassOf(err) != scout.Cancelled {
		t.Errorf("a cancelled search gives %v", err)
	}
}

func TestCaches(t *testing.T) {
	t.Parallel()
	for want, set := range map[string]map[string]string{
		"/new":                      {"HF_HUB_CACHE": "/new", "HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/hf", "HOME": "/h"},
		"/old":                      {"HUGGINGFACE_HUB_CACHE": "/old", "HF_HOME": "/hf", "HOME": "/h"},
		"/hf/hub":                   {"HF_HOME": "/hf", "XDG_CACHE_HOME": "/xdg", "HOME": "/h"},
		"/xdg/huggingface/hub":      {"XDG_CACHE_HOME": "/xdg", "HOME": "/h"},
		"/h/.cache/huggingface/hub": {"HOME": "/h"},
	} {
		if got := model.Caches(func(name string) string { return set[name] }); !slices.Equal(got, []string{want}) {
			t.Errorf("%v gives %v, want %s", set, got, want)
		}
	}
	if got := model.Caches(func(string) string { return "" }); len(got) != 0 {
		t.Errorf("without a home: %v", got)
	}
}
