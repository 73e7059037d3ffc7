package cli

import (
	"strings"
	"testing"
)

// TestConsoleNeverGoesUp: the line that changes is drawn and taken away without touching what stands above it, also
// where the terminal was made narrower meanwhile.
func TestConsoleNeverGoesUp(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	c := NewConsole(&out, false)
	c.Live = true
	for range 3 {
		c.Draw(strings.Repeat("wide ", 50)) // wider than any line
	}
	c.Linef("a line that stays")
	c.Draw("short")
	c.Clear()
	c.Clear()
	want := strings.Repeat(eraseLine+strings.Repeat("wide ", 50)[:78]+"…", 3) + eraseLine + "a line that stays\n" + eraseLine + "short" + eraseLine
	if out.String() != want {
		t.Errorf("got  %q\nwant %q", out.String(), want)
	}
}
