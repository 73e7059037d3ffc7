package recorder_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture/virtual"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recorder"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/recording/wire"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestMain(m *testing.M) {
	suite := testrun.Contain(m)
	testrun.Beside(8)
	goleak.VerifyTestMain(suite)
}

const seed = 7

// device delivers coded frames in real time, in the format of the recordings: what is on disk is bit
// for bit what it delivered.
const device = "signal:7?rate=16000"

var speech = scout.Format{SampleRateHz: 16000, Channels: 1, Sample: scout.SampleS16}

// fixture is a recorder that runs in a folder of its own until the test ends.
type fixture struct {
	*recorder.Recorder
	disk     *recordingtest.Disk
	registry prom.Registry
	stop     context.CancelFunc
	ended    chan error
	owner    *remote.Client // of a test that needs to know
}

func run(t *testing.T, change func(*recorder.Options)) *fixture {
	t.Helper()
	f := &fixture{disk: recordingtest.New(), registry: prom.NewRegistry(), ended: make(chan error, 1)}
	options := recorder.Options{
		Dir: t.TempDir(), Disk: f.disk, IdleFor: -1, Version: "test",
		Scope: observe.NewScope(nil, f.registry, nil), Metrics: f.registry.Registry,
	}
	if change != nil {
		change(&options)
	}
	r, err := recorder.Open(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f.Recorder, f.stop = r, cancel
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.ended <- r.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return f
}

// client attaches as soon as the recorder serves.
func (f *fixture) client(t *testing.T) *remote.Client {
	t.Helper()
	for {
		c, err := remote.Dial(t.Context(), f.Folder().Dir(), remote.Options{Name: "test"})
		if err == nil {
			t.Cleanup(func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
			return c
		}
		if scout.CodeOf(err) != scout.CodeRecorderUnreachable {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond) // until the socket is there: nothing tells of it
	}
}

func request() recording.Order {
	return recording.Order{ID: recording.NewID(time.Now()), Format: speech, Device: device, Preroll: -1}
}

// until waits for a state of the recording.
func (f *fixture) until(t *testing.T, what string, reached func(recording.Status) bool) recording.Status {
	t.Helper()
	for {
		s := f.Status()
		if reached(s) {
			return s
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("not reached: %s", what)
		case <-time.After(2 * time.Millisecond): // the state is what is tested, nothing announces it
		}
	}
}

func written(frames uint64) func(recording.Status) bool {
	return func(s recording.Status) bool { return s.Recording != nil && s.Recording.Written >= frames }
}

// checkCoded holds a recording against what the device delivered from its beginning on. Gaps, which a
// machine under load may make with a small ring, are silent.
func checkCoded(t *testing.T, folder *recording.Folder, m recording.Manifest) {
	t.Helper()
	content, err := os.ReadFile(folder.AudioPath(m.ID))
	if err != nil {
		t.Fatal(err)
	}
	content = content[recording.HeaderBytes:]
	channels := uint64(m.Format.Channels)
	if uint64(len(content)) != 2*channels*m.Frames {
		t.Fatalf("%d bytes of audio for %d frames", len(content), m.Frames)
	}
	gaps := m.Gaps
	for i := range m.Frames * channels {
		for len(gaps) > 0 && uint64(gaps[0].End()) <= i/channels {
			gaps = gaps[1:]
		}
		if len(gaps) > 0 && uint64(gaps[0].Start) <= i/channels {
			if content[2*i]|content[2*i+1] != 0 {
				t.Fatalf("frame %d of the gaps %v is not silent", i/channels, m.Gaps)
			}
			continue
		}
		if got := int16(binary.LittleEndian.Uint16(content[2*i:])); got != virtual.Coded(seed, i/channels, int(i%channels)) {
			t.Fatalf("frame %d of %d is not what the device delivered there; gaps %v", i/channels, m.Frames, m.Gaps)
		}
	}
	if _, err := folder.Verify(m.ID); err != nil {
		t.Error(err)
	}
}

func TestStartAndStopMayBeRepeated(t *testing.T) {
	t.Parallel()
	f := run(t, nil)
	c := f.client(t)
	if _, err := c.Stop(t.Context(), ""); scout.CodeOf(err) != scout.CodeNotRecording {
		t.Errorf("stop without start: %v", err)
	}
	first := request()
	started, err := c.Start(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if started.ID != first.ID || started.Already || started.Format != speech || started.Left <= 0 {
		t.Errorf("started %+v", started)
	}
	again, err := c.Start(t.Context(), first)
	if err != nil || !again.Already || again.ID != first.ID {
		t.Errorf("start again: %+v, %v", again, err)
	}
	if _, err := c.Start(t.Context(), request()); scout.CodeOf(err) != scout.CodeAlreadyRecording || !strings.Contains(err.Error(), string(first.ID)) {
		t.Errorf("start another: %v", err)
	}
	if got := gauge(t, f.registry, "scout_active_recordings"); got != 1 {
		t.Errorf("scout_active_recordings %v while recording", got)
	}
	f.until(t, "half a second", written(8000))
	m, err := c.Stop(t.Context(), first.ID)
	if err != nil {
		t.Fatal(err)
	}
	if m.State != recording.StateFinished || m.EndReason != recording.EndStopped || m.Frames < 8000 || len(m.Gaps) != 0 {
		t.Errorf("manifest %+v", m)
	}
	checkCoded(t, f.Folder(), m)
	for _, id := range []recording.ID{first.ID, first.ID} {
		if twice, err := c.Stop(t.Context(), id); err != nil || twice.SHA256 != m.SHA256 {
			t.Errorf("stop again: %+v, %v", twice, err)
		}
	}
	if _, err := c.Stop(t.Context(), recording.NewID(time.Now())); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("stop of an unknown recording: %v", err)
	}
	if _, err := c.Start(t.Context(), first); scout.CodeOf(err) != scout.CodeInvalidArgument {
		t.Errorf("start of an ended recording: %v", err)
	}
	if got := gauge(t, f.registry, "scout_active_recordings"); got != 0 {
		t.Errorf("scout_active_recordings %v after the end", got)
	}
	families, err := c.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var durations uint64
	for _, family := range families {
		if family.Name == "scout_recording_duration_seconds" {
			durations = family.Samples[0].Count
		}
	}
	if durations != 1 {
		t.Errorf("%d durations observed, want 1", durations)
	}
}

func gauge(t *testing.T, registry prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestStartsThatFail(t *testing.T) {
	t.Parallel()
	f := run(t, nil)
	c := f.client(t)
	for _, c2 := range []struct {
		name   string
		change func(*recording.Order)
		space  recording.Space
		want   scout.Code
	}{
		{"a device that is no file", func(r *recording.Order) { r.Device = "file:/does/not/exist.wav" }, recording.Space{}, scout.CodeFileNotFound},
		{"a format that cannot be", func(r *recording.Order) { r.Format.Channels = 99 }, recording.Space{}, scout.CodeAudioUnsupported},
		{"an id that is none", func(r *recording.Order) { r.ID = "x/y" }, recording.Space{}, scout.CodeInvalidArgument},
		{"a policy that is none", func(r *recording.Order) { r.OnLoss = "panic" }, recording.Space{}, scout.CodeConfigInvalid},
		{"little room", func(*recording.Order) {}, recording.Space{FreeBytes: 32000 * 60, TotalBytes: 1 << 40}, scout.CodeDiskLow},
	} {
		t.Run(c2.name, func(t *testing.T) {
			r := request()
			c2.change(&r)
			f.disk.SetSpace(c2.space)
			defer f.disk.SetSpace(recording.Space{})
			if _, err := c.Start(t.Context(), r); scout.CodeOf(err) != c2.want {
				t.Errorf("Start = %v (%s), want %s", err, scout.CodeOf(err), c2.want)
			}
			if s := f.Status(); s.Recording != nil {
				t.Errorf("something is being recorded: %+v", s.Recording)
			}
		})
	}
	if _, err := c.Resume(t.Context(), request()); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("resume of nothing: %v", err)
	}
	if list, problems, err := f.Folder().List(); len(list)+len(problems) != 0 || err != nil {
		t.Errorf("left behind: %v, %v, %v", list, problems, err)
	}
	if _, err := c.Start(t.Context(), request()); err != nil {
		t.Errorf("after the failures: %v", err)
	}
}

func TestRulesEndARecording(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		rules recording.Rules
		owner bool
		want  recording.EndReason
	}{
		{"the longest duration", recording.Rules{MaxDuration: 300 * time.Millisecond}, true, recording.EndMaxDuration},
		{"a duration within a block of the device", recording.Rules{MaxDuration: 201 * time.Millisecond}, true, recording.EndMaxDuration},
		{"no owner", recording.Rules{NoOwnerFor: 300 * time.Millisecond}, false, recording.EndNoOwner},
		{"an owner left", recording.Rules{NoOwnerFor: 300 * time.Millisecond, MaxDuration: time.Minute}, false, recording.EndNoOwner},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := run(t, nil)
			watcher := f.client(t)
			stopped := make(chan recording.Manifest, 1)
			go func() {
				_ = watcher.WatchEvents(t.Context(), func(e recording.Event) bool {
					if e.Kind == recording.KindStopped {
						stopped <- *e.Manifest
					}
					return e.Kind != recording.KindStopped
				})
			}()
			r := request()
			r.Rules = c.rules
			if c.owner {
				owner := f.client(t)
				if _, err := owner.Start(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			} else {
				owner, err := remote.Dial(t.Context(), f.Folder().Dir(), remote.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := owner.Start(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				if err := owner.Close(); err != nil {
					t.Fatal(err)
				}
			}
			m := <-stopped
			if m.EndReason != c.want || m.State != recording.StateFinished || m.Frames < speech.Frames(200*time.Millisecond) {
				t.Errorf("manifest %+v", m)
			}
			if limit := c.rules.MaxDuration; c.want == recording.EndMaxDuration && m.Frames != speech.Frames(limit) {
				t.Errorf("%d frames, want %d", m.Frames, speech.Frames(limit))
			}
			checkCoded(t, f.Folder(), m)
		})
	}
}

func TestTheEndOfTheProcessFinishesTheRecording(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		end  func(*testing.T, *fixture, *remote.Client)
	}{
		{"a signal", func(_ *testing.T, f *fixture, _ *remote.Client) { f.stop() }},
		{"a client", func(t *testing.T, _ *fixture, c *remote.Client) {
			if err := c.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := run(t, nil)
			client := f.client(t)
			r := request()
			if _, err := client.Start(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			f.until(t, "some frames", written(3000))
			c.end(t, f, client)
			if err := <-f.ended; err != nil {
				t.Error(err)
			}
			m, err := f.Folder().Manifest(r.ID)
			if err != nil || m.EndReason != recording.EndShutdown {
				t.Fatalf("manifest %+v, %v", m, err)
			}
			checkCoded(t, f.Folder(), m)
			for _, name := range []string{"recorder.sock", wire.EndpointName} {
				if _, err := os.Stat(filepath.Join(f.Folder().Dir(), name)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is left behind: %v", name, err)
				}
			}
			lock, err := recording.TakeLock(f.Folder().Dir())
			if err != nil {
				t.Fatal(err)
			}
			if err := lock.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnIdleProcessEnds(t *testing.T) {
	t.Parallel()
	f := run(t, func(o *recorder.Options) { o.IdleFor = 20 * time.Millisecond })
	if err := <-f.ended; err != nil {
		t.Error(err)
	}
}

func TestASourceThatEndsEndsTheRecording(t *testing.T) {
	t.Parallel()
	f := run(t, nil)
	c := f.client(t)
	for range 2 { // and the next recording begins at its beginning
		r := request()
		r.Device = "signal:7?rate=16000&seconds=0.5&speed=max"
		if _, err := c.Start(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		s := f.until(t, "the end", func(s recording.Status) bool { return s.Recording == nil && s.Last != nil && s.Last.ID == r.ID })
		if s.Last.EndReason != recording.EndSource || s.Last.Frames != 8000 {
			t.Errorf("manifest %+v", s.Last)
		}
		checkCoded(t, f.Folder(), *s.Last)
	}
}

func TestTwoProcessesDoNotShareAFolder(t *testing.T) {
	t.Parallel()
	f := run(t, nil)
	if _, err := recorder.Open(recorder.Options{Dir: f.Folder().Dir()}); scout.CodeOf(err) != scout.CodeRecordingLocked {
		t.Errorf("Open = %v, want %s", err, scout.CodeRecordingLocked)
	}
}

// A recording continues as long as one of its owners is attached. Other clients do not count.
func TestOwnersOfARecording(t *testing.T) {
	t.Parallel()
	f := run(t, nil)
	dial := func() *remote.Client {
		c, err := remote.Dial(t.Context(), f.Folder().Dir(), remote.Options{Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	witness := f.client(t) // attached all the time, and owns nothing
	stopped := make(chan recording.Manifest, 1)
	go func() {
		_ = witness.WatchEvents(t.Context(), func(e recording.Event) bool {
			if e.Kind == recording.KindStopped {
				stopped <- *e.Manifest
			}
			return e.Kind != recording.KindStopped
		})
	}()
	order := request()
	order.Rules.NoOwnerFor = 200 * time.Millisecond
	first, second := dial(), dial()
	if _, err := first.Start(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	adopted, started, err := second.Adopt(t.Context(), "")
	if err != nil || adopted.ID != order.ID || started.ID != order.ID {
		t.Fatalf("%+v, %+v, %v", adopted, started, err)
	}
	if _, _, err := witness.Adopt(t.Context(), recording.NewID(time.Now())); scout.CodeOf(err) != scout.CodeNotRecording {
		t.Errorf("another recording was adopted: %v", err)
	}
	if s := f.Status(); s.Owners != 2 || s.Clients < 3 {
		t.Errorf("%d owners of %d clients", s.Owners, s.Clients)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	f.until(t, "longer than it goes on without", written(3*speech.Frames(order.Rules.NoOwnerFor)))
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if m := <-stopped; m.EndReason != recording.EndNoOwner {
		t.Errorf("manifest %+v", m)
	}
}

func TestWritingThatWaitsIsSeen(t *testing.T) {
	t.Parallel()
	f := run(t, nil)
	c := f.client(t)
	conditions := make(chan recording.Condition, 16)
	go func() {
		_ = c.WatchEvents(t.Context(), func(e recording.Event) bool {
			if e.Kind == recording.KindCondition {
				conditions <- e.Condition
			}
			return e.Condition != recording.ConditionOK || e.Kind != recording.KindCondition
		})
	}()
	r := request()
	if _, err := c.Start(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	f.until(t, "some frames", written(3000))
	f.disk.Fill(0)
	if got := <-conditions; got != recording.ConditionDiskFull {
		t.Errorf("condition %s", got)
	}
	s := f.until(t, "frames in the ring", func(s recording.Status) bool { return s.Recording.Waiting > 8000 })
	if s.Recording.Condition != recording.ConditionDiskFull {
		t.Errorf("state %+v", s.Recording)
	}
	f.disk.Free()
	if got := <-conditions; got != recording.ConditionOK {
		t.Errorf("condition %s", got)
	}
	m, err := c.Stop(t.Context(), r.ID)
	if err != nil || len(m.Gaps) != 0 {
		t.Fatalf("manifest %+v, %v", m, err)
	}
	checkCoded(t, f.Folder(), m)
}
