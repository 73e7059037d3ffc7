package miniaudio

import (
	"os"
	"runtime"
	"strings"

	"github.com/gen2brain/malgo"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/pulse"
	"github.com/scout-speech/scout/internal/capture/sound"
)

// candidates are the sound systems that are tried, the preferred one first.
func candidates(o sound.Options) []malgo.Backend {
	kinds := map[string][]malgo.Backend{"linux": {malgo.BackendPulseaudio}, "darwin": {malgo.BackendCoreaudio}, "windows": {malgo.BackendWasapi}}[runtime.GOOS]
	if runtime.GOOS == "linux" && o.Server == "" && os.Getenv("PULSE_SERVER") == "" && alsaCanRecord() {
		kinds = append(kinds, malgo.BackendAlsa)
	}
	return kinds
}

// Present returns the name of the sound system that Open would probably return, and opens, starts and wakes none. The error is as for Open.
// A server that is there may still not answer.
func Present(o sound.Options) (string, error) {
	var first error
	for _, kind := range candidates(o) {
		if kind != malgo.BackendPulseaudio {
			return backendName(kind), nil
		}
		if first = pulse.Present(o.Server); first == nil {
			return backendName(kind), nil
		}
	}
	if first == nil {
		first = unsupported()
	}
	return "", first
}

func unsupported() error {
	return scout.Errorf(scout.CodeNoDevice, "recording is not supported on %s", runtime.GOOS)
}

// alsaCanRecord reports whether the kernel knows a sound card that records. If it knows none, ALSA would still list
// plugins, and print on stderr what they need.
func alsaCanRecord() bool {
	pcm, err := os.ReadFile("/proc/asound/pcm")
	return err == nil && strings.Contains(string(pcm), "capture")
}
