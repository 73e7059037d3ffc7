package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/testrun"
)

// repository is a folder with a catalogue of two models, one of them measured long ago.
func repository(t *testing.T) (dir, figures string) {
	t.Helper()
	dir = t.TempDir()
	figures = filepath.Join(dir, filepath.FromSlash(model.FiguresFile))
	if err := os.MkdirAll(filepath.Dir(figures), 0o755); err != nil {
		t.Fatal(err)
	}
	old := `{"` + testrun.DefaultModel + `": {"set": "old", "clips": 9}, "whisper-base": {"set": "other", "clips": 8}}`
	if err := os.WriteFile(figures, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, figures
}

// recorded returns the figures of a catalogue by the id of the model.
func recorded(t *testing.T, file string) map[string]model.Figures {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]model.Figures
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// A run of all clips gets into the catalogue of the repository, in place of an earlier one of the model; a run in which a
// clip failed does not.
func TestRecordInCatalogue(t *testing.T) {
	t.Parallel()
	needModel(t)
	speech := filepath.Join(t.TempDir(), "few")
	if err := os.Mkdir(speech, 0o755); err != nil {
		t.Fatal(err)
	}
	sound, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	manifest := "file\treference\na.wav\t" + spoken + "\n"
	for name, content := range map[string][]byte{"a.wav": sound, "manifest.tsv": []byte(manifest)} {
		if err := os.WriteFile(filepath.Join(speech, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	dir, file := repository(t)
	run := func(in string, env ...string) (code int, out, said string) {
		cmd := exec.CommandContext(t.Context(), filepath.Join(installed.Programs, "scout-bench"), "transcribe", speech, "--json", "--record-in-catalogue")
		cmd.Dir, cmd.Env = in, append(os.Environ(), env...)
		var o, e strings.Builder
		cmd.Stdout, cmd.Stderr = &o, &e
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), o.String(), e.String()
	}
	code, out, said := run(filepath.Join(dir, "internal"))
	var report bench.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != cli.ExitOK || !strings.Contains(said, testrun.DefaultModel) || !strings.Contains(said, file) {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, said)
	}
	all := recorded(t, file)
	f := all[testrun.DefaultModel]
	switch {
	case len(f.Fingerprint) != 64, f.Set != "few", f.Clips != 1, f.Words != report.Total.Words.Reference, f.Normaliser != "scout":
		t.Errorf("%+v", f)
	case f.AudioSeconds < 10, f.Speed <= 0, f.MemoryBytes < 10e6, f.Engine == "", f.Machine == "", f.Version == "", f.Date != report.Started.Format("2006-01-02"):
		t.Errorf("%+v", f)
	case f.WERLow > f.WER || f.WER > f.WERHigh || f.WER < report.Total.WER.Value-0.001 || f.WER > report.Total.WER.Value+0.001:
		t.Errorf("WER %+v, report %+v", f, report.Total.WER)
	}
	if all["whisper-base"].Set != "other" {
		t.Errorf("the other model: %+v", all["whisper-base"])
	}

	if code, out, said := run(dir, "SCOUT_TRANSCRIBE__EFFORT=quick"); code != cli.ExitUsage || out != "" || !strings.Contains(said, "--effort") {
		t.Errorf("a setting: exit %d: %s%s", code, out, said)
	}
	if code, out, said := run(t.TempDir()); code != cli.ExitUsage || out != "" || !strings.Contains(said, model.FiguresFile) {
		t.Errorf("outside of a repository: exit %d: %s%s", code, out, said)
	}
	if err := os.WriteFile(filepath.Join(speech, "manifest.tsv"), []byte(manifest+"b.wav\tnothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, said := run(dir); code != cli.ExitFailed || out == "" || recorded(t, file)[testrun.DefaultModel] != f {
		t.Errorf("a clip failed: exit %d: %s%s", code, out, said)
	}
}

// A run that is not what a user gets is refused before anything else is looked at.
func TestRecordRefusesOtherRuns(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{
		"--long", "--joined", "--hour", "--cold", "--cut=fixed:10s", "--backend=sherpa", "--profile=plain", "--hot-words=x", "--language=en", "--effort=quick", "--threads=3", "--peer=faster-whisper",
	} {
		code, out, said := scoutBench(t, "transcribe", t.TempDir(), "--record-in-catalogue", flag)
		name, _, _ := strings.Cut(flag, "=")
		if code != cli.ExitUsage || out != "" || !strings.Contains(said, "does not go with "+name) {
			t.Errorf("%s: exit %d: %s%s", flag, code, out, said)
		}
	}
}

// Every figure must have been measured, of every clip.
func TestRecordRefusesReportsWithHoles(t *testing.T) {
	t.Parallel()
	whole := func() *bench.Report {
		return &bench.Report{
			Files:  []bench.File{{File: "a", CPU: 1, Audio: 20}, {File: "b", CPU: 1, Audio: 10}},
			Total:  bench.Score{Files: 2, Audio: 30, CPU: 2, Words: bench.Edits{Reference: 50}, WER: &bench.Rate{Value: 0.1, Interval: bench.Interval{Low: 0.05, High: 0.2}}},
			Memory: &bench.Memory{Processes: []bench.ProcessMemory{{Name: "scout-bench", Peak: 5}, {Name: engineProgram, Peak: 7}}},
		}
	}
	run := &catalogueRun{id: "m", fingerprint: "f", clips: 2}
	f, err := run.figures(whole())
	if want := (model.Figures{
		Fingerprint: "f", Clips: 2, AudioSeconds: 30, Words: 50, WER: 0.1, WERLow: 0.05, WERHigh: 0.2, Speed: 15, MemoryBytes: 7, Version: f.Version, Date: "0001-01-01",
	}); err != nil || f != want {
		t.Errorf("%+v, %v", f, err)
	}
	for name, spoil := range map[string]func(*bench.Report){
		"1 of 2 clips":        func(r *bench.Report) { r.Total.Files = 1 },
		"0 of 2 clips":        func(r *bench.Report) { r.Total.Failed = 2 },
		"characters":          func(r *bench.Report) { r.Files[1].Unit = bench.InCharacters },
		"processor time":      func(r *bench.Report) { r.Files[0].CPU = 0 },
		"memory":              func(r *bench.Report) { r.Memory = nil },
		"memory of scout-eng": func(r *bench.Report) { r.Memory.Processes = r.Memory.Processes[:1] },
		"nothing is said":     func(r *bench.Report) { r.Total.WER = nil },
	} {
		r := whole()
		spoil(r)
		if _, err := run.figures(r); err == nil || scout.CodeOf(err) != scout.CodeInvalidArgument || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
