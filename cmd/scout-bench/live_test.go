package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/bench"
)

// TestLiveMeasuresDictations dictates a clip through a sound server, and once more through the virtual device: every
// figure has a value, no committed word changes, and a report is continued.
func TestLiveMeasuresDictations(t *testing.T) {
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
	for _, device := range []string{"sink", "file"} {
		t.Run(device, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("pulseaudio"); err != nil && device == "sink" {
				t.Skip("pulseaudio is not installed (Debian: apt-get install pulseaudio pulseaudio-utils)")
			}
			kept, page := filepath.Join(t.TempDir(), "live.json"), filepath.Join(t.TempDir(), "live.html")
			args := []string{"live", dir, "--figure", "2s", "--takes", "1", "--device", device, "--report", kept}
			run := func(args ...string) string { // the program that lies beside scout
				cmd := exec.CommandContext(t.Context(), filepath.Join(installed.Programs, name), args...)
				var said strings.Builder
				cmd.Stderr = &said
				out, err := cmd.Output()
				if short := strings.Contains(said.String(), " not met: "); short != (err != nil) { // how fast this machine is at the moment is no matter
					t.Fatalf("%v: %s%s", err, out, said.String())
				}
				return string(out)
			}
			var report bench.LiveReport
			if err := json.Unmarshal([]byte(run(append(args, "--json", "--plot", page)...)), &report); err != nil || len(report.Takes) != 1 {
				t.Fatalf("%d takes, %v", len(report.Takes), err)
			}
			take := report.Takes[0]
			if take.StopToText <= 0 || take.Committed == 0 || take.Changed != 0 || take.Live == nil || take.CPU <= 0 || take.PSS < 1e6 || take.Text == "" {
				t.Errorf("%+v", take)
			}
			if want := map[string]string{"sink": "null sink", "file": "file"}[device]; report.Device != want {
				t.Errorf("sound from %q", report.Device)
			}
			if html, err := os.ReadFile(page); err != nil || !strings.Contains(string(html), "<circle") {
				t.Errorf("page: %v", err)
			}
			if out := run(append(args, "--baseline", kept)...); !strings.Contains(out, "against") || !strings.Contains(out, "+0 %") {
				t.Errorf("something was measured again: %s", out)
			}
		})
	}
}
