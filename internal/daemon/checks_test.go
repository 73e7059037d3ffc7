//go:build linux

package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

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
				if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
					t.Skipf("mounting is not allowed here: %v", err)
				}
				t.Cleanup(func() {
					if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
						t.Error(err)
					}
				})
				if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
					t.Fatal(err)
				}
			}
			got := diskCheck(filepath.Join(dir, c.inside), format).Probe(t.Context())
			if got.Status != c.want || (got.Reason != "") != (c.want != health.Healthy) && c.inside == "recordings" {
				t.Errorf("%+v, want %s", got, c.want)
			}
		})
	}
}
