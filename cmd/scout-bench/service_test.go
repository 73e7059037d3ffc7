package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/scout-speech/scout/internal/bench"
)

// TestServiceMeasuresADaemon kills one daemon while it is used, and continues the report. What the values are depends on the machine, and
// is not tested here; that nothing is lost does not.
func TestServiceMeasuresADaemon(t *testing.T) {
	t.Parallel()
	needModel(t)
	speech, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"a.wav": speech, "manifest.tsv": []byte("file\treference\na.wav\t" + spoken + "\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "service.json")
	run := exec.CommandContext(t.Context(), filepath.Join(installed.Programs, name), "service", dir, "--figure", "kills", "--kills", "1", "--model", "moonshine-tiny-en", "--report", path, "--json")
	out, ended := run.Output()
	var report bench.ServiceReport
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %v: %s", ended, err, out)
	}
	if short := bench.Met(report.Figures); (short == nil) != (ended == nil) {
		t.Errorf("it ended with %v: %v", ended, short)
	}
	k := report.Measured.Kills
	if k == nil || k.Recording.Frames == 0 || k.Recording.Wrong > 0 || len(k.Ready) != 1 || k.Results != k.Jobs || k.Double > 0 || k.Damaged > 0 {
		t.Errorf("%+v", k)
	}
	kept, err := bench.ReadServiceReport(path)
	if err != nil || len(kept.Figures) != len(report.Figures) || kept.Measured.Idle != nil {
		t.Errorf("%v: %+v", err, kept)
	}
}
