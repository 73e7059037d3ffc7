package capture_test

import (
	"encoding/binary"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/capture/virtual"
)

// goOn delivers the first part of what was heard while the stream was held, in blocks of 20 ms, and may drop the rest: what a sound server
// does with a program that stood still. For each two seconds it takes ten milliseconds.
func (s *faultyStream) goOn(kept time.Duration, drop bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const block = rate / 50
	for until, blocks := s.next+uint64(kept.Seconds()*rate), 1; s.next < until; blocks++ {
		var frames []byte
		for n := 0; n < block && s.next < until; n++ {
			frames = binary.LittleEndian.AppendUint16(frames, uint16(virtual.Coded(1, s.next, 0)))
			s.next++
		}
		s.sink.Deliver(frames)
		if blocks%100 == 0 {
			s.mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			s.mu.Lock()
		}
	}
	if drop {
		s.next = max(s.next, s.system.position())
	}
	s.held = false
}

// A program that stands still for longer than the sound system keeps frames for it tells what it has lost, where that is, however soon
// it is stopped then. What was kept, or came in time, is no gap.
func TestTheProgramStandsStill(t *testing.T) {
	t.Parallel()
	const all = time.Hour
	for situation, c := range map[string]struct {
		still, kept time.Duration
		jitter      time.Duration // of the blocks that come then
		then        time.Duration // until the recording is stopped
		want        time.Duration // the gap
	}{
		"all was kept":                       {3 * time.Second, all, 0, time.Second, 0},
		"more was kept than the queue holds": {9 * time.Second, all, 0, time.Second, 0},
		"all was kept, blocks are late":      {2 * time.Second, all, 25 * time.Millisecond, time.Second, 0},
		"three periods are lost":             {2620 * time.Millisecond, 2560 * time.Millisecond, 0, time.Second, 60 * time.Millisecond},
		"seconds are lost":                   {6 * time.Second, 2560 * time.Millisecond, 0, 4 * time.Second, 3440 * time.Millisecond},
		"a minute and a half is lost":        {93 * time.Second, 2560 * time.Millisecond, 0, 4 * time.Second, 90440 * time.Millisecond},
		"lost, and it is stopped at once":    {6 * time.Second, 2560 * time.Millisecond, 0, 0, 3440 * time.Millisecond},
		"lost, and blocks are late":          {6 * time.Second, 2560 * time.Millisecond, 25 * time.Millisecond, 3 * time.Second, 3440 * time.Millisecond},
		"nothing was kept":                   {time.Second, 0, 0, time.Second, time.Second},
		"it stood still for a moment":        {300 * time.Millisecond, all, 0, time.Second, 0},
		"only the owner: blocks came always": {3 * time.Second, -1, 0, time.Second, 0},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			var system atomic.Pointer[faultySystem] // set while the next round of the owner stands still
			faults := func(goroutine string) error {
				f := system.Load()
				if f == nil || goroutine != capture.GoroutineOwner || !system.CompareAndSwap(f, nil) {
					return nil
				}
				if c.kept < 0 {
					time.Sleep(c.still)
					return nil
				}
				f.each(func(s *faultyStream) { s.held = true })
				time.Sleep(c.still)
				f.set(func() { f.jitter = c.jitter })
				f.each(func(s *faultyStream) { go s.goOn(min(c.kept, c.still), c.kept < c.still) }) // ends by itself
				return nil
			}
			bubble(t, capture.Options{Faults: faults}, func(t *testing.T, f *faultySystem, s *capture.Session) {
				start(t, s)
				time.Sleep(3 * time.Second)
				system.Store(f)
				time.Sleep(c.still + c.then + 20*time.Millisecond)
				stopped := stop(t, s)
				var want []scout.GapReason
				if c.want > 0 {
					want = []scout.GapReason{capture.GapMissing}
				}
				if !slices.Equal(gapsOf(stopped), want) {
					t.Fatalf("gaps %+v, want %v", stopped.Gaps, want)
				}
				for _, g := range stopped.Gaps {
					if off := speech.Duration(g.Frames) - c.want; off.Abs() > tolerance {
						t.Errorf("a gap of %v, want %v", speech.Duration(g.Frames), c.want)
					}
				}
				checkTime(t, s, stopped, 35*time.Millisecond)
			})
		})
	}
}

// What was heard before the stop is in the recording, however late the sound server delivers it. What never comes is a gap.
func TestFramesThatAreLateAtTheStop(t *testing.T) {
	t.Parallel()
	for situation, late := range map[string]time.Duration{"in time": 0, "late": 200 * time.Millisecond, "never": time.Hour} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			bubble(t, capture.Options{}, func(t *testing.T, f *faultySystem, s *capture.Session) {
				start(t, s)
				time.Sleep(3 * time.Second)
				f.each(func(s *faultyStream) { s.held = late > 0 })
				time.Sleep(100 * time.Millisecond)
				time.AfterFunc(late, func() { f.each(func(s *faultyStream) { s.held = false }) })
				heard, began := f.position(), time.Now()
				stopped := stop(t, s)
				if took := time.Since(began); took > max(min(late, 450*time.Millisecond), 20*time.Millisecond)+20*time.Millisecond {
					t.Errorf("the stop took %s", took)
				}
				never := late > time.Minute
				if lost := len(stopped.Gaps) > 0; lost != never {
					t.Errorf("gaps %+v", stopped.Gaps)
				}
				runs := checkTime(t, s, stopped, tolerance)
				last := runs[len(runs)-1]
				if end := last.Source + last.Frames; !never && end < heard || speech.Duration(stopped.End.Sub(stopped.From)) < 3100*time.Millisecond-tolerance {
					t.Errorf("frames up to %d of %d, %d in all", end, heard, stopped.End.Sub(stopped.From))
				}
			})
		})
	}
}
