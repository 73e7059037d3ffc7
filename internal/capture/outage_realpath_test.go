package capture_test

import (
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/fanout"
)

// tolerance is how far the length of a gap may be off.
const tolerance = 50 * time.Millisecond

// clockOffset is how much more is in the ring than time has passed since the start. Blocks come late
// by chance, so that the largest value of a while counts. Its change across an outage is the error of
// the gap.
func clockOffset(tb testing.TB, s *capture.Session, started capture.Started) time.Duration {
	tb.Helper()
	offset := time.Duration(math.MinInt64)
	for range 25 {
		awaitFrames(tb, s, 10*time.Millisecond)
		offset = max(offset, s.Format().Duration(s.Ring().Head().Sub(started.From))-time.Since(started.FirstAt))
	}
	return offset
}

// outageTest is a recording that something happens to.
type outageTest struct {
	tb      testing.TB
	server  *pulsetest.Server
	mic     *pulsetest.Microphone
	session *capture.Session
	events  *fanout.Subscription[capture.Event]
	started capture.Started
	offset  time.Duration // before the outage
}

func beginOutageTest(t *testing.T, o capture.Options) *outageTest {
	t.Helper()
	server := pulsetest.Start(t)
	f := &outageTest{tb: t, server: server, mic: server.AddMicrophone("mic", 48_000, 1)}
	o.System, o.Format = server.System(), mono16
	f.session = run(t, o)
	f.events = f.session.Subscribe(100)
	f.started = start(t, f.session)
	awaitFrames(t, f.session, time.Second)
	f.offset = clockOffset(t, f.session, f.started)
	return f
}

// end stops the recording and checks that time is as true after the outage as it was before, and that
// gaps are silence.
func (f *outageTest) end(want ...scout.GapReason) capture.Stopped {
	f.tb.Helper()
	awaitFrames(f.tb, f.session, 300*time.Millisecond)
	off := clockOffset(f.tb, f.session, f.started) - f.offset
	// Frames that the server held back arrive faster than they were heard: time is true when all of them are there.
	for caughtUp := time.Now().Add(2 * time.Second); off < -tolerance && time.Now().Before(caughtUp); {
		off = clockOffset(f.tb, f.session, f.started) - f.offset
	}
	stopped := stop(f.tb, f.session)
	f.tb.Logf("time is off by %v after the outage", off)
	if off < -tolerance || off > tolerance {
		f.tb.Errorf("time is off by %v after the outage", off)
	}
	var got []scout.GapReason
	for _, gap := range stopped.Gaps {
		got = append(got, gap.Reason)
		f.tb.Logf("gap at %v of %v: %s", f.session.Format().Duration(gap.Start.Sub(stopped.From)), f.session.Format().Duration(gap.Frames), gap.Reason)
		for _, b := range content(f.tb, f.session, gap.Start, gap.End()) {
			if b != 0 {
				f.tb.Errorf("gap %+v is not silent", gap)
				break
			}
		}
	}
	if len(got) != len(want) || len(want) > 0 && got[0] != want[0] {
		f.tb.Errorf("gaps %v, want %v", got, want)
	}
	return stopped
}

// slack is by how much a machine that runs other tests too may miss the promised times. The figures
// themselves are measured on a quiet one.
const slack = 3

// within checks that a promised time was kept.
func (f *outageTest) within(what string, since time.Time, until time.Time, limit time.Duration) {
	f.tb.Helper()
	took := until.Sub(since)
	f.tb.Logf("%s after %v", what, took.Round(time.Millisecond))
	if took > slack*limit {
		f.tb.Errorf("%s after %v, promised within %v", what, took, limit)
	}
}

func TestDeviceRemovedAndBack(t *testing.T) {
	t.Parallel()
	f := beginOutageTest(t, capture.Options{Device: "mic.monitor"})
	removed := time.Now()
	f.mic.Remove()
	lost := await(t, f.events, capture.KindDeviceLost)
	f.within("noticed", removed, lost.At, time.Second)
	if lost.Reason != capture.GapDeviceLost || f.session.Status().Outage != capture.GapDeviceLost {
		t.Errorf("lost %+v, status %+v", lost, f.session.Status())
	}
	await(t, f.events, capture.KindGapBegan)
	back := time.Now()
	f.mic = f.server.AddMicrophone("mic", 48_000, 1)
	ended := await(t, f.events, capture.KindGapEnded)
	f.within("recording again", back, ended.At, time.Second)
	witness := f.mic.Listen(48_000, 1)
	f.mic.PlayCoded(3, 48_000, 1, 5*time.Second)
	awaitFrames(t, f.session, time.Second)
	heard := pulsetest.Decode(witness.Stop(), 1, 3, 240_000)
	stopped := f.end(capture.GapDeviceLost)
	runs := pulsetest.Decode(content(t, f.session, stopped.From, stopped.End), 1, 3, 240_000)
	if len(runs) == 0 || len(heard) == 0 {
		t.Fatalf("after the gap: recorded %+v, another program heard %+v", runs, heard)
	}
	if missing := pulsetest.Missing(runs, heard); missing > 0 {
		t.Errorf("after the gap %d frames are missing: recorded %+v, another program heard %+v", missing, runs, heard)
	}
}

func TestSwappedDefaultDeviceIsFollowed(t *testing.T) {
	t.Parallel()
	f := beginOutageTest(t, capture.Options{})
	other := f.server.AddMicrophone("other", 44_100, 2)
	removed := time.Now()
	f.mic.Remove()
	changed := await(t, f.events, capture.KindDeviceChanged)
	f.within("noticed", removed, changed.At, time.Second)
	if changed.Device.ID != other.ID || f.session.Status().Device.ID != other.ID {
		t.Errorf("changed to %+v, want %s", changed.Device, other.ID)
	}
	awaitFrames(t, f.session, 2*time.Second) // the new device's first block takes up to two seconds
	f.end(gapReasons(f.session)...)
}

// gapReasons accepts the gap that a device needs to wake up.
func gapReasons(s *capture.Session) (reasons []scout.GapReason) {
	for _, gap := range s.Gaps() {
		reasons = append(reasons, gap.Reason)
	}
	return reasons
}

func TestLostDeviceIsReplacedByTheDefault(t *testing.T) {
	t.Parallel()
	f := beginOutageTest(t, capture.Options{Device: "mic.monitor", OnLoss: capture.LossDefault})
	other := f.server.AddMicrophone("other", 44_100, 2)
	removed := time.Now()
	f.mic.Remove()
	for {
		e := (<-f.events.Items()).Value
		if e.Device.ID == other.ID && (e.Kind == capture.KindDeviceOpened || e.Kind == capture.KindDeviceChanged) {
			f.within("goes on with the default", removed, e.At, time.Second)
			break
		}
	}
	awaitFrames(t, f.session, 2*time.Second)
	f.end(gapReasons(f.session)...)
}

func TestServerKilledAndRestarted(t *testing.T) {
	t.Parallel()
	f := beginOutageTest(t, capture.Options{Device: "mic.monitor"})
	killed := time.Now()
	f.server.Kill()
	lost := await(t, f.events, capture.KindDeviceLost)
	f.within("noticed", killed, lost.At, time.Second)
	await(t, f.events, capture.KindGapBegan)
	f.server.Restart()
	back := time.Now()
	f.mic = f.server.AddMicrophone("mic", 48_000, 1)
	ended := await(t, f.events, capture.KindGapEnded)
	f.within("recording again", back, ended.At, 2500*time.Millisecond)
	f.end(capture.GapServerLost)
}

func TestStalledServer(t *testing.T) {
	t.Parallel()
	f := beginOutageTest(t, capture.Options{Device: "mic.monitor"})
	stalled := time.Now()
	f.server.Signal(syscall.SIGSTOP)
	lost := await(t, f.events, capture.KindDeviceLost)
	f.within("noticed", stalled, lost.At, time.Second)
	if lost.Reason != capture.GapStalled {
		t.Errorf("reason %s", lost.Reason)
	}
	<-time.After(1500 * time.Millisecond) // the stall itself
	f.server.Signal(syscall.SIGCONT)
	back := time.Now()
	opened := await(t, f.events, capture.KindDeviceOpened)
	if opened.At.Before(back) {
		opened = await(t, f.events, capture.KindDeviceOpened)
	}
	f.within("recording again", back, opened.At, time.Second)
	f.end(gapReasons(f.session)...)
}

func TestSuspendedDevice(t *testing.T) {
	t.Parallel()
	f := beginOutageTest(t, capture.Options{Device: "mic.monitor"})
	asleep := time.Now()
	f.mic.Suspend(true)
	lost := await(t, f.events, capture.KindDeviceLost)
	f.within("noticed", asleep, lost.At, time.Second)
	if lost.Reason != capture.GapSuspended {
		t.Errorf("reason %s", lost.Reason)
	}
	await(t, f.events, capture.KindGapBegan)
	awake := time.Now()
	f.mic.Suspend(false)
	ended := await(t, f.events, capture.KindGapEnded)
	f.within("recording again", awake, ended.At, time.Second)
	f.end(capture.GapSuspended)
}

func TestWarmDeviceHearsTheWordBeforeTheStart(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	mic := server.AddMicrophone("mic", 48_000, 1)
	s := run(t, capture.Options{System: server.System(), Format: mono16, Warm: true})
	awaitFrames(t, s, 600*time.Millisecond)
	mic.PlayCoded(5, 48_000, 1, 3*time.Second)
	// The word is on its way: start when the meter sees it, 200 ms late.
	reader := s.Ring().NewReader("test", s.Ring().Head())
	defer reader.Close()
	block := make([]byte, 2*480)
	var heard ring.Position
	for heard == 0 {
		pos := reader.Position()
		n, err := readWait(t.Context(), reader, block)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if block[2*i] != 0 || block[2*i+1] != 0 {
				heard = pos.Add(i)
				break
			}
		}
	}
	awaitFrames(t, s, 200*time.Millisecond)
	started := start(t, s)
	if started.From > heard || started.PrerollFrames < 20_000 || started.Waited > 100*time.Millisecond {
		t.Errorf("begins at %d with %d frames of pre-roll after %v; the word began at %d",
			started.From, started.PrerollFrames, started.Waited, heard)
	}
	awaitFrames(t, s, 500*time.Millisecond)
	stopped := stop(t, s)
	if runs := pulsetest.Decode(content(t, s, stopped.From, stopped.End), 1, 5, 144_000); len(runs) == 0 || runs[0].At > started.PrerollFrames-9000 {
		t.Errorf("heard %+v, with %d frames of pre-roll", runs, started.PrerollFrames)
	}
	if r := s.Meter().Reading(); r.SmoothPeak == 0 {
		t.Errorf("meter %+v while the device is warm", r)
	}
}

func TestFormatsAreConverted(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	for name, format := range map[string]scout.Format{
		"speech":       {SampleRateHz: 16_000, Channels: 1, Sample: scout.SampleS16},
		"float stereo": {SampleRateHz: 44_100, Channels: 2, Sample: scout.SampleF32},
		"24 bit up":    {SampleRateHz: 96_000, Channels: 1, Sample: scout.SampleS24},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mic := server.AddMicrophone("mic-"+string(format.Sample), 44_100, 2)
			s := run(t, capture.Options{System: server.System(), Format: format, Device: mic.ID})
			begun := start(t, s)
			first := clockOffset(t, s, begun)
			awaitFrames(t, s, 500*time.Millisecond)
			if off := clockOffset(t, s, begun) - first; off < -slack*tolerance || off > slack*tolerance {
				t.Errorf("time is off by %v after half a second", off)
			}
			if stopped := stop(t, s); len(stopped.Gaps) > 0 {
				t.Errorf("gaps %+v", stopped.Gaps)
			}
		})
	}
}
