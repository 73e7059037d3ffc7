package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/model/ct2/ct2test"
)

const defaultModel = "moonshine-tiny-en"

// installedOnce is a folder in which a program has installed the real default model, once for all tests.
var installedOnce = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(programs, "installed")
	pull := command(context.Background(), "models", "pull", defaultModel, "--from", filepath.Join(models, defaultModel), "--models-dir", dir)
	if out, err := pull.CombinedOutput(); err != nil {
		return "", fmt.Errorf("pull: %w\n%s", err, out)
	}
	return dir, nil
})

// installDefault returns a new folder with the real default model.
func installDefault(t *testing.T) string {
	t.Helper()
	needModel(t)
	from, err := installedOnce()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// progressLine matches the lines that appear while a model is downloaded or prepared.
var progressLine = regexp.MustCompile(`(?m)^.* MB of .* MB \(.*\n`)

// TestModelsFromPullToRemove takes a model from pull to remove in this process, where the race detector works.
func TestModelsFromPullToRemove(t *testing.T) {
	t.Parallel()
	needModel(t)
	dir := t.TempDir()
	pulled := scoutRun(t, nil, "models", "pull", defaultModel, "--from", filepath.Join(models, defaultModel), "--models-dir", dir)
	if pulled.code != 0 || !strings.Contains(pulled.out, "knows English only") || progressLine.ReplaceAllString(pulled.err, "") != "" {
		t.Fatalf("pull: code %d\n%s%s", pulled.code, pulled.out, pulled.err)
	}
	steps := []struct {
		args []string
		code int
		out  string
		err  string
	}{
		{[]string{"pull", defaultModel}, 0, "already installed and intact", ""},
		{[]string{"verify"}, 0, defaultModel + " is intact: 3 files, 28.7 MB", ""},
		{[]string{"use", defaultModel}, 0, "is selected; it knows English only", ""},
		{[]string{"path", defaultModel}, 0, filepath.Join(dir, defaultModel), ""},
		{[]string{"path"}, 0, dir, ""},
		{[]string{"list"}, 0, "fast+accurate", ""},
		{[]string{"remove", defaultModel}, 1, "", "scout models remove --force " + defaultModel},
		{[]string{"remove", "--force", defaultModel}, 0, "is removed", ""},
		{[]string{"verify"}, 0, "no model is installed", ""},
		{[]string{"path", defaultModel}, 1, "", "scout models pull " + defaultModel},
		{[]string{"use", "whisper-tiny.en"}, 1, "", "did you mean whisper-tiny, whisper-tiny-en"},
		{[]string{"use"}, 2, "", "scout models use " + defaultModel},
		{[]string{"list", "--what"}, 2, "", "unknown flag"},
		{[]string{"pull", defaultModel, "--from", filepath.Join(dir, "none")}, 2, "", "no such file"},
		{[]string{"pull", defaultModel, "--from", filepath.Join(dir, ".moonshine-tiny-en.lock")}, 2, "", "neither a folder nor an archive"},
	}
	for _, step := range steps { // one after another: each stands on the one before
		got := scoutRun(t, nil, append(append([]string{"models"}, step.args...), "--models-dir", dir)...)
		if got.code != step.code || !strings.Contains(got.out, step.out) || !strings.Contains(got.err, step.err) {
			t.Errorf("models %s: code %d, want %d\nstdout: %s(want %q)\nstderr: %s(want %q)",
				strings.Join(step.args, " "), got.code, step.code, got.out, step.out, got.err, step.err)
		}
		if (step.code == 0) != (progressLine.ReplaceAllString(got.err, "") == "") {
			t.Errorf("models %s: stderr %q does not fit the code %d", strings.Join(step.args, " "), got.err, got.code)
		}
	}
}

// TestEnglishIsSaidOnce: a person who did not ask for English reads once that the model knows nothing else.
func TestEnglishIsSaidOnce(t *testing.T) {
	t.Parallel()
	dir := installDefault(t)
	const note = "knows English only"
	for _, step := range []struct {
		language string
		said     bool
	}{{"en", false}, {"en-US", false}, {"English", false}, {"auto", true}, {"auto", false}} { // one after another
		got := scoutRun(t, nil, "transcribe", "-q", clip, "-l", step.language, "--models-dir", dir)
		if got.code != 0 || strings.Contains(got.err, note) != step.said {
			t.Errorf("-l %s: code %d, %q", step.language, got.code, got.err)
		}
	}
}

// The list fits into a terminal of 80 columns, and its columns are straight.
func TestModelsListIsAligned(t *testing.T) {
	t.Parallel()
	got := scoutRun(t, nil, "models", "list", "--models-dir", installDefault(t))
	lines := strings.Split(strings.TrimSuffix(got.out, "\n"), "\n")
	if got.code != 0 || len(lines) != 1+len(model.Catalogue()) {
		t.Fatalf("code %d, %d lines\n%s", got.code, len(lines), got.out)
	}
	wer, state := strings.Index(lines[0], "WER"), strings.Index(lines[0], "STATE")
	for i, line := range lines {
		if len(line) > 80 || line != strings.TrimRight(line, " ") {
			t.Errorf("%q has %d columns", line, len(line))
		}
		switch {
		case i == 0:
		case i == 1: // measured
			if !strings.Contains(line[wer:state], "%") || !strings.Contains(line[wer:state], "x") || !strings.Contains(line[wer:state], "MB") || line[state:] != "fast+accurate" {
				t.Errorf("%q has no figures", line)
			}
		case !strings.HasPrefix(line[wer:], "untested") && !strings.Contains(line[wer:], "%"):
			t.Errorf("the column WER holds %q", line[wer:])
		}
	}
}

// TestModelsAddAndFind takes a user's model from its folder to its removal.
func TestModelsAddAndFind(t *testing.T) {
	t.Parallel()
	cache, dir := t.TempDir(), t.TempDir()
	folder := filepath.Join(cache, "models--me--my-whisper", "snapshots", "1")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	ct2test.New(ct2test.Small(), ct2test.Int8).Write(t, folder)
	for _, step := range []struct {
		args []string
		code int
		out  string
		err  string
	}{
		{[]string{"find", cache}, 0, "en): scout models add " + folder, ""},
		{[]string{"find", filepath.Join(cache, "none")}, 0, "no Whisper model in " + filepath.Join(cache, "none"), ""},
		{[]string{"add"}, 2, "", "scout models add"},
		{[]string{"add", filepath.Join(cache, "none")}, 1, "", "no such file"},
		{[]string{"add", cache}, 1, "", "model.bin: it is missing"},
		{[]string{"add", "--id", "whisper-base", folder}, 2, "", "scout models pull whisper-base --from " + folder},
		{[]string{"find", "--json", cache}, 0, `"id": "my-whisper"`, ""},
	} {
		got := scoutRun(t, nil, append(append([]string{"models"}, step.args...), "--models-dir", dir)...)
		if got.code != step.code || !strings.Contains(got.out, step.out) || !strings.Contains(got.err, step.err) {
			t.Errorf("models %s: code %d, want %d\nstdout: %s(want %q)\nstderr: %s(want %q)",
				strings.Join(step.args, " "), got.code, step.code, got.out, step.out, got.err, step.err)
		}
	}
}

func TestModelsJSON(t *testing.T) {
	t.Parallel()
	dir := installDefault(t)
	var list struct {
		Dir    string         `json:"models_dir"`
		Models []model.Listed `json:"models"`
	}
	got := scoutRun(t, nil, "models", "list", "--json", "--models-dir", dir)
	if err := json.Unmarshal([]byte(got.out), &list); err != nil || list.Dir != dir || !list.Models[0].Installed || !list.Models[0].Selected {
		t.Errorf("list: %v\n%s", err, got.out)
	}

	if err := os.Truncate(filepath.Join(dir, defaultModel, "tokens.txt"), 9); err != nil {
		t.Fatal(err)
	}
	got = scoutRun(t, nil, "models", "verify", "--json", "--models-dir", dir)
	var result struct {
		Models []struct {
			ID     string `json:"id"`
			Intact bool   `json:"intact"`
			Code   string `json:"code"`
			Hint   string `json:"hint"`
			Files  []struct {
				Path  string `json:"path"`
				State string `json:"state"`
			} `json:"files"`
		} `json:"models"`
	}
	if err := json.Unmarshal([]byte(got.out), &result); err != nil || got.code != 1 || len(result.Models) != 1 {
		t.Fatalf("verify: code %d, %v\n%s", got.code, err, got.out)
	}
	if m := result.Models[0]; m.Intact || m.Code != "model_corrupt" || !strings.Contains(m.Hint, "models pull") || m.Files[2].State != "truncated" {
		t.Errorf("verify says %+v", m)
	}
	if !strings.Contains(got.err, "tokens.txt is truncated: 9 of 506922 bytes") {
		t.Errorf("stderr %q does not name the file", got.err)
	}

	// A damaged model never reaches the engine.
	got = scoutRun(t, nil, "transcribe", clip, "--models-dir", dir)
	if got.code != 1 || got.out != "" || !strings.Contains(got.err, "scout models pull "+defaultModel) {
		t.Errorf("transcribe with a damaged model: code %d\n%s%s", got.code, got.out, got.err)
	}
}

func TestModelsPullFromAMirror(t *testing.T) {
	t.Parallel()
	needModel(t)
	mirror := httptest.NewServer(http.FileServer(http.Dir(filepath.Join(models, defaultModel))))
	defer mirror.Close()
	dir := t.TempDir()
	got := scoutRun(t, nil, "models", "pull", defaultModel, "--from", mirror.URL, "--models-dir", dir)
	if got.code != 0 || !strings.Contains(got.out, "is installed in") {
		t.Fatalf("code %d\n%s%s", got.code, got.out, got.err)
	}
	if got := scoutRun(t, nil, "models", "verify", defaultModel, "--models-dir", dir); got.code != 0 {
		t.Errorf("verify: %s", got.err)
	}
}

func TestPullProgress(t *testing.T) {
	t.Parallel()
	show := func(live bool) string {
		var out strings.Builder
		console := cli.NewConsole(&out, false)
		console.Live = live
		p := newPullProgress(console)
		for second := range 13 {
			p.update(model.Progress{
				File: "enc.onnx", Number: 2, Files: 5, DoneBytes: int64(second) * 1_000_000, TotalBytes: 20_000_000,
				BytesPerSecond: 1e6, Elapsed: time.Duration(second) * time.Second,
			})
		}
		p.end()
		return out.String()
	}
	want := "5.0 MB of 20.0 MB (25 %), 1.0 MB/s, about 0:15 left, file 2 of 5: enc.onnx\n" +
		"10.0 MB of 20.0 MB (50 %), 1.0 MB/s, about 0:10 left, file 2 of 5: enc.onnx\n"
	if got := show(false); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	drawn := show(true)
	lines := strings.Split(drawn, "\r\x1b[J")
	if len(lines) != 15 || lines[6] != strings.SplitN(want, "\n", 2)[0] || lines[14] != "" || strings.Contains(drawn, "\n") {
		t.Errorf("drawn %q: want 13 lines in one place, and nothing left in the end", lines)
	}
}
