package recorder_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recorder"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/recording/wire"
)

// faults makes goroutines fail that pass fault.Points.
type faults struct {
	mu      sync.Mutex
	changed *sync.Cond
	plan    map[string]*injection
}

type injection struct {
	how    string
	left   int // how often it fails yet
	struck int
}

func newFaults() *faults {
	f := &faults{plan: make(map[string]*injection)}
	f.changed = sync.NewCond(&f.mu)
	return f
}

// set makes the goroutine fail so often: panic, return an error or hang until end.
func (f *faults) set(goroutine, how string, times int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan[goroutine] = &injection{how: how, left: times}
}

// end ends all faults.
func (f *faults) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, i := range f.plan {
		i.how, i.left = "", 0
	}
	f.changed.Broadcast()
}

// count is how often the goroutine failed.
func (f *faults) count(goroutine string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := f.plan[goroutine]; i != nil {
		return i.struck
	}
	return 0
}

func (f *faults) at(goroutine string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := f.plan[goroutine]
	if i == nil || i.left == 0 {
		return nil
	}
	i.left--
	i.struck++
	switch i.how {
	case "panic":
		panic("injected into " + goroutine)
	case "error":
		return errors.New("injected into " + goroutine)
	}
	for i.how == "hang" {
		f.changed.Wait()
	}
	return nil
}

// goroutines are all those between the device and the disk.
func goroutines() []string {
	return []string{
		capture.GoroutineOwner, capture.GoroutineDevice, capture.GoroutineOpening, capture.GoroutineClosing,
		recording.GoroutinePump, recording.GoroutineSync, recording.GoroutineManifest, recording.GoroutineLook,
		recorder.GoroutineTake, recorder.GoroutineEvents, recorder.GoroutineStream, recorder.GoroutineRules,
	}
}

// restartsCapture are those after whose failure the device is opened again.
func restartsCapture(goroutine string) bool {
	return strings.HasPrefix(goroutine, "capture.")
}

// A goroutine that panics, fails or hangs costs at most a gap. The manifest, the metrics and the events report what is
// missing. The recording continues until it is stopped.
func TestAGoroutineThatFailsDoesNotEndTheRecording(t *testing.T) {
	t.Parallel()
	for _, goroutine := range goroutines() {
		for _, how := range []string{"panic", "error", "hang"} {
			t.Run(goroutine+" "+how, func(t *testing.T) {
				t.Parallel()
				injected := newFaults()
				f := run(t, func(o *recorder.Options) { o.Faults = injected.at })
				t.Cleanup(injected.end)
				c := f.client(t)
				events := f.watch(t)
				order := request()
				started := time.Now()
				_, err := c.Start(t.Context(), order)
				check(t, err)
				records := time.Now()
				listener := f.positions(t, order.ID)
				f.until(t, "a beginning", written(4000))
				injected.set(goroutine, how, 1)
				f.provoke(t, goroutine, injected)
				if how == "hang" && !restartsCapture(goroutine) {
					time.Sleep(3 * time.Second) // as long as it takes to be noticed; the state may look well meanwhile
				}
				if restartsCapture(goroutine) {
					f.until(t, "a gap", func(s recording.Status) bool { return s.Recording != nil && s.Recording.Gaps > 0 })
				}
				have := f.Status().Recording.Written
				f.until(t, "frames after that", written(have+8000))
				injected.end()
				least := time.Since(records)
				m, err := c.Stop(t.Context(), order.ID)
				check(t, err)
				most := time.Since(started)
				if m.State != recording.StateFinished || m.EndReason != recording.EndStopped || m.EndReason.Err() != nil {
					t.Errorf("manifest %+v", m)
				}
				if (len(m.Gaps) > 0) != restartsCapture(goroutine) {
					t.Errorf("gaps %+v", m.Gaps)
				}
				if length := m.Duration(); length < least-1500*time.Millisecond || length > most+100*time.Millisecond {
					t.Errorf("%s of %s to %s are in the recording", length, least, most)
				}
				f.balance(t, m)
				if len(m.Gaps) == 0 {
					checkCoded(t, f.Folder(), m)
				}
				if _, err := f.Folder().Verify(m.ID); err != nil {
					t.Error(err)
				}
				if goroutine != recorder.GoroutineStream {
					if got := <-listener; got != m.Frames {
						t.Errorf("the listener was told of %d of %d frames", got, m.Frames)
					}
				}
				last := events(recording.KindStopped)
				if last.Manifest == nil || last.Manifest.EndReason != m.EndReason || last.Failure != "" || last.Path != f.Folder().AudioPath(m.ID) {
					t.Errorf("event %+v", last)
				}
			})
		}
	}
}

// A goroutine that keeps failing ends the recording. The manifest, the metrics and the events give that reason.
func TestAGoroutineThatFailsForGoodEndsTheRecordingWithThatReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goroutine string
		how       string
		want      recording.EndReason
	}{
		{capture.GoroutineOwner, "panic", recording.EndCapture},
		{capture.GoroutineOwner, "error", recording.EndCapture},
		{capture.GoroutineDevice, "panic", recording.EndCapture},
		{capture.GoroutineDevice, "error", recording.EndCapture},
		{recording.GoroutinePump, "panic", recording.EndWriting},
		{recording.GoroutinePump, "error", recording.EndWriting},
		{recorder.GoroutineTake, "panic", recording.EndInternal},
		{recorder.GoroutineTake, "error", recording.EndInternal},
	} {
		t.Run(c.goroutine+" "+c.how, func(t *testing.T) {
			t.Parallel()
			injected := newFaults()
			f := run(t, func(o *recorder.Options) { o.Faults, o.RestartPause = injected.at, 2*time.Millisecond })
			client := f.client(t)
			events := f.watch(t)
			order := request()
			_, err := client.Start(t.Context(), order)
			check(t, err)
			f.until(t, "a beginning", written(4000))
			injected.set(c.goroutine, c.how, math.MaxInt)
			ended := f.until(t, "the end", func(s recording.Status) bool { return s.Last != nil })
			if n := injected.count(c.goroutine); n > 60 {
				t.Errorf("it was tried %d times: a tight loop", n)
			}
			injected.end()
			m, err := client.Stop(t.Context(), order.ID)
			if m.EndReason != c.want || ended.Last.EndReason != c.want {
				t.Errorf("manifest %+v, state %+v", m, ended.Last)
			}
			if err == nil || scout.CodeOf(err) != scout.CodeOf(c.want.Err()) {
				t.Errorf("Stop = %v, want the code of %v", err, c.want.Err())
			}
			onDisk, err := f.Folder().Manifest(order.ID)
			check(t, err)
			if onDisk.EndReason != c.want {
				t.Errorf("on disk %+v", onDisk)
			}
			if last := events(recording.KindStopped); last.Failure == "" || last.Manifest.EndReason != c.want {
				t.Errorf("event %+v", last)
			}
			if got := f.metric(t, "scout_recording_ends_total", string(c.want)); got != 1 {
				t.Errorf("metric of the reason is %v", got)
			}
			f.balance(t, m)
			if _, err := f.Folder().Verify(m.ID); err != nil {
				t.Error(err)
			}
			next := orderOf(device)
			if _, err := client.Start(t.Context(), next); err != nil { // the recorder itself lives on
				t.Errorf("the next start: %v", err)
			} else if _, err := client.Stop(t.Context(), next.ID); err != nil {
				t.Error(err)
			}
		})
	}
}

// provoke makes the goroutine come to the place where it fails.
func (f *fixture) provoke(t *testing.T, goroutine string, injected *faults) {
	t.Helper()
	switch goroutine {
	case capture.GoroutineOpening, capture.GoroutineClosing: // where a device that broke is closed and opened again
		injected.set(capture.GoroutineDevice, "error", 1)
	case recording.GoroutineManifest: // where a manifest that was deleted is written again
		check(t, os.Remove(f.Folder().ManifestPath(f.Status().Recording.ID)))
	}
	deadline := time.Now().Add(20 * time.Second)
	for injected.count(goroutine) == 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond) // the goroutine comes by in its rhythm
	}
	if injected.count(goroutine) == 0 {
		t.Errorf("%s never came by", goroutine)
	}
}

// balance holds the metrics of a recorder that recorded one recording against its manifest. Silence in gaps does not count as
// written, whoever made it.
func (f *fixture) balance(t *testing.T, m recording.Manifest) {
	t.Helper()
	gaps, lost := make(map[scout.GapReason]float64), make(map[scout.GapReason]float64)
	for _, g := range m.Gaps {
		gaps[g.Reason]++
		lost[g.Reason] += float64(g.Frames)
	}
	written := float64(m.Frames - m.LostFrames())
	f.holds(t, "scout_recording_written_frames_total", "", written)
	f.holds(t, "scout_recording_written_bytes_total", "", written*float64(m.Format.FrameBytes()))
	f.holds(t, "scout_recording_gaps_total", "", float64(len(m.Gaps)))
	f.holds(t, "scout_recording_gap_frames_total", "", float64(m.LostFrames()))
	for reason := range gaps {
		f.holds(t, "scout_recording_gaps_total", string(reason), gaps[reason])
		f.holds(t, "scout_recording_gap_frames_total", string(reason), lost[reason])
	}
}

func (f *fixture) holds(t *testing.T, name, label string, want float64) {
	t.Helper()
	if got := f.metric(t, name, label); got != want {
		t.Errorf("%s{%s} is %v, want %v", name, label, got, want)
	}
}

// metric is the sum of a metric, of those with that label's value where it is not empty.
func (f *fixture) metric(t *testing.T, name, label string) (sum float64) {
	t.Helper()
	families, err := f.registry.Gather()
	check(t, err)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if label != "" && (len(m.GetLabel()) != 1 || m.GetLabel()[0].GetValue() != label) {
				continue
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// watch collects events; the result returns the next one of a kind.
func (f *fixture) watch(t *testing.T) func(recording.EventKind) recording.Event {
	t.Helper()
	c := f.client(t)
	all := make(chan recording.Event, 1000)
	go func() { // ends with the connection
		_ = c.WatchEvents(t.Context(), func(e recording.Event) bool { all <- e; return true })
		close(all)
	}()
	return func(kind recording.EventKind) recording.Event {
		t.Helper()
		deadline := time.After(20 * time.Second)
		for {
			select {
			case e, open := <-all:
				if !open {
					t.Fatalf("no event %s", kind)
				}
				if e.Kind == kind {
					return e
				}
			case <-deadline:
				t.Fatalf("no event %s", kind)
			}
		}
	}
}

// positions listens to a recording from its beginning; the result gets the position up to which it was told of
// frames, live or as frames that are in the file.
func (f *fixture) positions(t *testing.T, id recording.ID) <-chan uint64 {
	t.Helper()
	stream, err := (remote.Live{Dir: f.Folder().Dir(), Name: "test"}).Listen(t.Context(), id, 0)
	check(t, err)
	heard := make(chan uint64, 1)
	go func() { // ends with the recording or the recorder
		defer func() { _ = stream.Close() }()
		var pos uint64
		for {
			part, err := stream.Next()
			if err != nil {
				heard <- pos
				return
			}
			pos = uint64(part.Position) + uint64(len(part.Frames)/speech.FrameBytes())
		}
	}()
	return heard
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func orderOf(device string) recording.Order {
	o := request()
	o.Device = device
	return o
}

// The recorder makes its lock, socket and endpoint file again if somebody deletes them while it records.
func TestFilesOfTheRecorderThatVanish(t *testing.T) {
	t.Parallel()
	const socket = "the socket"
	for _, name := range []string{recording.LockName, socket, wire.EndpointName} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := run(t, nil)
			c := f.client(t)
			order := request()
			_, err := c.Start(t.Context(), order)
			check(t, err)
			path := filepath.Join(f.Folder().Dir(), name)
			if name == socket { // it lies elsewhere if the path of the folder is long
				endpoint, err := wire.ReadEndpoint(f.Folder().Dir())
				check(t, err)
				path = endpoint.Socket
			}
			check(t, os.Remove(path))
			f.until(t, "the file", func(recording.Status) bool { _, err := os.Stat(path); return err == nil })
			for { // the file is there a moment before its lock is
				lock, err := recording.TakeLock(f.Folder().Dir())
				if scout.CodeOf(err) == scout.CodeRecordingLocked {
					break
				}
				check(t, err)
				check(t, lock.Close())
				time.Sleep(10 * time.Millisecond)
			}
			again := f.client(t)
			m, err := again.Stop(t.Context(), order.ID)
			check(t, err)
			checkCoded(t, f.Folder(), m)
		})
	}
}
