package capture_test

import (
	"encoding/binary"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/capture/virtual"
)

// TestSoak records the coded signal for as long as SCOUT_SOAK says ("10m") and checks every frame.
// Load beside it is up to the caller: stress-ng --cpu 2.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SCOUT_SOAK"))
	if err != nil {
		t.Skip("SCOUT_SOAK says for how long, for example 10m")
	}
	server := pulsetest.Start(t)
	mic := server.AddMicrophone("mic", 48_000, 1)
	s := run(t, capture.Options{System: server.System(), Format: mono16})
	started := start(t, s)
	mic.PlayEndless(11, 48_000, 1)
	reader := s.Ring().NewReader("writer", started.From)
	defer reader.Close()
	block := make([]byte, 2*4800)

	var usage syscall.Rusage
	cpu := func() time.Duration {
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			t.Fatal(err)
		}
		return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	}
	before, begun := cpu(), time.Now()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	allocated := mem.Mallocs

	var checked, wrong, next uint64
	var head []byte // until the signal is found
	for until := s.Format().Frames(length); checked < until; {
		n, err := readWait(t.Context(), reader, block)
		if err != nil {
			t.Fatalf("after %d frames: %v", checked, err)
		}
		data := block[:2*n]
		if checked == 0 {
			head = append(head, data...)
			runs := pulsetest.Decode(head, 1, 11, uint64(len(head)))
			if len(runs) == 0 || runs[0].Frames < 4800 {
				continue
			}
			data, next = head[2*runs[0].At:], runs[0].Source
		}
		for ; len(data) > 0; data = data[2:] {
			if int16(binary.LittleEndian.Uint16(data)) != virtual.Coded(11, next, 0) {
				wrong++
			}
			next++
			checked++
		}
	}
	status := s.Status()
	used, passed := cpu()-before, time.Since(begun)
	runtime.ReadMemStats(&mem)
	stopped := stop(t, s)
	ppm := "unknown"
	if stopped.DriftPPM != nil {
		ppm = strconv.FormatFloat(*stopped.DriftPPM, 'f', 1, 64)
	}
	t.Logf("%v: %d frames checked, %d wrong, %d gaps, drift %s ppm, %d overruns", passed.Round(time.Second), checked, wrong,
		len(stopped.Gaps), ppm, reader.State().Overruns)
	t.Logf("callback: %d calls, p50 %v, p99 %v, p99.9 %v, most %v", status.Callback.Count, status.Callback.P50,
		status.Callback.P99, status.Callback.P999, status.Callback.Max)
	t.Logf("processor time %.2f %% of one core (the check included), %.1f allocations a second, %d MB at most",
		100*used.Seconds()/passed.Seconds(), float64(mem.Mallocs-allocated)/passed.Seconds(), usage.Maxrss>>10)
	if wrong > 0 || len(stopped.Gaps) > 0 {
		t.Errorf("%d frames wrong, gaps %+v", wrong, stopped.Gaps)
	}
}

// TestChaos takes the device away as often as SCOUT_CHAOS says, in each of five ways, and prints how
// long it takes to notice and to record again.
func TestChaos(t *testing.T) {
	times, err := strconv.Atoi(os.Getenv("SCOUT_CHAOS"))
	if err != nil {
		t.Skip("SCOUT_CHAOS says how often, for example 20")
	}
	for name, fault := range map[string]struct {
		options capture.Options
		harm    func(f *outageTest)
		heal    func(f *outageTest)
		limit   time.Duration
	}{
		"source removed": {
			options: capture.Options{Device: "mic.monitor"},
			harm:    func(f *outageTest) { f.mic.Remove() },
			heal:    func(f *outageTest) { f.mic = f.server.AddMicrophone("mic", 48_000, 1) }, limit: time.Second,
		},
		"source swapped": {
			harm:  func(f *outageTest) { f.server.AddMicrophone("other", 44_100, 2); f.mic.Remove() },
			limit: time.Second,
		},
		"server killed": {
			options: capture.Options{Device: "mic.monitor"},
			harm:    func(f *outageTest) { f.server.Kill() },
			heal: func(f *outageTest) {
				f.server.Restart()
				f.mic = f.server.AddMicrophone("mic", 48_000, 1)
			}, limit: 2500 * time.Millisecond,
		},
		"device stalled": {
			options: capture.Options{Device: "mic.monitor"},
			harm:    func(f *outageTest) { f.server.Signal(syscall.SIGSTOP) },
			heal:    func(f *outageTest) { f.server.Signal(syscall.SIGCONT) }, limit: time.Second,
		},
		"device suspended": {
			options: capture.Options{Device: "mic.monitor"},
			harm:    func(f *outageTest) { f.mic.Suspend(true) },
			heal:    func(f *outageTest) { f.mic.Suspend(false) }, limit: time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var noticed, again, off, gap durations
			for range times {
				f := beginOutageTest(t, fault.options)
				harmed := time.Now()
				fault.harm(f)
				lost := awaitOneOf(t, f.events, capture.KindDeviceLost, capture.KindDeviceChanged)
				noticed.add(lost.At.Sub(harmed))
				healed := harmed
				if fault.heal != nil {
					<-time.After(1500 * time.Millisecond) // how long it lasts
					fault.heal(f)
					healed = time.Now()
				}
				opened := await(t, f.events, capture.KindDeviceOpened)
				for fault.heal != nil && opened.At.Before(healed) {
					opened = await(t, f.events, capture.KindDeviceOpened)
				}
				again.add(opened.At.Sub(healed))
				awaitFrames(t, f.session, 300*time.Millisecond)
				error := clockOffset(t, f.session, f.started) - f.offset
				off.add(max(error, -error))
				for _, g := range stop(t, f.session).Gaps {
					gap.add(f.session.Format().Duration(g.Frames))
				}
			}
			t.Logf("%d times: noticed after %s; recording again after %s; gaps %s; length of the gap wrong by %s",
				times, noticed, again, gap, off)
			if noticed.most() > time.Second || again.most() > fault.limit || off.most() > tolerance {
				t.Errorf("promised: noticed within 1s, recording again within %v, length right within %v", fault.limit, tolerance)
			}
		})
	}
}
