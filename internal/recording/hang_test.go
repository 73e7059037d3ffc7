package recording_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
)

// pumping is a pump that writes what a device delivers in real time, in a bubble of synctest.
type pumping struct {
	*recording.Pump
	folder *recording.Folder
	disk   *recordingtest.Disk
	writer *recording.Writer
	saved  []recording.Saved // and what became of it; read after finish, or from the bubble while the pump waits
	lost   []error
	cancel context.CancelFunc
	ended  chan error
}

func startPump(t *testing.T, buffer time.Duration, change func(*recording.PumpOptions)) *pumping {
	t.Helper()
	folder, disk := openFolder(t)
	p := &pumping{folder: folder, disk: disk, writer: create(t, folder, speech), ended: make(chan error, 1)}
	r := newRing(t, speech, buffer)
	options := recording.PumpOptions{Saved: func(s recording.Saved, err error) {
		p.saved, p.lost = append(p.saved, s), append(p.lost, err)
	}}
	if change != nil {
		change(&options)
	}
	p.Pump = recording.NewPump(r, p.writer, options)
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	go deliver(ctx, r, speech, time.Hour)
	go func() {
		_, err := p.Run(context.Background())
		p.ended <- err
	}()
	return p
}

// finish ends the recording and returns its manifest.
func (p *pumping) finish(t *testing.T) (recording.Manifest, error) {
	t.Helper()
	p.Stop(1 << 62)
	err := <-p.ended
	p.cancel()
	if err != nil {
		t.Errorf("the pump ended with %v", err)
	}
	return p.writer.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped})
}

func TestADiskThatDoesNotAnswerIsReported(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		operation recording.Operation
		writes    bool // audio is written all the same
	}{
		{recording.OperationWrite, false},
		{recording.OperationSync, true},
		{recording.OperationManifest, true},
		{recording.OperationLook, true},
		{recording.OperationRead, false},
		{recording.OperationSpace, true},
	} {
		t.Run(string(c.operation), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				registry := prom.NewRegistry()
				metrics := recording.NewMetrics(observe.NewScope(nil, registry, nil))
				p := startPump(t, time.Minute, func(o *recording.PumpOptions) { o.Metrics = metrics })
				time.Sleep(time.Second)
				p.disk.Hang(c.operation, true)
				if c.operation == recording.OperationManifest {
					p.writer.AddGap(gapAt(1000)) // something to save
				}
				if c.operation == recording.OperationSpace {
					go func() { _, _, _ = p.folder.SpaceLeft(speech) }()
				}
				before := p.writer.Frames()
				time.Sleep(4 * time.Second)
				trouble := p.Trouble()
				if trouble.Condition != recording.ConditionStalled || trouble.Operation != c.operation || trouble.For < 3*time.Second || trouble.For > 4*time.Second {
					t.Errorf("after 4 s: %+v", trouble)
				}
				metrics.Trouble(trouble)
				if got, err := testutil.GatherAndCount(registry, "scout_recording_disk_wait_seconds"); err != nil || got != len(recording.Operations()) {
					t.Errorf("%d operations in the metric", got)
				}
				if wrote := p.writer.Frames() - before; c.writes && wrote < speech.Frames(3*time.Second) {
					t.Errorf("only %d frames were written meanwhile", wrote)
				}
				if c.operation == recording.OperationSync && p.writer.Frames()-p.writer.Synced() < speech.Frames(3*time.Second) {
					t.Errorf("synced %d of %d", p.writer.Synced(), p.writer.Frames())
				}
				p.disk.Hang(c.operation, false)
				time.Sleep(time.Second)
				if trouble := p.Trouble(); trouble.Condition != recording.ConditionOK || trouble.Operation != "" {
					t.Errorf("after that: %+v", trouble)
				}
				m, err := p.finish(t)
				check(t, err)
				if c.operation != recording.OperationManifest {
					if len(m.Gaps) != 0 || m.Frames < speech.Frames(5*time.Second) {
						t.Errorf("manifest %+v", m)
					}
					checkAudio(t, p.folder, m)
				}
			})
		})
	}
}

// Failures of the goroutines beside the pump cost no frame, and each has a condition.
func TestHelpersOfThePumpThatFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		goroutine string
		condition recording.Condition
	}{
		{recording.GoroutineSync, recording.ConditionNotSynced},
		{recording.GoroutineManifest, recording.ConditionNoManifest},
		{recording.GoroutineLook, recording.ConditionOK},
	} {
		for _, how := range []string{"panic", "error", "hang"} {
			t.Run(c.goroutine+" "+how, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					faults := newFaults()
					p := startPump(t, time.Minute, func(o *recording.PumpOptions) { o.Faults = faults.at })
					time.Sleep(time.Second)
					faults.set(c.goroutine, how)
					p.writer.AddGap(gapAt(1000))
					time.Sleep(6 * time.Second)
					if got := p.Trouble().Condition; got != c.condition {
						t.Errorf("condition %s, want %s", got, c.condition)
					}
					if p.writer.Frames() < speech.Frames(6*time.Second) {
						t.Errorf("only %d frames are written", p.writer.Frames())
					}
					faults.set(c.goroutine, "")
					time.Sleep(5 * time.Second)
					if got := p.Trouble().Condition; got != recording.ConditionOK {
						t.Errorf("condition %s after that", got)
					}
					m, err := p.finish(t)
					check(t, err)
					if m.Frames < speech.Frames(11*time.Second) || len(m.Gaps) != 1 {
						t.Errorf("manifest %+v", m)
					}
				})
			})
		}
	}
}
