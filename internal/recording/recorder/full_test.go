package recorder_test

import (
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recorder"
)

// A stop waits for a full disk. If there is room in time, nothing is missing. Otherwise the frames that could not be written are a gap at
// the end, which the stop reports, and everything before it is on disk.
func TestADiskThatIsFullWhileItStops(t *testing.T) {
	t.Parallel()
	for name, room := range map[string]bool{"room comes in time": true, "no room comes": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := run(t, func(o *recorder.Options) {
				if !room {
					o.FinishWithin = 200 * time.Millisecond
				}
			})
			c := f.client(t)
			order := request()
			_, err := c.Start(t.Context(), order)
			check(t, err)
			f.until(t, "a beginning", written(4000))
			f.disk.Fill(0)
			waits := f.until(t, "frames that wait", func(s recording.Status) bool { return s.Recording.Waiting > 4000 })
			if room {
				go func() { // ends once the stop is under way
					f.until(t, "the stop", func(s recording.Status) bool { return s.Recording == nil || s.Recording.Stopping })
					f.disk.Free()
				}()
			}
			m, err := c.Stop(t.Context(), order.ID)
			f.disk.Free()
			if room {
				check(t, err)
				checkCoded(t, f.Folder(), m)
				if len(m.Gaps) != 0 || m.Frames < waits.Recording.Captured {
					t.Errorf("%d frames were heard, manifest %+v", waits.Recording.Captured, m)
				}
			} else {
				if scout.CodeOf(err) != scout.CodeDiskFull {
					t.Errorf("Stop = %v (%s)", err, scout.CodeOf(err))
				}
				if m.Frames-m.LostFrames() < waits.Recording.Written || len(m.Gaps) > 1 {
					t.Errorf("%d frames were written, manifest %+v", waits.Recording.Written, m)
				}
			}
			f.balance(t, m)
		})
	}
}
