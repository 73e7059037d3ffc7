package recorder_test

import (
	"os"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recorder"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// A disk that does not answer is reported within a second and a half by the status, an event, the metrics and the health check. The
// status itself is answered at once, and nothing is lost.
func TestADiskThatHangsWhileRecording(t *testing.T) {
	t.Parallel()
	for _, operation := range []recording.Operation{
		recording.OperationWrite, recording.OperationSync, recording.OperationManifest, recording.OperationLook, recording.OperationSpace,
	} {
		t.Run(string(operation), func(t *testing.T) {
			t.Parallel()
			f := run(t, nil)
			t.Cleanup(func() { f.disk.Hang(operation, false) })
			c := f.client(t)
			events := f.watch(t)
			order := request()
			_, err := c.Start(t.Context(), order)
			check(t, err)
			f.until(t, "a beginning", written(4000))
			f.disk.Hang(operation, true)
			if operation == recording.OperationManifest {
				check(t, os.Remove(f.Folder().ManifestPath(order.ID)))
			}
			var longest time.Duration
			s := f.until(t, "the condition", func(recording.Status) bool {
				began := time.Now()
				s, err := c.Status(t.Context())
				check(t, err)
				longest = max(longest, time.Since(began))
				return s.Recording.Condition == recording.ConditionStalled
			})
			if s.Recording.Condition != recording.ConditionStalled {
				s, err = c.Status(t.Context())
				check(t, err)
			}
			if s.Recording.Operation != operation || s.Recording.For < time.Second {
				t.Errorf("state %+v", s.Recording)
			}
			if longest > 2*time.Second { // far above what it takes, far below what hangs
				t.Errorf("a state took %s", longest)
			}
			if e := events(recording.KindCondition); e.Condition != recording.ConditionStalled || e.Operation != operation {
				t.Errorf("event %+v", e)
			}
			if got := f.metric(t, "scout_recording_disk_wait_seconds", string(operation)); got < 1 {
				t.Errorf("metric %v", got)
			}
			if got := f.metric(t, "scout_recording_condition", string(recording.ConditionStalled)); got != 1 {
				t.Errorf("metric of the condition %v", got)
			}
			if h := health.Run(t.Context(), []health.Check{remote.Check(f.Folder().Dir())}, time.Now)[0]; h.Status != health.Unhealthy {
				t.Errorf("health %+v", h)
			}
			f.disk.Hang(operation, false)
			if e := events(recording.KindCondition); e.Condition != recording.ConditionOK {
				t.Errorf("event %+v", e)
			}
			m, err := c.Stop(t.Context(), order.ID)
			check(t, err)
			if len(m.Gaps) != 0 {
				t.Errorf("gaps %v", m.Gaps)
			}
			checkCoded(t, f.Folder(), m)
		})
	}
}

// A start on a disk that does not answer fails with that reason. A file that the disk creates later is removed.
func TestAStartOnADiskThatHangs(t *testing.T) {
	t.Parallel()
	for _, operation := range []recording.Operation{recording.OperationOpen, recording.OperationManifest, recording.OperationSpace, recording.OperationSync} {
		t.Run(string(operation), func(t *testing.T) {
			t.Parallel()
			f := run(t, func(o *recorder.Options) { o.DiskWithin = 3 * time.Second }) // a disk that others use may take two for a sync
			c := f.client(t)
			f.disk.Hang(operation, true)
			t.Cleanup(func() { f.disk.Hang(operation, false) })
			_, err := c.Start(t.Context(), request())
			if scout.CodeOf(err) != scout.CodeDiskStalled {
				t.Errorf("Start = %v", err)
			}
			f.disk.Hang(operation, false)
			order := request()
			_, err = c.Start(t.Context(), order)
			check(t, err)
			_, err = c.Stop(t.Context(), order.ID)
			check(t, err)
			for { // the disk is at it
				list, _, err := f.Folder().List()
				check(t, err)
				if len(list) == 1 {
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
}

// A stop on a disk that does not answer closes the device and reports what hangs. The file becomes final as soon as the disk answers.
func TestAStopOnADiskThatHangs(t *testing.T) {
	t.Parallel()
	for _, operation := range []recording.Operation{recording.OperationWrite, recording.OperationSync, recording.OperationManifest} {
		t.Run(string(operation), func(t *testing.T) {
			t.Parallel()
			f := run(t, func(o *recorder.Options) { o.FinishWithin = 100 * time.Millisecond })
			c := f.client(t)
			order := request()
			_, err := c.Start(t.Context(), order)
			check(t, err)
			f.until(t, "a beginning", written(4000))
			f.disk.Hang(operation, true)
			t.Cleanup(func() { f.disk.Hang(operation, false) })
			_, err = c.Stop(t.Context(), order.ID)
			if scout.CodeOf(err) != scout.CodeDiskStalled {
				t.Errorf("Stop = %v", err)
			}
			if s := f.Status(); s.Recording == nil || !s.Recording.Stopping || s.Capture == "recording" {
				t.Errorf("state %+v", s)
			}
			f.disk.Hang(operation, false)
			f.until(t, "the end", func(s recording.Status) bool { return s.Last != nil })
			m, err := c.Stop(t.Context(), order.ID)
			if operation != recording.OperationWrite { // what could not be written within FinishWithin is a gap
				check(t, err)
				checkCoded(t, f.Folder(), m)
			}
			if _, err := f.Folder().Verify(m.ID); err != nil {
				t.Error(err)
			}
		})
	}
}

// The goroutine that enforces the rules is watched like the others. If it hangs, the status, an event, the metrics and the health check
// report it, and another one takes its place: the recording ends at its longest duration, to the frame.
func TestTheRulesHang(t *testing.T) {
	t.Parallel()
	injected := newFaults()
	f := run(t, func(o *recorder.Options) { o.Faults, o.IdleFor = injected.at, 50*time.Millisecond })
	t.Cleanup(injected.end)
	c := f.client(t)
	events := f.watch(t)
	order := request()
	order.Rules.MaxDuration = time.Second
	_, err := c.Start(t.Context(), order)
	check(t, err)
	f.until(t, "a beginning", written(1600))
	injected.set(recorder.GoroutineRules, "hang", 1)
	s := f.until(t, "the state", func(s recording.Status) bool { return s.Stuck != "" })
	if s.Stuck != recorder.GoroutineRules {
		t.Errorf("state %+v", s)
	}
	if h := health.Run(t.Context(), []health.Check{remote.Check(f.Folder().Dir())}, time.Now)[0]; h.Status != health.Unhealthy {
		t.Errorf("health %+v", h)
	}
	if e := events(recording.KindStuck); e.Goroutine != recorder.GoroutineRules {
		t.Errorf("event %+v", e)
	}
	if got := f.metric(t, "scout_recording_errors_total", string(scout.CodeInternal)); got != 1 {
		t.Errorf("metric %v", got)
	}
	m := events(recording.KindStopped).Manifest
	if m == nil || m.EndReason != recording.EndMaxDuration || m.Duration() != time.Second || len(m.Gaps) != 0 {
		t.Errorf("manifest %+v", m)
	}
	f.until(t, "that it is well", func(s recording.Status) bool { return s.Stuck == "" })
}

// A recorder whose rules hang while it is idle still ends after its idle time.
func TestTheRulesHangWhileIdle(t *testing.T) {
	t.Parallel()
	injected := newFaults()
	injected.set(recorder.GoroutineRules, "hang", 2)
	f := run(t, func(o *recorder.Options) { o.Faults, o.IdleFor = injected.at, 50*time.Millisecond })
	t.Cleanup(injected.end)
	check(t, <-f.ended)
}
