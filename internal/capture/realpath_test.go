package capture_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio"
	"github.com/scout-speech/scout/internal/audio/ring"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/fanout"
	"github.com/scout-speech/scout/internal/observe"
)

// mono16 is the format in which the coded signal comes through bit by bit.
var mono16 = scout.Format{SampleRateHz: 48_000, Channels: 1, Sample: scout.SampleS16}

// run starts the owner of a session and ends it with the test.
func run(tb testing.TB, o capture.Options) *capture.Session {
	tb.Helper()
	o.Scope = observe.NewScope(slog.New(slog.NewTextHandler(logWriter{tb}, nil)), nil, nil)
	s, err := capture.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("end of the session: %v", err)
		}
	})
	return s
}

// logWriter shows log lines with the test.
type logWriter struct{ tb testing.TB }

func (w logWriter) Write(p []byte) (int, error) {
	w.tb.Logf("%s", p[:len(p)-1])
	return len(p), nil
}

func start(tb testing.TB, s *capture.Session) capture.Started {
	tb.Helper()
	started, err := s.Start(tb.Context())
	if err != nil {
		tb.Fatalf("start: %v (%s)", err, scout.CodeOf(err))
	}
	return started
}

func stop(tb testing.TB, s *capture.Session) capture.Stopped {
	tb.Helper()
	stopped, err := s.Stop(tb.Context())
	if err != nil {
		tb.Fatalf("stop: %v", err)
	}
	return stopped
}

// content is the recording's bytes, from the ring.
func content(tb testing.TB, s *capture.Session, from, end ring.Position) []byte {
	tb.Helper()
	size := uint64(s.Format().FrameBytes())
	all := make([]byte, end.Sub(from)*size)
	for pos := from; pos < end; {
		n, err := s.Ring().ReadAt(all[pos.Sub(from)*size:], pos)
		if err != nil {
			tb.Fatalf("read frame %d of %d to %d: %v", pos, from, end, err)
		}
		pos = pos.Add(n)
	}
	return all
}

// await waits for an event of the kind.
func await(tb testing.TB, sub *fanout.Subscription[capture.Event], kind capture.EventKind) capture.Event {
	tb.Helper()
	timeout := time.NewTimer(15 * time.Second)
	defer timeout.Stop()
	for {
		select {
		case item, ok := <-sub.Items():
			if !ok {
				tb.Fatalf("events ended before %s", kind)
			}
			if e := item.Value; e.Kind == kind {
				return e
			}
		case <-timeout.C:
			tb.Fatalf("no event %s", kind)
		}
	}
}

// awaitFrames waits until so much more is recorded.
func awaitFrames(tb testing.TB, s *capture.Session, more time.Duration) {
	tb.Helper()
	until := s.Ring().Head().Add(s.Format().Frames(more))
	ctx, cancel := context.WithTimeout(tb.Context(), more+20*time.Second)
	defer cancel()
	reader := s.Ring().NewReader("test", until-1)
	defer reader.Close()
	if err := reader.Wait(ctx); err != nil {
		tb.Fatalf("no %v more of audio: %v", more, err)
	}
}

func TestWhatIsPlayedIsRecordedBitByBit(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	mic := server.AddMicrophone("mic", 48_000, 1)
	s := run(t, capture.Options{System: server.System(), Format: mono16})
	started := start(t, s)
	if started.Device.ID != mic.ID || !started.Device.Default || started.DeviceFormat.SampleRateHz != 48_000 {
		t.Errorf("started with %+v, %s", started.Device, started.DeviceFormat)
	}
	if !s.Status().NativeCallback {
		t.Error("the device's callback is not the one in C")
	}
	witness := mic.Listen(48_000, 1)
	player := mic.PlayCoded(7, 48_000, 1, 2*time.Second)
	<-player.Done()
	awaitFrames(t, s, 300*time.Millisecond)
	stopped := stop(t, s)
	runs := pulsetest.Decode(content(t, s, stopped.From, stopped.End), 1, 7, 96_000)
	heard := pulsetest.Decode(witness.Stop(), 1, 7, 96_000)
	if missing := pulsetest.Missing(runs, heard); missing > 0 || len(stopped.Gaps) > 0 {
		t.Errorf("%d frames are missing that another program heard: recorded %+v, the other %+v, gaps %+v", missing, runs, heard, stopped.Gaps)
	}
	var frames uint64
	for _, r := range runs {
		frames += r.Frames
	}
	if frames < 96_000-24_000 {
		t.Errorf("recorded %+v of 96000 frames", runs)
	}
	if s.Status().Callback.Count == 0 {
		t.Error("no callback was measured")
	}
	t.Logf("runs %+v, waited %v, callback %+v", runs, started.Waited, s.Status().Callback)
}

// A stereo device whose channels are in opposite phase is heard in mono.
func TestOppositePhaseIsRecordedInMono(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	mic := server.AddMicrophone("mic", 48_000, 2)
	s := run(t, capture.Options{System: server.System(), Format: speech})
	if started := start(t, s); started.DeviceFormat.Channels != 2 {
		t.Fatalf("the device delivers %s", started.DeviceFormat)
	}
	var stereo []byte
	for i := range 48_000 {
		v := int16(12_000 * math.Sin(2*math.Pi*(200+300*float64(i)/48_000)*float64(i)/48_000))
		stereo = binary.LittleEndian.AppendUint16(stereo, uint16(v))
		stereo = binary.LittleEndian.AppendUint16(stereo, uint16(-v))
	}
	<-mic.PlayRaw(stereo, 48_000, 2).Done()
	awaitFrames(t, s, 300*time.Millisecond)
	stopped := stop(t, s)
	recorded := content(t, s, stopped.From, stopped.End)
	samples := make([]float32, len(recorded)/2)
	audio.Decode(samples, recorded, audio.Int16)
	loud := 0
	for _, v := range samples {
		if v > 0.2 || v < -0.2 {
			loud++
		}
	}
	// Two thirds of a sine are above; a quarter of a second may have been played before the recording began.
	if loud < speech.SampleRateHz/3 {
		t.Errorf("%d of %d samples are loud", loud, len(samples))
	}
}
