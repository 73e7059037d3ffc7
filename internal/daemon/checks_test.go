//go:build linux

package daemon

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// Where nothing is recorded, health says whether something could be. A recording knows better.
func TestASoundSystemIsLookedFor(t *testing.T) {
	t.Parallel()
	idle := health.Result{Status: health.Healthy, Reason: "nothing is being recorded"}
	recording := health.Result{Status: health.Healthy, Metadata: map[string]string{"sample_rate": "16000"}}
	died := health.Result{Status: health.Unhealthy, Reason: "the recorder died"}
	none := scout.Errorf(scout.CodeSoundServer, "no sound server at /run/x")
	for situation, c := range map[string]struct {
		found  health.Result
		device string
		err    error
		want   health.Status
		reason string
	}{
		"a server":             {idle, "", nil, health.Healthy, idle.Reason},
		"no server":            {idle, "", none, health.Degraded, "this machine cannot record: no sound server at /run/x ("},
		"a recording goes on":  {recording, "", none, health.Healthy, ""},
		"something worse":      {died, "", none, health.Unhealthy, died.Reason},
		"a device that is one": {idle, "file:/a.wav", none, health.Healthy, idle.Reason},
	} {
		check := heard(health.Check{Name: "audio", Critical: true, Probe: func(context.Context) health.Result { return c.found }}, c.device, func() (string, error) { return "pulseaudio", c.err })
		got := check.Probe(t.Context())
		if got.Status != c.want || !strings.HasPrefix(got.Reason, c.reason) || (got.Reason == "") != (c.reason == "") {
			t.Errorf("%s: %+v", situation, got)
		}
		if situation == "a server" && got.Metadata["sound_system"] != "pulseaudio" {
			t.Errorf("%+v", got)
		}
		if status, _ := health.Overall([]health.Component{{Name: "audio", Status: got.Status, Critical: true}}, nil); got.Status == health.Degraded && status != health.Degraded {
			t.Errorf("%s: the whole is %s", situation, status)
		}
	}
}

func TestFFmpegIsLookedFor(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{"installed": nil, "missing": exec.ErrNotFound} {
		got := decoderCheck(func(string) (string, error) { return "/usr/bin/ffmpeg", err }).Probe(t.Context())
		if got.Status != health.Healthy || got.Metadata["ffmpeg"] != want || (got.Reason == "") != (err == nil) {
			t.Errorf("%s: %+v", want, got)
		}
	}
}
