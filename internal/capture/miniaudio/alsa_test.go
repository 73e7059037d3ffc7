//go:build linux

package miniaudio_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout/internal/capture/miniaudio"
)

// A list of devices opens none: to open a microphone switches on its light, takes it from other programs, and may wake a headset. The
// device of this test is a file, whose openings the kernel tells.
func TestAListOfALSAOpensNoDevice(t *testing.T) { // not parallel: it sets the configuration of ALSA
	dir := t.TempDir()
	frames, config := filepath.Join(dir, "frames"), filepath.Join(dir, "asound.conf")
	content := fmt.Sprintf(`pcm.default {
	type file
	file "/dev/null"
	infile "%s"
	format "raw"
	slave.pcm { type null }
	hint { show on description "A microphone" }
}
`, frames)
	for path, content := range map[string][]byte{config: []byte(content), frames: make([]byte, 1<<16)} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opened := openings(t, frames)
	t.Setenv("ALSA_CONFIG_PATH", config)
	backend := miniaudio.ALSA()
	devices, err := backend.Devices(t.Context())
	if err != nil {
		t.Skipf("there is no ALSA here: %v", err)
	}
	if len(devices) != 1 || devices[0].ID != "default" || !devices[0].Default {
		t.Fatalf("devices %+v, want the default one", devices)
	}
	if opened() {
		t.Error("the list opened the device")
	}
	if err := miniaudio.AskForProperties(backend, "default"); err != nil {
		t.Fatal(err)
	}
	if !opened() {
		t.Error("this test would not notice that a device is opened")
	}
}

// openings returns a function that tells whether a file has been opened since it was last called.
func openings(t *testing.T, path string) func() bool {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) }) // the test is over
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_OPEN); err != nil {
		t.Fatal(err)
	}
	return func() bool {
		n, err := unix.Read(fd, make([]byte, 4096))
		if err != nil && !errors.Is(err, unix.EAGAIN) {
			t.Error(err)
		}
		return n > 0
	}
}
