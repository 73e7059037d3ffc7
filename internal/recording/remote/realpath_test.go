//go:build linux

package remote_test

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/recording/wire"
)

var studio = scout.Format{SampleRateHz: 48000, Channels: 1, Sample: scout.SampleS16}

// keepOn begins a recording of a microphone of that sound server, in a recorder process of its own.
func keepOn(t *testing.T, server *pulsetest.Server, device string) (*remote.Keeper, *recording.Folder, error) {
	t.Helper()
	dir := t.TempDir()
	options := launch(dir)
	options.Env = slices.Concat(server.Env(), []string{recorderVariable + "=" + dir, starterVariable + "="})
	request := recording.Order{Device: device, Format: studio}
	folder := open(t, dir)
	k, _, err := remote.Keep(t.Context(), folder, options, request, observe.Scope{})
	t.Cleanup(func() { endRecorder(t, dir) })
	return k, folder, err
}

// longest is how many frames of the signal are looked for.
const longest = 10 * 48000

// heard returns how many frames of the coded signal are in a recording, bit for bit, and where.
func heard(t *testing.T, folder *recording.Folder, m recording.Manifest) (frames uint64, runs []pulsetest.Run) {
	t.Helper()
	content, err := os.ReadFile(folder.AudioPath(m.ID))
	check(t, err)
	runs = pulsetest.Decode(content[recording.HeaderBytes:], 1, seed, longest)
	for _, r := range runs {
		frames += r.Frames
	}
	if _, err := folder.Verify(m.ID); err != nil {
		t.Error(err)
	}
	return frames, runs
}

// untilHeard waits until something was heard at or behind a position, and for half a second more.
func untilHeard(t *testing.T, k *remote.Keeper, folder *recording.Folder, pos scout.Position) {
	t.Helper()
	f, err := folder.Follow(k.ID(), recording.FollowOptions{From: pos})
	check(t, err)
	for {
		block, err := f.Next(t.Context())
		check(t, err)
		if !recordingtest.Silent(block.Frames) {
			until(t, k.Client(), uint64(f.Position())+24000)
			check(t, f.Close())
			return
		}
	}
}

// TestTheRealPathIsBitExact plays a coded signal into a microphone and finds it, bit for bit, in the
// recording of a recorder process.
func TestTheRealPathIsBitExact(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	microphone := server.AddMicrophone("mic", 48000, 1)
	k, folder, err := keepOn(t, server, "mic.monitor")
	check(t, err)
	player := microphone.PlayCoded(seed, 48000, 1, 2*time.Second)
	<-player.Done()
	state, err := k.Client().Status(t.Context())
	check(t, err)
	until(t, k.Client(), state.Recording.Captured+24000)
	m, err := k.Stop(t.Context())
	check(t, err)
	// The first moments that are played into an idle sink may be swallowed by it, and on a machine under
	// load the player may be late: then there are several runs.
	frames, runs := heard(t, folder, m)
	if frames < 48000*3/2 {
		t.Errorf("%d frames of two seconds in %v", frames, runs)
	}
	if m.Device.ID != "mic.monitor" || len(m.Gaps) != 0 || !strings.Contains(m.Device.Delivers, "48000") {
		t.Errorf("manifest %+v", m)
	}
}

// TestWhatIsLostOnTheRealPathIsInTheGaps kills the recorder and then the sound server under a
// recording: it continues each time, its time stays true, and what is not there lies in gaps.
func TestWhatIsLostOnTheRealPathIsInTheGaps(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	microphone := server.AddMicrophone("mic", 48000, 1)
	k, folder, err := keepOn(t, server, "mic.monitor")
	check(t, err)
	microphone.PlayCoded(seed, 48000, 1, time.Minute)
	untilHeard(t, k, folder, 0)

	first := k.Client()
	check(t, syscall.Kill(first.PID(), syscall.SIGKILL))
	for k.Client() == first {
		time.Sleep(5 * time.Millisecond) // the keeper works by itself
	}
	state, err := k.Client().Status(t.Context())
	check(t, err)
	untilHeard(t, k, folder, scout.Position(state.Recording.Written))

	gaps := make(chan scout.Gap, 8)
	go func() { // ends with the test
		_ = k.Client().WatchEvents(t.Context(), func(e recording.Event) bool {
			if e.Gap != nil {
				gaps <- *e.Gap
			}
			return true
		})
	}()
	server.Kill()
	server.Restart()
	again := server.AddMicrophone("mic", 48000, 1)
	again.PlayCoded(seed, 48000, 1, time.Minute)
	lost := <-gaps
	untilHeard(t, k, folder, lost.End())
	began := m0(t, folder, k.ID())
	least := time.Since(began)
	m, err := k.Stop(t.Context())
	most := time.Since(began)
	check(t, err)

	reasons := make(map[scout.GapReason]bool)
	for _, g := range m.Gaps {
		reasons[g.Reason] = true
	}
	ofServer := reasons[capture.GapServerLost] || reasons[capture.GapStalled] || reasons[capture.GapDeviceLost]
	if !reasons[recording.GapRestart] || !ofServer {
		t.Errorf("gaps %v", m.Gaps)
	}
	if length := m.Duration(); length < least-500*time.Millisecond || length > most+500*time.Millisecond {
		t.Errorf("%s recorded in %s to %s", length, least, most)
	}
	// The runs on both sides of the first gap are of one player: across the death of the recorder, what is between two
	// frames in the file is what was between them in time. The last is what was played to the new server. On a busy
	// machine the player may be late, which divides a run.
	_, runs := heard(t, folder, m)
	defer func() {
		if t.Failed() {
			t.Logf("what was played is in %v, gaps %v", runs, m.Gaps)
		}
	}()
	if len(runs) < 3 {
		t.Fatalf("%d runs, want 3", len(runs))
	}
	restart := m.Gaps[0]
	next := slices.IndexFunc(runs, func(r pulsetest.Run) bool { return r.At >= uint64(restart.End()) })
	if next < 1 || runs[next-1].At+runs[next-1].Frames > uint64(restart.Start) {
		t.Fatalf("no run on each side of the gap %v", restart)
	}
	before, after := int64(runs[next-1].At-runs[next-1].Source), int64(runs[next].At-runs[next].Source)
	if off := studio.Duration(uint64(max(before-after, after-before))); off > 50*time.Millisecond {
		t.Errorf("the gap of the recorder is wrong by %s", off)
	}
	if late := runs[next].At - uint64(restart.End()); late > 2400 {
		t.Errorf("what was played goes on %d frames after the gap %v, at %d", late, restart, runs[next].At)
	}
}

// m0 returns when the recording began.
func m0(t *testing.T, folder *recording.Folder, id recording.ID) time.Time {
	t.Helper()
	m, err := folder.Manifest(id)
	check(t, err)
	return m.StartedAt
}

// A start that fails returns an error with a code and leaves nothing behind.
func TestAStartOnTheRealPathThatFails(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	server.AddMicrophone("mic", 48000, 1)
	_, folder, err := keepOn(t, server, "no-such-microphone")
	if scout.CodeOf(err) != scout.CodeDeviceNotFound {
		t.Errorf("Keep = %v (%s), want %s", err, scout.CodeOf(err), scout.CodeDeviceNotFound)
	}
	if list, problems, err := folder.List(); len(list)+len(problems) != 0 || err != nil {
		t.Errorf("left behind: %v, %v, %v", list, problems, err)
	}
}

// A stop cancels a start that still waits for its sound server; both report it.
func TestAStopCancelsAStart(t *testing.T) {
	t.Parallel()
	server := pulsetest.Start(t)
	server.AddMicrophone("mic", 48000, 1)
	server.Signal(syscall.SIGSTOP)
	dir := t.TempDir()
	options := launch(dir)
	options.Env = slices.Concat(server.Env(), []string{recorderVariable + "=" + dir, starterVariable + "="})
	t.Cleanup(func() { endRecorder(t, dir) })
	kept := make(chan error, 1)
	go func() { // ends when the start is cancelled
		_, _, err := remote.Keep(t.Context(), open(t, dir), options, recording.Order{Device: "mic.monitor", Format: studio}, observe.Scope{})
		kept <- err
	}()
	for said := false; ; {
		m, err := remote.Stop(t.Context(), open(t, dir), options)
		// A recorder that has its folder and no socket yet cannot be asked.
		if code := scout.CodeOf(err); m.ID != "" || code != scout.CodeNotRecording && code != scout.CodeRecorderUnreachable {
			t.Fatalf("%+v, %v", m, err)
		}
		said = said || contains(err.Error(), wire.StartCancelled)
		select {
		case err := <-kept:
			if scout.CodeOf(err) != scout.CodeCancelled || !said {
				t.Errorf("Keep = %v (%s), and the stop said %t that it cancelled it", err, scout.CodeOf(err), said)
			}
			return
		default: // the start may not have reached the recorder yet
		}
	}
}
