package speech_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout/internal/speech"
)

// lateDisk is a recording that is slow to read: while it is read, the frames come from the source after all.
type lateDisk struct {
	onDisk
	before func(at int64)
}

func (d lateDisk) ReadAt(ctx context.Context, dst []float32, at int64) (int, error) {
	d.before(at)
	return d.onDisk.ReadAt(ctx, dst, at)
}

// TestLiveFramesComeWhileTheyAreReadBack has the end of a recording told before its last frames have come. They come from the
// source while they are read from the recording, all of them or some, and become text once.
func TestLiveFramesComeWhileTheyAreReadBack(t *testing.T) {
	t.Parallel()
	const written, end = 10 * wordFrames, 30 * wordFrames
	for situation, late := range map[string]int{"all": end, "some": 17*wordFrames + 1234, "more than there are": end + rate, "none": written} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &page{t: t}
				var l *speech.Live
				tape := tapeOf(late)
				l = newLive(t, &listener{timed: true}, p.options(speech.LiveOptions{Recorded: lateDisk{onDisk(end), func(at int64) {
					if at < int64(late) {
						l.Write(at, tape[at:])
					}
					time.Sleep(time.Second) // Run has taken them meanwhile
				}}}))
				l.Write(0, tape[:written])
				l.End(end)
				final, err := l.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if final.Duration != time.Duration(end)*time.Second/rate {
					t.Errorf("%v became text, want %d frames", final.Duration, end)
				}
				sameScript(t, p.text, end)
			})
		})
	}
}
