package pulse_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout/internal/capture/pulse"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(testrun.Contain(m)) }

// A stream has the name that its program gives it, a device the one that its owner does. No name may end the process that reads
// it: that one may be recording.
func TestNamesThatOtherProgramsChoose(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	mic := server.AddMicrophone("mic", 48_000, 1)
	long := strings.Repeat("very-long-", 300)
	server.Control("load-module", "module-null-sink", "sink_name=long", "sink_properties=device.description="+long)
	names := []string{"plain", long, "two\nlines\ttab", "日本語 \u202e rtl", "'quoted' \"twice\" \\"}
	for _, name := range names {
		command := exec.Command("parec", "--device="+mic.ID, "--stream-name="+name)
		command.Env = server.Env()
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() }) // ended on purpose
	}
	missing := len(names)
	deadline := time.After(15 * time.Second)
	states := pulse.Watch(t.Context(), server.Address, nil)
	for missing > 0 {
		select {
		case state := <-states:
			if !state.Up {
				t.Fatal("the server looks gone")
			}
			missing = len(names)
			for _, name := range names {
				if state.Streams[name] == mic.ID {
					missing--
				}
			}
		case <-deadline:
			t.Fatalf("%d of the streams are not seen", missing)
		}
	}
	devices, err := pulse.Devices(t.Context(), server.Address)
	if err != nil || len(devices) != 2 {
		t.Fatalf("%d devices, %v", len(devices), err)
	}
	for _, d := range devices {
		if d.ID == "long.monitor" && d.Name != "Monitor of "+long {
			t.Errorf("name %q", d.Name)
		}
	}
	if err := pulse.Wake(t.Context(), server.Address, "long.monitor", ""); err != nil {
		t.Errorf("wake: %v", err)
	}
}
