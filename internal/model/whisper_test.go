package model_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/model/ct2/ct2test"
)

// whisperEntry is a Whisper model of the catalogue whose sums are not known.
func whisperEntry(id string) model.Entry {
	e := model.Entry{ID: id, Name: "Whisper", Family: model.Whisper, Languages: []string{"en"}, Licence: "MIT", Backend: "whisper"}
	for i, role := range []model.Role{model.RoleWeights, model.RoleConfig, model.RoleTokenizer} {
		e.Files = append(e.Files, model.File{
			Path: whisperFiles[i], Role: role, SizeBytes: 1000, Sources: []model.Source{{URL: "http://127.0.0.1:1/" + whisperFiles[i]}},
		})
	}
	return e
}

// A Whisper model is verified as such before it takes its place, also where no sum is known. The error names its id and
// no temporary folder.
func TestPulledWhisperIsVerified(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store := open(t, dir, []model.Entry{whisperEntry("w")})
	for name, test := range map[string]struct {
		change func(*ct2test.Model)
		code   scout.Code
		text   string
	}{
		"another architecture":   {func(m *ct2test.Model) { m.Spec = "LlamaSpec" }, scout.CodeModelUnsupported, "w/model.bin: its architecture"},
		"another vocabulary":     {func(m *ct2test.Model) { m.Tokens = ct2test.Tokens(19) }, scout.CodeModelCorrupt, "w/tokenizer.json: it is of a model with"},
		"heads of another model": {func(m *ct2test.Model) { m.Config["alignment_heads"] = [][]int{{5, 0}} }, scout.CodeModelCorrupt, "w/config.json: alignment_heads"},
	} {
		_, err := store.Pull(t.Context(), "w", model.PullOptions{From: whisperFolder(t, "x", test.change), AcceptChanged: true})
		if scout.CodeOf(err) != test.code || !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), ".partial") {
			t.Errorf("%s: %s: %v", name, scout.CodeOf(err), err)
		}
		if _, err := os.Stat(filepath.Join(dir, "w")); err == nil {
			t.Errorf("%s: it took its place", name)
		}
		if err := os.RemoveAll(filepath.Join(dir, "w.partial")); err != nil {
			t.Fatal(err)
		}
	}
	m := pull(t, store, "w", model.PullOptions{From: whisperFolder(t, "x", nil)})
	if len(m.Recorded) != 3 {
		t.Errorf("recorded %v", m.Recorded)
	}
}

// What an earlier version installed under an id of today's catalogue, for another backend, works until it is replaced.
func TestWhisperForAnotherBackend(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	dir, from := t.TempDir(), t.TempDir()
	writeFiles(t, from, files)
	old := entry("w", "http://127.0.0.1:1", files, true)
	pull(t, open(t, dir, []model.Entry{old}), "w", model.PullOptions{From: from})

	store := open(t, dir, []model.Entry{whisperEntry("w")})
	wantInstalled(t, store, "w", files)
	if list, err := store.List(); err != nil || !list[0].Installed || list[0].Problem != "" {
		t.Errorf("list %+v, %v", list, err)
	}
	if _, err := store.Use(t.Context(), "w"); err != nil {
		t.Error(err)
	}
	m := pull(t, store, "w", model.PullOptions{From: whisperFolder(t, "x", nil)})
	if m.Already || m.Files[model.RoleWeights] == "" || m.Files[model.RoleEncoder] != "" {
		t.Errorf("pulled %+v", m)
	}
	wantOnly(t, m.Dir, append([]string{"model.json", ".verified.json"}, whisperFiles...)...)
}

// The files of one folder find each other by their names.
func TestWhisperByHand(t *testing.T) {
	t.Parallel()
	good := "id = \"w\"\nfamily = \"whisper\"\nlanguages = [\"en\"]\n[files]\nweights = \"model.bin\"\nconfig = \"config.json\"\ntokenizer = \"vocabulary.txt\"\n"
	if _, err := model.ParseOwn([]byte(good)); err != nil {
		t.Error(err)
	}
	for old, text := range map[string]string{
		`"model.bin"`: `file for weights: "x": want model.bin`, `"config.json"`: `file for config: "x": want config.json`, `"vocabulary.txt"`: `file for tokenizer: "x": want tokenizer.json or`,
	} {
		_, err := model.ParseOwn([]byte(strings.Replace(good, old, `"x"`, 1)))
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", old, err)
		}
	}
	for _, role := range []string{"weights", "config", "tokenizer"} {
		cut := strings.Replace(good, role+" = ", "decoder = ", 1)
		if _, err := model.ParseOwn([]byte(cut)); err == nil || !strings.Contains(err.Error(), "no file for "+role) {
			t.Errorf("without %s: %v", role, err)
		}
	}
}
