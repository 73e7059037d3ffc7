package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/capture/sound"
	"github.com/scout-speech/scout/internal/printable"
)

// Any program can make a device and name it.
func TestNamesOfDevicesCannotTouchTheTerminal(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]string{
		"another row":     "mic\n*  Real microphone  real",
		"another column":  "mic\tusb",
		"an escape":       "\x1b]0;title\x07mic\x1b[2J",
		"turned round":    "mic \u202e enohporcim",
		"not text":        "mic \xff\xfe",
		"a very long one": strings.Repeat("microphone ", 300),
	} {
		var out bytes.Buffer
		a := newApp(cli.Streams{Out: &out, Err: &out})
		if err := a.writeDevices([]sound.Device{{ID: "bad", Name: bad}, {ID: "good", Name: "Good"}}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != 3 {
			t.Errorf("%s: %d lines for two devices: %q", name, len(lines), out.String())
		}
		for _, line := range lines {
			if printable.Line(line) != line || printable.Width(line) > 120 {
				t.Errorf("%s: %q", name, line)
			}
		}
		watch := deviceWatch{app: a}
		out.Reset()
		if err := watch.differences(nil, []sound.Device{{ID: "bad", Name: bad}}); err != nil {
			t.Fatal(err)
		}
		if line := strings.TrimSuffix(out.String(), "\n"); printable.Line(line) != line || printable.Width(line) > 120 {
			t.Errorf("%s: watched: %q", name, line)
		}
	}
}
