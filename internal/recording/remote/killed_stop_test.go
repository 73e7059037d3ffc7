package remote_test

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/capture/virtual"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// The recorder is killed at any moment of a stop. The recording ends with every frame that the recorder had reported as written, and
// the rest lies in gaps, also if no client waits for the end.
func TestARecorderKilledWhileItStops(t *testing.T) {
	t.Parallel()
	for _, by := range []string{"its owner", "another program", "one that dies as well"} {
		t.Run("stopped by "+by, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			folder := open(t, dir)
			t.Cleanup(func() { endRecorder(t, dir) })
			random := rand.New(rand.NewPCG(1, 2))
			for range 8 {
				k, started, err := remote.Keep(t.Context(), folder, launchFamily(dir), start(""), observe.Scope{})
				check(t, err)
				until(t, k.Client(), 2000)
				before, err := k.Client().Status(t.Context())
				check(t, err)
				pid := k.Client().PID()
				killed := make(chan error, 1)
				kill := func() { killed <- syscall.Kill(pid, syscall.SIGKILL) }
				after := time.Duration(random.Int64N(int64(25 * time.Millisecond)))
				var m recording.Manifest
				switch by {
				case "its owner":
					time.AfterFunc(after, kill)
					m, err = k.Stop(t.Context())
				case "another program":
					check(t, k.Leave())
					time.AfterFunc(after, kill)
					m, err = remote.Stop(t.Context(), folder, launchFamily(dir))
				default:
					check(t, k.Leave())
					c, dialErr := remote.Dial(t.Context(), dir, remote.Options{Name: "test"})
					check(t, dialErr)
					asked := make(chan struct{})
					go func() { // ends with the recorder
						_, _ = c.Stop(t.Context(), started.ID) // nobody hears it
						close(asked)
					}()
					time.Sleep(after)
					kill()
					<-asked
					_ = c.Close() // its other end is gone
					m = untilFinal(t, folder, started.ID)
				}
				check(t, <-killed)
				check(t, err)
				checkKilledStop(t, folder, m, before.Recording.Written)
			}
		})
	}
}

// untilFinal waits until the recording is final, which nobody announces. A kill that came before the stop did leaves it under
// way: then it is stopped.
func untilFinal(t *testing.T, folder *recording.Folder, id recording.ID) recording.Manifest {
	t.Helper()
	for {
		m, err := folder.Manifest(id)
		check(t, err)
		if m.State != recording.StateRecording {
			return m
		}
		c, progress, err := remote.Running(t.Context(), folder.Dir(), remote.Options{Name: "test"})
		if err != nil {
			continue // it is between two processes, or has just ended
		}
		if !progress.Stopping {
			_, err = c.Stop(t.Context(), id)
			check(t, err)
		}
		check(t, c.Close())
		time.Sleep(5 * time.Millisecond)
	}
}

func checkKilledStop(t *testing.T, folder *recording.Folder, m recording.Manifest, acknowledged uint64) {
	t.Helper()
	if m.State != recording.StateFinished || m.EndReason != recording.EndStopped || m.Frames-m.LostFrames() < acknowledged {
		t.Errorf("%d frames were acknowledged, manifest %+v", acknowledged, m)
	}
	for _, g := range m.Gaps {
		if g.Reason != recording.GapRestart {
			t.Errorf("gap %+v", g)
		}
	}
	if on, err := folder.Manifest(m.ID); err != nil || on.State != m.State || on.Frames != m.Frames || on.SHA256 != m.SHA256 {
		t.Errorf("said %+v, on disk %+v, %v", m, on, err)
	}
	checkKept(t, folder, m, acknowledged)
}

// checkKept holds what was acknowledged against what the device delivered; what lies in gaps is silent.
func checkKept(t *testing.T, folder *recording.Folder, m recording.Manifest, acknowledged uint64) {
	t.Helper()
	content, err := os.ReadFile(folder.AudioPath(m.ID))
	check(t, err)
	content = content[recording.HeaderBytes:]
	for i := range acknowledged {
		if got := int16(binary.LittleEndian.Uint16(content[2*i:])); got != virtual.Coded(seed, i, 0) {
			t.Fatalf("frame %d of %d acknowledged ones is not what the device delivered", i, acknowledged)
		}
	}
	for _, g := range m.Gaps {
		if !recordingtest.Silent(content[2*g.Start : 2*g.End()]) {
			t.Errorf("gap %+v is not silent", g)
		}
	}
	if _, err := folder.Verify(m.ID); err != nil {
		t.Error(err)
	}
}
