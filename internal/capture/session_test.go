package capture_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
)

const rate = 8000

var speech = scout.Format{SampleRateHz: rate, Channels: 1, Sample: scout.SampleS16}

// bubble runs a test in fake time, with a faulty device and a session that uses it.
func bubble(t *testing.T, o capture.Options, test func(t *testing.T, f *faultySystem, s *capture.Session)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFaultySystem(rate)
		o.Backend = f
		if o.Format == (scout.Format{}) {
			o.Format = speech
		}
		if o.Buffer == 0 {
			o.Buffer = 2 * time.Minute // the tests read everything at the end
		}
		s, err := capture.New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		test(t, f, s)
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("end of the session: %v", err)
		}
		if !s.Ring().Closed() {
			t.Error("the ring is open after the end")
		}
	})
}

// checkTime checks that every frame outside of gaps has the signal of its time, and that only gaps are missing.
func checkTime(t *testing.T, s *capture.Session, stopped capture.Stopped, tolerance time.Duration) []pulsetest.Run {
	t.Helper()
	var missing, found uint64
	for _, g := range stopped.Gaps {
		missing += g.Frames
		if g.Start < stopped.From || g.End() > stopped.End {
			t.Errorf("gap %+v outside of %d to %d", g, stopped.From, stopped.End)
		}
	}
	runs := pulsetest.Decode(content(t, s, stopped.From, stopped.End), 1, 1, stopped.End.Sub(stopped.From)+10*rate)
	for _, r := range runs {
		found += r.Frames
		off := float64(int64(r.Source-r.At)-int64(runs[0].Source-runs[0].At)) / rate
		if math.Abs(off) > tolerance.Seconds() {
			t.Errorf("frames at %v are %.1f ms out of place", speech.Duration(r.At), 1e3*off)
		}
	}
	if total := stopped.End.Sub(stopped.From); found+missing != total {
		t.Errorf("%d frames: %d of the signal and %d in gaps (%+v), runs %+v", total, found, missing, stopped.Gaps, runs)
	}
	return runs
}

func gapsOf(stopped capture.Stopped) (reasons []scout.GapReason) {
	for _, g := range stopped.Gaps {
		reasons = append(reasons, g.Reason)
	}
	return reasons
}

func TestOutages(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		do   func(f *faultySystem)
		want []scout.GapReason
		// gap is how long the first gap should be, at most later longer: opening is tried now and then.
		gap, later time.Duration
	}{
		"none": {do: func(*faultySystem) {}},
		"stands still and delivers late": {
			do: func(f *faultySystem) {
				f.set(func() { f.openErr = errUnplugged })
				f.each(func(s *faultyStream) { s.held = true })
				time.Sleep(3 * time.Second)
				f.each(func(s *faultyStream) { s.held = false })
			},
		},
		"stands still for longer than late frames are waited for": {
			do: func(f *faultySystem) {
				f.set(func() { f.openErr = errUnplugged })
				f.each(func(s *faultyStream) { s.held = true })
				time.Sleep(7 * time.Second)
				f.each(func(s *faultyStream) { s.next += 5 * rate; s.held = false }) // it kept the newest 2 s
			},
			want: []scout.GapReason{capture.GapStalled}, gap: 6700 * time.Millisecond,
		},
		"stands still and loses what is heard": {
			do: func(f *faultySystem) {
				f.set(func() { f.openErr = errUnplugged })
				f.each(func(s *faultyStream) { s.deaf = true })
				time.Sleep(3 * time.Second)
				f.each(func(s *faultyStream) { s.deaf = false })
			},
			want: []scout.GapReason{capture.GapStalled}, gap: 3 * time.Second,
		},
		"dies and can be opened again": {
			do:   func(f *faultySystem) { f.each(func(s *faultyStream) { s.deaf = true }); time.Sleep(time.Second) },
			want: []scout.GapReason{capture.GapStalled}, gap: 410 * time.Millisecond,
		},
		"dies and comes back after 20 s": {
			do: func(f *faultySystem) {
				f.set(func() { f.openErr = errUnplugged })
				f.each(func(s *faultyStream) { s.deaf = true })
				time.Sleep(20 * time.Second)
				f.set(func() { f.openErr = nil })
				time.Sleep(2 * time.Second)
			},
			want: []scout.GapReason{capture.GapStalled}, gap: 20 * time.Second, later: 800 * time.Millisecond,
		},
		"drops 100 ms without a word": {
			do: func(f *faultySystem) {
				time.Sleep(10 * time.Second)
				f.each(func(s *faultyStream) { s.next += rate / 10 })
				time.Sleep(10 * time.Second)
			},
			want: []scout.GapReason{capture.GapMissing}, gap: 100 * time.Millisecond,
		},
		"delivers parts of frames": {
			do: func(f *faultySystem) { f.set(func() { f.torn = true }); time.Sleep(5 * time.Second) },
		},
		"is late now and then": {
			do: func(f *faultySystem) {
				f.set(func() { f.jitter = 200 * time.Millisecond })
				time.Sleep(20 * time.Second)
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, capture.Options{}, func(t *testing.T, f *faultySystem, s *capture.Session) {
				start(t, s)
				time.Sleep(3 * time.Second)
				test.do(f)
				time.Sleep(4 * time.Second)
				stopped := stop(t, s)
				if !slices.Equal(gapsOf(stopped), test.want) {
					t.Fatalf("gaps %+v, want %v", stopped.Gaps, test.want)
				}
				if test.gap > 0 {
					length := speech.Duration(stopped.Gaps[0].Frames)
					if off := length - test.gap; off < -tolerance || off > tolerance+test.later {
						t.Errorf("gap of %v, want %v", length, test.gap)
					}
				}
				// A deficit is placed where it was found, seconds late: time is not true until then.
				if !slices.Contains(test.want, capture.GapMissing) {
					checkTime(t, s, stopped, 2*time.Millisecond)
				}
			})
		})
	}
}

func TestOverrunOfTheCallbackIsAGap(t *testing.T) {
	t.Parallel()
	bubble(t, capture.Options{}, func(t *testing.T, f *faultySystem, s *capture.Session) {
		start(t, s)
		time.Sleep(time.Second)
		f.each(func(s *faultyStream) { s.sink.Deliver(make([]byte, 2*5*rate)) }) // more than fits
		time.Sleep(time.Second)
		stopped := stop(t, s)
		if !slices.Equal(gapsOf(stopped), []scout.GapReason{capture.GapOverrun}) || stopped.Gaps[0].Frames != 5*rate {
			t.Errorf("gaps %+v, want one of %d frames", stopped.Gaps, 5*rate)
		}
	})
}

func TestDriftIsReported(t *testing.T) {
	t.Parallel()
	bubble(t, capture.Options{}, func(t *testing.T, f *faultySystem, s *capture.Session) {
		f.speed = 1.0002
		start(t, s)
		time.Sleep(10 * time.Second)
		if ppm := s.Status().DriftPPM; ppm != nil {
			t.Errorf("a drift of %v ppm after 10 s", *ppm)
		}
		time.Sleep(time.Minute)
		stopped := stop(t, s)
		if stopped.DriftPPM == nil || math.Abs(*stopped.DriftPPM-200) > 10 || len(stopped.Gaps) > 0 {
			t.Errorf("drift %v, gaps %+v", stopped.DriftPPM, stopped.Gaps)
		}
	})
}

func TestStartEndsWithFramesOrATypedError(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		prepare func(*faultySystem)
		code    scout.Code
		within  time.Duration
	}{
		"unplugged":    {func(f *faultySystem) { f.openErr = errUnplugged }, scout.CodeDeviceNotFound, 0},
		"mute":         {func(f *faultySystem) { f.mute = true }, scout.CodeDeviceTimeout, 5100 * time.Millisecond},
		"works at all": {func(*faultySystem) {}, "", 50 * time.Millisecond},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, capture.Options{}, func(t *testing.T, f *faultySystem, s *capture.Session) {
				f.set(func() { test.prepare(f) })
				begun := time.Now()
				_, err := s.Start(t.Context())
				if scout.CodeOf(err) != test.code {
					t.Fatalf("got %v (%s), want %s", err, scout.CodeOf(err), test.code)
				}
				if took := time.Since(begun); took > test.within {
					t.Errorf("answered after %v, want %v", took, test.within)
				}
				if err == nil {
					return
				}
				if status := s.Status(); status.State != capture.StateFailed || status.Err == nil {
					t.Errorf("status %+v", status)
				}
				f.set(func() { f.openErr, f.mute = nil, false })
				start(t, s) // failing is not for good
				stop(t, s)
			})
		})
	}
}

// A call of the sound library may never return. The session abandons it, makes another one, and can still end.
func TestCallsOfTheSoundLibraryThatHang(t *testing.T) {
	t.Parallel()
	for call, set := range map[string]func(f *faultySystem, hang chan struct{}){
		"open":  func(f *faultySystem, hang chan struct{}) { f.openHang = hang },
		"start": func(f *faultySystem, hang chan struct{}) { f.startHang = hang },
		"close": func(f *faultySystem, hang chan struct{}) { f.closeHang = hang },
	} {
		t.Run(call+" of the first device", func(t *testing.T) {
			t.Parallel()
			bubble(t, capture.Options{}, func(t *testing.T, f *faultySystem, s *capture.Session) {
				hang := make(chan struct{})
				f.set(func() { set(f, hang) })
				begun := time.Now()
				_, err := s.Start(t.Context())
				if took := time.Since(begun); took > 6100*time.Millisecond {
					t.Errorf("answered after %v", took)
				}
				if call != "close" && scout.CodeOf(err) != scout.CodeDeviceTimeout {
					t.Errorf("got %v (%s)", err, scout.CodeOf(err))
				}
				if call == "close" {
					begun = time.Now()
					stop(t, s)
					if took := time.Since(begun); took > time.Second {
						t.Errorf("stopped after %v", took)
					}
				}
				f.set(func() { set(f, nil) })
				start(t, s)
				time.Sleep(time.Second)
				checkTime(t, s, stop(t, s), 2*time.Millisecond)
				close(hang)
			})
		})
		t.Run(call+" while recording", func(t *testing.T) {
			t.Parallel()
			bubble(t, capture.Options{}, func(t *testing.T, f *faultySystem, s *capture.Session) {
				hang := make(chan struct{})
				start(t, s)
				time.Sleep(3 * time.Second)
				f.each(func(s *faultyStream) { s.deaf = true })
				f.set(func() { set(f, hang) })
				time.Sleep(time.Second) // an attempt hangs now
				f.set(func() { set(f, nil) })
				time.Sleep(10 * time.Second)
				if outage := s.Status().Outage; outage != "" {
					t.Errorf("%s for 10 s after a call that hangs", outage)
				}
				stopped := stop(t, s)
				if !slices.Equal(gapsOf(stopped), []scout.GapReason{capture.GapStalled}) {
					t.Errorf("gaps %+v", stopped.Gaps)
				}
				checkTime(t, s, stopped, 2*time.Millisecond)
				close(hang)
			})
		})
	}
}

func TestStartsAndStopsThatDoNotFit(t *testing.T) {
	t.Parallel()
	bubble(t, capture.Options{}, func(t *testing.T, f *faultySystem, s *capture.Session) {
		if _, err := s.Stop(t.Context()); scout.CodeOf(err) != scout.CodeNotRecording {
			t.Errorf("stop without start: %v", err)
		}
		first := start(t, s)
		if _, err := s.Start(t.Context()); scout.CodeOf(err) != scout.CodeAlreadyRecording {
			t.Errorf("start twice: %v", err)
		}
		time.Sleep(time.Second)
		results := make(chan capture.Stopped, 2)
		for range 2 {
			go func() { stopped, _ := s.Stop(t.Context()); results <- stopped }()
		}
		one, two := <-results, <-results
		if one.End != two.End || one.From != first.From || one.End-one.From < rate {
			t.Errorf("stopped %+v and %+v", one, two)
		}
		again, err := s.Stop(t.Context())
		if scout.CodeOf(err) != scout.CodeNotRecording || again.End != one.End {
			t.Errorf("stop again: %+v, %v", again, err)
		}
		if second := start(t, s); second.From < one.End {
			t.Errorf("the next recording begins at %d, the last one ended at %d", second.From, one.End)
		}
		stop(t, s)
	})
}

func TestStartIsUndoneWhenItsCallerGivesUp(t *testing.T) {
	t.Parallel()
	bubble(t, capture.Options{}, func(t *testing.T, f *faultySystem, s *capture.Session) {
		f.set(func() { f.mute = true })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Start(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		if state := s.Status().State; state == capture.StateRecording || state == capture.StateStarting {
			t.Errorf("state %s", state)
		}
	})
}

func TestStopConvergesWhileTheDeviceIsAway(t *testing.T) {
	t.Parallel()
	bubble(t, capture.Options{}, func(t *testing.T, f *faultySystem, s *capture.Session) {
		started := start(t, s)
		time.Sleep(2 * time.Second)
		hang := make(chan struct{})
		f.set(func() { f.openErr, f.closeHang = errUnplugged, hang })
		f.each(func(s *faultyStream) { s.deaf = true })
		time.Sleep(2 * time.Second)
		begun := time.Now()
		stopped := stop(t, s)
		if took := time.Since(begun); took > 200*time.Millisecond {
			t.Errorf("stop took %v", took)
		}
		length := speech.Duration(stopped.End.Sub(stopped.From))
		if passed := begun.Sub(started.FirstAt); length < passed-tolerance || length > passed+tolerance {
			t.Errorf("%v recorded in %v", length, passed)
		}
		if !slices.Equal(gapsOf(stopped), []scout.GapReason{capture.GapStalled}) {
			t.Errorf("gaps %+v", stopped.Gaps)
		}
		close(hang)
	})
}

func TestEndOfTheSessionEndsTheRecording(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFaultySystem(rate)
		s, err := capture.New(capture.Options{Backend: f, Format: speech})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		start(t, s)
		events := s.Subscribe(10)
		time.Sleep(time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		var states []capture.State
		for item := range events.Items() {
			states = append(states, item.Value.State)
		}
		if !slices.Equal(states, []capture.State{capture.StateStopping, capture.StateIdle}) {
			t.Errorf("states %v", states)
		}
		if _, err := s.Start(t.Context()); scout.CodeOf(err) != scout.CodeDeviceUnavailable {
			t.Errorf("start after the end: %v", err)
		}
		if sub := s.Subscribe(1); sub != nil {
			if _, ok := <-sub.Items(); ok {
				t.Error("an event after the end")
			}
		}
	})
}

func TestNothingIsOpenWhileColdAndIdle(t *testing.T) {
	t.Parallel()
	bubble(t, capture.Options{}, func(t *testing.T, f *faultySystem, s *capture.Session) {
		time.Sleep(time.Minute)
		if f.opens != 0 || s.Status().State != capture.StateIdle {
			t.Errorf("%d opened, %+v", f.opens, s.Status())
		}
	})
}
