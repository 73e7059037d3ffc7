//go:build linux

package daemon

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
)

// The check of the disk reports a folder into which nothing can be written, also one that is there and has room.
func TestTheDiskIsWritable(t *testing.T) {
	t.Parallel()
	format := scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}
	for situation, c := range map[string]struct {
		inside   string // of the folder that is read-only
		readOnly bool
		want     health.Status
	}{
		"the folder is there":                {"recordings", false, health.Healthy},
		"the folder is not there yet":        {"later", false, health.Healthy},
		"it is read-only":                    {"recordings", true, health.Unhealthy},
		"it is not there and cannot be made": {"later", true, health.Unhealthy},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "recordings"), 0o700); err != nil {
				t.Fatal(err)
			}
			if c.readOnly {
				for _, arguments := range [][]string{{"--bind", dir, dir}, {"-o", "remount,ro,bind", dir}} {
					if out, err := exec.CommandContext(t.Context(), "mount", arguments...).CombinedOutput(); err != nil {
						t.Skipf("mounting is not allowed here: %s", strings.TrimSpace(string(out)))
					}
					t.Cleanup(func() { _ = exec.Command("umount", dir).Run() }) //nolint:noctx // the context of the test has ended; a second one finds nothing
				}
			}
			got := diskCheck(filepath.Join(dir, c.inside), format).Probe(t.Context())
			if got.Status != c.want || (got.Reason != "") != (c.want != health.Healthy) && c.inside == "recordings" {
				t.Errorf("%+v, want %s", got, c.want)
			}
		})
	}
}
