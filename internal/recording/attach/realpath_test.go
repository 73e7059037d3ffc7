//go:build linux

package attach_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/attach"
	"github.com/scout-speech/scout/internal/recording/recordingtest"
)

// soundServer starts a PulseAudio of the test's own whose one sink is the microphone, and returns the
// environment that reaches it.
func soundServer(t *testing.T) []string {
	t.Helper()
	for _, program := range []string{"pulseaudio", "paplay", "pactl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed (Debian: apt-get install pulseaudio pulseaudio-utils)", program)
		}
	}
	runtime, err := os.MkdirTemp("", "scout-pulse") // shorter than t.TempDir: it holds a socket
	check(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(runtime); err != nil {
			t.Error(err)
		}
	})
	env := append(os.Environ(), "XDG_RUNTIME_DIR="+runtime, "HOME="+runtime,
		"PULSE_SERVER=unix:"+filepath.Join(runtime, "pulse", "native"), "PULSE_RUNTIME_PATH="+filepath.Join(runtime, "pulse"))
	server := exec.Command("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--log-level=error",
		"-L", "module-native-protocol-unix", "-L", "module-null-sink sink_name=mic rate=48000 channels=1 format=s16le")
	server.Env = env
	check(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill() // it may have ended already
		_ = server.Wait()         // and says that it was killed
	})
	for range 500 {
		info := exec.Command("pactl", "info")
		info.Env = env
		if info.Run() == nil {
			return env
		}
		time.Sleep(20 * time.Millisecond) // until the server answers: nothing tells of it
	}
	t.Fatal("the sound server does not answer")
	return nil
}

// TestTheRealPathIsBitExact plays a coded signal into a null sink and finds it, bit for bit, in the
// recording of a recorder process.
func TestTheRealPathIsBitExact(t *testing.T) {
	t.Parallel()
	env := soundServer(t)
	dir := t.TempDir()
	folder := open(t, dir)
	options := launch(dir)
	options.Env = append(env, recorderVariable+"="+dir, starterVariable+"=")
	request := start("")
	request.Device, request.Format = "mic.monitor", scout.Format{SampleRateHz: 48000, Channels: 1, Sample: scout.SampleS16}
	k, started, err := attach.Keep(t.Context(), folder, options, request, observe.Scope{})
	check(t, err)
	t.Cleanup(func() { endRecorder(t, dir) })

	// A second of the signal after half a second of silence: an idle sink swallows its first moments.
	const lead, length = 24000, 48000
	played := make([]byte, 2*(lead+length))
	recordingtest.Coded(played[2*lead:], 2, 0)
	play := exec.CommandContext(t.Context(), "paplay", "--device=mic", "--raw", "--rate=48000", "--channels=1", "--format=s16le")
	play.Env, play.Stdin = env, bytes.NewReader(played)
	if out, err := play.CombinedOutput(); err != nil {
		t.Fatalf("paplay: %v: %s", err, out)
	}
	state, err := k.Client().State(t.Context())
	check(t, err)
	until(t, k.Client(), state.Recording.Captured+24000)
	m, err := k.Stop(t.Context())
	check(t, err)

	content, err := os.ReadFile(folder.AudioPath(m.ID))
	check(t, err)
	at := bytes.Index(content[recording.HeaderBytes:], played[2*lead:2*lead+64])
	if at < 0 {
		t.Fatalf("of what was played nothing is in %d frames; gaps %v", m.Frames, m.Gaps)
	}
	heard := content[recording.HeaderBytes+at:]
	if len(heard) < 2*length || !bytes.Equal(heard[:2*length], played[2*lead:]) {
		t.Errorf("what was played is not what was recorded")
	}
	if m.Device.ID != "mic.monitor" || len(m.Gaps) != 0 || !strings.Contains(m.Device.Delivers, "48000") {
		t.Errorf("manifest %+v", m)
	}
	if _, err := folder.Verify(started.ID); err != nil {
		t.Error(err)
	}
}

// TestALaunchOnTheRealPathThatFails: a typed error, and nothing left that runs.
func TestALaunchOnTheRealPathThatFails(t *testing.T) {
	t.Parallel()
	env := soundServer(t)
	dir := t.TempDir()
	options := launch(dir)
	options.Env = append(env, recorderVariable+"="+dir, starterVariable+"=")
	request := start("")
	request.Device = "no-such-microphone"
	_, _, err := attach.Keep(context.Background(), open(t, dir), options, request, observe.Scope{})
	if scout.CodeOf(err) != scout.CodeDeviceNotFound {
		t.Errorf("Keep = %v (%s), want %s", err, scout.CodeOf(err), scout.CodeDeviceNotFound)
	}
	endRecorder(t, dir)
	if list, problems, err := open(t, dir).List(); len(list)+len(problems) != 0 || err != nil {
		t.Errorf("left behind: %v, %v, %v", list, problems, err)
	}
}
