package capture_test

import (
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture"
)

func TestWarmDevice(t *testing.T) {
	t.Parallel()
	bubble(t, capture.Options{Warm: true, Preroll: 300 * time.Millisecond}, func(t *testing.T, f *faultySystem, s *capture.Session) {
		time.Sleep(2 * time.Second)
		begun := time.Now()
		one := start(t, s)
		if one.PrerollFrames != 3*rate/10 || time.Since(begun) > 15*time.Millisecond {
			t.Errorf("first: %+v after %v", one, time.Since(begun))
		}
		time.Sleep(time.Second)
		first := stop(t, s)
		checkTime(t, s, first, 0)
		if two := start(t, s); two.From < first.End {
			t.Errorf("the second begins at %d within the first, which ended at %d", two.From, first.End)
		}
		stop(t, s)
		// An outage while nothing is recorded ends the pre-roll and is no gap.
		f.set(func() { f.openErr = errUnplugged })
		f.each(func(s *faultyStream) { s.deaf = true })
		time.Sleep(2 * time.Second)
		if s.Status().Outage != capture.GapStalled {
			t.Errorf("status %+v", s.Status())
		}
		f.set(func() { f.openErr = nil })
		time.Sleep(2 * time.Second)
		three := start(t, s)
		time.Sleep(time.Second)
		stopped := stop(t, s)
		if three.PrerollFrames == 0 || len(stopped.Gaps) > 0 {
			t.Errorf("after an outage: %+v, %+v", three, stopped)
		}
		checkTime(t, s, stopped, 0)
	})
}

// A start that was asked for some time ago, on a slow machine, reaches back to that moment and to the pre-roll before it. A time that lies
// in the future, or is too old to be true, counts as now.
func TestWarmDeviceWasAskedBefore(t *testing.T) {
	t.Parallel()
	bubble(t, capture.Options{Warm: true, Preroll: 300 * time.Millisecond}, func(t *testing.T, _ *faultySystem, s *capture.Session) {
		for ago, since := range map[time.Duration]time.Duration{
			0: 0, 700 * time.Millisecond: 700 * time.Millisecond, -time.Second: 0, time.Hour: 0,
		} {
			time.Sleep(2 * time.Second)
			head := s.Status().Position
			started, err := s.StartAsked(t.Context(), time.Now().Add(-ago))
			if err != nil {
				t.Fatal(err)
			}
			stop(t, s)
			const block = rate / 50 // of the device
			before := int(head) - int(started.From)
			if want := int(scoutFrames(since + 300*time.Millisecond)); before < want-block || before > want {
				t.Errorf("asked for %v ago: begins %d frames before, want %d", ago, before, want)
			}
			if got := int(started.PrerollFrames); got < 3*rate/10-block || got > 3*rate/10+block {
				t.Errorf("asked for %v ago: %d frames before that", ago, got)
			}
		}
	})
}

// scoutFrames returns how many frames of the tests' format a length has.
func scoutFrames(d time.Duration) uint64 { return uint64(d * rate / time.Second) } //nolint:gosec // not negative

func TestWarmDeviceThatIsNotThere(t *testing.T) {
	t.Parallel()
	bubble(t, capture.Options{Warm: true}, func(t *testing.T, f *faultySystem, s *capture.Session) {
		f.set(func() { f.openErr = errUnplugged })
		f.each(func(s *faultyStream) { s.deaf = true })
		time.Sleep(5 * time.Second)
		if _, err := s.Start(t.Context()); scout.ClassOf(err) != scout.Transient {
			t.Errorf("start: %v", err)
		}
		f.set(func() { f.openErr = nil })
		time.Sleep(2 * time.Second)
		if started := start(t, s); started.PrerollFrames == 0 {
			t.Errorf("started %+v: the device is not warm", started)
		}
		stop(t, s)
	})
}
