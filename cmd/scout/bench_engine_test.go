package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/recognize"
)

// TestBenchEngineMeasuresEverything runs the whole comparison once, on very little speech: figures are there
// and have a value. What they should be depends on the machine and is not asked here.
func TestBenchEngineMeasuresEverything(t *testing.T) {
	needModel(t)
	dir := t.TempDir()
	manifest := "file\treference\n"
	for name, path := range map[string]string{"clip.wav": clip, "long.wav": longClip(t, 3)} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		manifest += name + "\t" + spoken + "\n"
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.tsv"), []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command(t.Context(), "bench", "engine", dir, "--rounds", "1", "--skip-hour", "--json").Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var report bench.EngineReport
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatal(err)
	}
	found := map[string]bench.Figure{}
	for _, f := range report.Figures {
		found[f.ID] = f
	}
	for _, id := range []string{
		"load", "first_decode", "cold_transcribe", "clip_greedy", "clip_right_hypothesis", "clip_wrong_end", "set_cpu", "set_cpu_once", "set_peak",
		"two_lanes", "two_lanes_peak", "beside_one", "beside_two", "cancel_p99",
	} {
		if f := found[id]; f.Value <= 0 || f.Bound <= 0 {
			t.Errorf("%s: %+v", id, f)
		}
	}
	if report.Machine.CPU == "" || report.Setup.Backend != recognize.BackendMoonshine {
		t.Errorf("%+v, %+v", report.Machine, report.Setup)
	}
}
