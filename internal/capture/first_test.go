package capture_test

import (
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/capture"
)

// FirstAt comes from the times at which the device delivered, however late a busy machine lets the session take the blocks. Otherwise a
// recording that continues after a failure would have those frames twice: in the gap and after it.
func TestFirstAtIsExactOnABusyMachine(t *testing.T) {
	t.Parallel()
	for situation, late := range map[string]time.Duration{"idle": 0, "late by some blocks": 270 * time.Millisecond, "late by seconds": 3 * time.Second} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			steps := 0
			busy := func(goroutine string) error {
				if goroutine == capture.GoroutineOwner {
					if steps++; steps == 2 { // the device has been opened, and delivers meanwhile
						time.Sleep(late)
					}
				}
				return nil
			}
			bubble(t, capture.Options{Faults: busy, StartTimeout: 10 * time.Second}, func(t *testing.T, f *faultySystem, s *capture.Session) {
				time.Sleep(time.Second)
				opened := time.Now()
				started, err := s.Start(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if off := started.FirstAt.Sub(opened).Abs(); off > 10*time.Millisecond || started.FirstAt.After(time.Now()) {
					t.Errorf("the first frame was captured %s after the device was opened, by %s", started.FirstAt.Sub(opened), started.FirstAt)
				}
				if since := time.Since(opened); since < late {
					t.Errorf("the session was not late: %s", since)
				}
				if _, err := s.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
