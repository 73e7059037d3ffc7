package miniaudio_test

import (
	"reflect"
	"testing"

	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/capture/miniaudio"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/capture/sound"
)

// TestADeviceThatWentMeanwhile asks for a device that is not there any more. miniaudio crashes at the server's answer; opening a
// device asks the same way.
func TestADeviceThatWentMeanwhile(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	server.AddMicrophone("mic", 44_100, 2)
	for _, id := range []string{"gone.monitor", "mic.monitor"} {
		if err := miniaudio.AskForProperties(server.Backend(), id); err == nil {
			t.Errorf("miniaudio was asked for %s", id)
		}
	}
	devices, err := server.Backend().Devices(t.Context())
	if err != nil || len(devices) != 1 {
		t.Fatalf("%+v, %v", devices, err)
	}
	want := sound.Device{ID: "mic.monitor", Name: "Monitor of Microphone-mic", Default: true, Monitor: true, Formats: devices[0].Formats}
	if f := devices[0].Formats; !reflect.DeepEqual(devices[0], want) || len(f) != 1 || f[0].SampleRateHz != 44_100 || f[0].Channels != 2 ||
		f[0].Encoding != audio.Int16 {
		t.Errorf("%+v, want %+v", devices[0], want)
	}
}
