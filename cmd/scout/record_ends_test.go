package main

import (
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
)

// The line that the user reads about each end of a recording, and whether the end is a failure. A new reason has to be
// added here.
func TestEveryEndOfARecordingIsTold(t *testing.T) {
	t.Parallel()
	ends := map[recording.EndReason]struct {
		line string     // after "ended: "; empty where it is the end that was asked for
		code scout.Code // of the error that sets the exit code to 1; empty for 0
	}{
		recording.EndStopped:     {"", ""},
		recording.EndMaxDuration: {"", ""},
		recording.EndNoOwner:     {"no client was attached any more", ""},
		recording.EndShutdown:    {"the recorder was asked to stop", ""},
		recording.EndSource:      {"its source ended", ""},
		recording.EndCrash:       {"the recorder ended unexpectedly", scout.CodeRecorderUnreachable},
		recording.EndCapture:     {"capture from the device kept failing", scout.CodeDeviceLost},
		recording.EndWriting:     {"writing to the disk kept failing", scout.CodeWriteFailed},
		recording.EndInternal:    {"a defect of the recorder ended it", scout.CodeInternal},
	}
	if len(ends) != len(recording.EndReasons()) {
		t.Errorf("%d ends here, %d reasons", len(ends), len(recording.EndReasons()))
	}
	for _, reason := range recording.EndReasons() {
		want, known := ends[reason]
		if !known {
			t.Errorf("%s: not in this table", reason)
			continue
		}
		m := recording.Manifest{Format: scout.Format{SampleRateHz: 16_000, Channels: 1, Sample: scout.SampleS16}, EndReason: reason}
		line := summary(m, "a.wav")
		if _, told, found := strings.Cut(line, ", ended: "); found != (want.line != "") || found && told != want.line+": a.wav" {
			t.Errorf("%s: %q, want %q", reason, line, want.line)
		}
		err := endFailure(m, nil) // whoever finished it reported nothing
		if got := scout.CodeOf(err); got != want.code || (err != nil) != (want.code != "") {
			t.Errorf("%s: error %v (%s), want code %q", reason, err, got, want.code)
		}
		if hint := scout.HintOf(err); err != nil && !strings.Contains(hint, "until then") { // not that nothing is lost
			t.Errorf("%s: hint %q", reason, hint)
		}
		if err != nil && !strings.Contains(err.Error(), want.line) {
			t.Errorf("%s: the error does not say why: %v", reason, err)
		}
	}
}
