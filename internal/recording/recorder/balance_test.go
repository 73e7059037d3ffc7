package recorder_test

import (
	"os"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recorder"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// The metrics agree with the manifest, whatever happened to the recording and however it ended: no frame counts twice and
// no gap is missing.
func TestMetricsAreWhatTheManifestSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// change changes the order and the recorder's options.
		change func(*recording.Order, *recorder.Options)
		// happens while it records; nil for nothing.
		happens func(*testing.T, *fixture, *faults, recording.ID)
		// stops is whether it has to be stopped.
		stops bool
		want  recording.EndReason
		// broken is whether the disk keeps it from becoming final.
		broken bool
	}{
		{name: "stopped", stops: true, want: recording.EndStopped},
		{
			name: "it reached its length", want: recording.EndMaxDuration,
			change: func(o *recording.Order, _ *recorder.Options) { o.Rules.MaxDuration = 600 * time.Millisecond },
		},
		{
			name: "nobody owns it", want: recording.EndNoOwner,
			change: func(o *recording.Order, _ *recorder.Options) { o.Rules.NoOwnerFor = 100 * time.Millisecond },
			happens: func(t *testing.T, f *fixture, _ *faults, _ recording.ID) {
				f.owner.Close() //nolint:errcheck // it leaves
			},
		},
		{
			name: "its source ended", want: recording.EndSource,
			change: func(o *recording.Order, _ *recorder.Options) { o.Device = "signal:7?rate=16000&seconds=0.7" },
		},
		{
			name: "the recorder was shut down", want: recording.EndShutdown,
			happens: func(_ *testing.T, f *fixture, _ *faults, _ recording.ID) { f.Shutdown() },
		},
		{
			name: "syncs failed", stops: true, want: recording.EndStopped,
			happens: func(t *testing.T, f *fixture, _ *faults, _ recording.ID) {
				f.disk.FailSyncs(5)
				f.until(t, "a second more", written(24_000))
			},
		},
		{
			name: "syncs fail until the end", stops: true, want: recording.EndStopped, broken: true,
			happens: func(_ *testing.T, f *fixture, _ *faults, _ recording.ID) { f.disk.FailSyncs(2) },
		},
		{
			name: "the disk was full, longer than memory lasts", stops: true, want: recording.EndStopped,
			change: func(o *recording.Order, _ *recorder.Options) { o.Buffer = time.Second },
			happens: func(t *testing.T, f *fixture, _ *faults, _ recording.ID) {
				f.disk.Fill(0)
				f.until(t, "more than memory holds", func(s recording.Status) bool { return s.Recording.Waiting > 80_000 })
				f.disk.Free()
				f.until(t, "the rest", func(s recording.Status) bool { return s.Recording.Gaps > 0 && s.Recording.Waiting < 8_000 })
			},
		},
		{
			name: "the disk is full at the end", stops: true, want: recording.EndStopped, broken: true,
			change: func(_ *recording.Order, o *recorder.Options) { o.FinishWithin = 100 * time.Millisecond },
			happens: func(t *testing.T, f *fixture, _ *faults, _ recording.ID) {
				f.disk.Fill(0)
				f.until(t, "frames that wait", func(s recording.Status) bool { return s.Recording.Waiting > 8_000 })
			},
		},
		{
			name: "the device failed twice", stops: true, want: recording.EndStopped,
			happens: func(t *testing.T, f *fixture, injected *faults, _ recording.ID) {
				for n := range 2 {
					injected.set(capture.GoroutineDevice, "error", 1)
					f.until(t, "a gap", func(s recording.Status) bool { return s.Recording.Gaps > n })
				}
			},
		},
		{
			name: "it is stopped while the device is away", stops: true, want: recording.EndStopped,
			happens: func(t *testing.T, f *fixture, injected *faults, _ recording.ID) {
				injected.set(capture.GoroutineDevice, "error", 4)
				for injected.count(capture.GoroutineDevice) < 2 {
					time.Sleep(time.Millisecond) // the goroutine comes by in its rhythm
				}
			},
		},
		{
			name: "the pump failed", stops: true, want: recording.EndStopped,
			happens: func(t *testing.T, f *fixture, injected *faults, _ recording.ID) {
				injected.set(recording.GoroutinePump, "panic", 2)
				f.until(t, "a second more", written(24_000))
			},
		},
		{
			name: "capture failed for good", want: recording.EndCapture,
			change: func(_ *recording.Order, o *recorder.Options) { o.RestartPause = 2 * time.Millisecond },
			happens: func(_ *testing.T, _ *fixture, injected *faults, _ recording.ID) {
				injected.set(capture.GoroutineOwner, "error", 1000)
			},
		},
		{
			name: "the file was cut off", stops: true, want: recording.EndStopped,
			happens: func(t *testing.T, f *fixture, _ *faults, id recording.ID) {
				check(t, os.Truncate(f.Folder().AudioPath(id), recording.HeaderBytes+100))
				f.until(t, "a second more", written(24_000))
			},
		},
		{
			name: "the file was deleted and cannot be read", stops: true, want: recording.EndStopped,
			change: func(o *recording.Order, _ *recorder.Options) { o.Buffer = time.Second },
			happens: func(t *testing.T, f *fixture, _ *faults, id recording.ID) {
				f.until(t, "more than memory holds", written(80_000))
				f.disk.Unreadable(true)
				check(t, os.Remove(f.Folder().AudioPath(id)))
				f.until(t, "that it is saved again", func(s recording.Status) bool { return s.Recording.Gaps > 0 })
				f.disk.Unreadable(false)
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			injected := newFaults()
			order := request()
			f := run(t, func(o *recorder.Options) {
				o.Faults = injected.at
				if c.change != nil {
					c.change(&order, o)
				}
			})
			t.Cleanup(injected.end)
			client, err := remote.Dial(t.Context(), f.Folder().Dir(), remote.Options{Name: "test"})
			for ; scout.CodeOf(err) == scout.CodeRecorderUnreachable; client, err = remote.Dial(t.Context(), f.Folder().Dir(), remote.Options{Name: "test"}) {
				time.Sleep(time.Millisecond) // until the socket is there: nothing tells of it
			}
			check(t, err)
			f.owner = client
			t.Cleanup(func() { _ = client.Close() })
			_, err = client.Start(t.Context(), order)
			check(t, err)
			if c.happens != nil {
				f.until(t, "a beginning", func(s recording.Status) bool { return s.Recording == nil || s.Recording.Written >= 4000 })
				c.happens(t, f, injected, order.ID)
			}
			if c.stops {
				_, _ = f.Stop(t.Context(), order.ID) // the manifest tells
			}
			m := *f.until(t, "the end", func(s recording.Status) bool { return s.Recording == nil && s.Last != nil }).Last
			injected.end()
			if m.EndReason != c.want || m.State != recording.StateFinished && !c.broken {
				t.Errorf("manifest %+v", m)
			}
			if on, err := f.Folder().Manifest(order.ID); !c.broken && (err != nil || on.SHA256 != m.SHA256 || len(on.Gaps) != len(m.Gaps)) {
				t.Errorf("on disk %+v, %v", on, err)
			}
			f.balance(t, m)
			t.Logf("%d frames, gaps %+v", m.Frames, m.Gaps)
		})
	}
}
