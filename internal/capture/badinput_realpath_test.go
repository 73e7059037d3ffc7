package capture_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/capture/miniaudio"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	address := "unix:" + filepath.Join(t.TempDir(), "nobody")
	s := run(t, capture.Options{System: sound.Options{Server: address}, Format: speech})
	_, err := s.Start(t.Context())
	if scout.CodeOf(err) != scout.CodeSoundServer || !strings.Contains(err.Error(), "nobody") || scout.HintOf(err) == "" {
		t.Errorf("got %v (%s), hint %q", err, scout.CodeOf(err), scout.HintOf(err))
	}
}

func TestServerThatRefuses(t *testing.T) {
	t.Parallel()
	if testrun.AsNobody(t) {
		return
	}
	server := pulsetest.Start(t)
	if err := os.Chmod(strings.TrimPrefix(server.Address, "unix:"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := miniaudio.Open(t.Context(), server.System()); scout.CodeOf(err) != scout.CodeDevicePermission {
		t.Errorf("got %v (%s)", err, scout.CodeOf(err))
	}
}

func TestDevicesAreListed(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	backend := server.Backend()
	if devices, err := backend.Devices(t.Context()); err != nil || len(devices) != 0 {
		t.Errorf("no device: %+v, %v", devices, err)
	}
	s := run(t, capture.Options{Backend: backend, Format: speech})
	if _, err := s.Start(t.Context()); scout.CodeOf(err) != scout.CodeNoDevice {
		t.Errorf("start without a device: %v", err)
	}
	server.AddMicrophone("first", 48_000, 1)
	server.AddMicrophone("second", 44_100, 2)
	devices, err := backend.Devices(t.Context())
	if err != nil || len(devices) != 2 {
		t.Fatalf("two devices: %+v, %v", devices, err)
	}
	for i, want := range []sound.Device{
		{ID: "first.monitor", Name: "Monitor of Microphone-first", Default: true, Monitor: true},
		{ID: "second.monitor", Name: "Monitor of Microphone-second", Monitor: true},
	} {
		got := devices[i]
		if len(got.Formats) != 1 || got.Formats[0].Sample != "pcm_s16le" {
			t.Errorf("formats of %s: %+v", got.ID, got.Formats)
		}
		got.Formats = nil
		if got.ID != want.ID || got.Name != want.Name || got.Default != want.Default || got.Monitor != want.Monitor {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	other := run(t, capture.Options{Backend: backend, Format: speech, Device: "third"})
	if _, err := other.Start(t.Context()); scout.CodeOf(err) != scout.CodeDeviceNotFound || !strings.Contains(scout.HintOf(err), "second.monitor") {
		t.Errorf("unknown device: %v, hint %q", err, scout.HintOf(err))
	}
	byPart := run(t, capture.Options{Backend: backend, Format: speech, Device: "-second"})
	if started := start(t, byPart); started.Device.ID != "second.monitor" || started.DeviceFormat.Channels != 2 {
		t.Errorf("by a part of the name: %+v", started)
	}
	stop(t, byPart)
}
