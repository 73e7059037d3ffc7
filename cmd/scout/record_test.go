//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/audio/wav"
	"github.com/scout-speech/scout/internal/capture/pulsetest"
	"github.com/scout-speech/scout/internal/capture/virtual"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/testrun"
)

// The tests in this file record as a user does: with the built program, the recorder process that it starts, and a
// sound server of their own, whose null sink is the microphone.

// TestRecordTranscribesWhatIsSpoken speaks into a microphone and presses Ctrl-C twice.
func TestRecordTranscribesWhatIsSpoken(t *testing.T) {
	t.Parallel()
	needModel(t)
	b := newBooth(t)
	target := filepath.Join(t.TempDir(), "note.wav")
	p := b.start("record", "--transcribe", "--output", target)
	p.await("recording… Monitor of Microphone-mic")
	<-b.mic.PlayFile(clip).Done()
	list, _, err := b.folder().List()
	if err != nil || len(list) != 1 {
		t.Fatalf("recordings %v, %v", list, err)
	}
	p.signal(syscall.SIGINT)
	p.signal(syscall.SIGINT)
	got := p.end()
	if got.code != 0 || !said(got.out, 1) {
		t.Errorf("exit %d: %q %s", got.code, got.out, got.err)
	}
	for _, want := range []string{"converted to 16000 Hz, mono, s16", "no gaps: " + target} {
		if !strings.Contains(got.err, want) {
			t.Errorf("%q is not in %s", want, got.err)
		}
	}
	m := b.only()
	if m.EndReason != recording.EndStopped || m.Device.ID != "mic.monitor" {
		t.Errorf("manifest %+v", m)
	}
	if copied, err := os.ReadFile(target); err != nil || uint64(len(copied)) < recording.HeaderBytes+m.Frames*2 {
		t.Errorf("the copy has %d bytes, %v", len(copied), err)
	}
}

// TestTheRecordingGoesOnWhenItsProgramIsKilled: not one frame is missing, and the next program attaches at once.
func TestTheRecordingGoesOnWhenItsProgramIsKilled(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	p := b.start(append([]string{"record"}, studio...)...)
	p.await("recording…")
	witness := b.mic.Listen(48_000, 1)
	player := b.mic.PlayCoded(codedSeed, 48_000, 1, 4*time.Second)
	b.untilFrames(48_000)
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.end()

	if got := b.run("record", "--duration", "1s"); got.code != 1 || !strings.Contains(got.err, "is under way") || !strings.Contains(got.err, "scout recordings attach") {
		t.Errorf("a second start: exit %d: %s", got.code, got.err)
	}
	if got := b.run("recordings", "delete", "--yes", string(b.list()[0].ID)); got.code != 1 || !strings.Contains(got.err, "being recorded") {
		t.Errorf("delete: exit %d: %s", got.code, got.err)
	}
	began := time.Now()
	next := b.start("recordings", "attach")
	next.await("attached to " + string(b.list()[0].ID))
	t.Logf("attached %v after the start of the program", time.Since(began).Round(time.Millisecond))
	<-player.Done()
	next.signal(syscall.SIGTERM)
	if got := next.end(); got.code != 0 || !strings.Contains(got.err, "no gaps") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	m := b.only()
	_, runs := b.heard(m, 5*48_000)
	delivered := pulsetest.Decode(witness.Stop(), 1, codedSeed, 5*48_000)
	if missing := pulsetest.Missing(runs, delivered); missing > 0 || len(delivered) == 0 {
		t.Errorf("%d frames are missing that another program heard: recorded %v, the other %v", missing, runs, delivered)
	}
}

// TestARecorderThatIsKilledIsReplaced kills the recorder while a program attends the recording.
func TestARecorderThatIsKilledIsReplaced(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	p := b.start(append([]string{"record"}, studio...)...)
	p.await("recording…")
	b.untilFrames(24_000)
	if err := syscall.Kill(b.recorderPID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.await(replacedText)
	b.untilFrames(b.list()[0].Frames + 72_000)
	p.signal(syscall.SIGINT)
	got := p.end()
	m := b.only()
	if got.code != 0 || m.Resumed != 1 || len(m.Gaps) != 1 || m.Gaps[0].Reason != recording.GapRestart || !strings.Contains(got.err, "1 gap of ") {
		t.Errorf("exit %d: %s: manifest %+v", got.code, got.err, m)
	}
	t.Logf("the gap is %v long", m.Format.Duration(m.Gaps[0].Frames))
}

// TestWhatACrashLeftIsShownAsRecovered kills a recorder and everything that would restart it, like a loss of power.
func TestWhatACrashLeftIsShownAsRecovered(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	id := strings.TrimSpace(b.must(append([]string{"record", "--detach"}, studio...)...).out)
	b.untilFrames(48_000)
	if got := b.must("recordings", "show"); !strings.Contains(got.out, "recording") || !strings.Contains(got.out, "recorder ") {
		t.Errorf("%s", got.out)
	}
	client, err := remote.Dial(t.Context(), b.dir, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// The parent must not notice that the recorder has died, so it is suspended. The recorder is killed first: the
	// kernel wakes a suspended process whose parent dies, and it would start another recorder.
	testrun.Suspend(t, client.Parent())
	for _, pid := range []int{client.PID(), client.Parent()} {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	<-client.Done()
	for { // the lock ends with the process
		lock, err := recording.TakeLock(b.dir)
		if err == nil {
			if err := lock.Close(); err != nil {
				t.Fatal(err)
			}
			break
		}
		time.Sleep(time.Millisecond)
	}
	got := b.must("recordings", "list")
	if !strings.Contains(got.err, "recovered "+id) || !strings.Contains(got.out, " recovered") || !strings.HasPrefix(got.out, "ID ") {
		t.Errorf("%s%s", got.out, got.err)
	}
	if got := b.must("recordings", "list"); got.err != "" || !strings.Contains(got.out, " recovered") {
		t.Errorf("a second time: %s%s", got.out, got.err)
	}
	if m := b.only(); m.Frames < 48_000 || m.State != recording.StateRecovered {
		t.Errorf("manifest %+v", m)
	}
	if got := b.run("record", "stop"); got.code != 1 || !strings.Contains(got.err, "nothing is being recorded") || !strings.Contains(got.err, id) {
		t.Errorf("stop: exit %d: %s", got.code, got.err)
	}
}

// TestDetachAndStop records in the background, in a format that the device cannot deliver.
func TestDetachAndStop(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	started := b.must("record", "--detach", "--rate", "44100", "--channels", "2", "--format", "s24", "--device", "microphone")
	if !strings.Contains(started.err, "48000 Hz, 1 channel, pcm_s16le, converted to 44100 Hz, 2 channels, s24") {
		t.Errorf("%s", started.err)
	}
	b.untilFrames(22_050)
	watcher := b.start("recordings", "attach", "--watch")
	watcher.await("attached to " + strings.TrimSpace(started.out))
	watcher.signal(syscall.SIGINT)
	if got := watcher.end(); got.code != 0 {
		t.Errorf("watch: exit %d: %s", got.code, got.err)
	}
	target := filepath.Join(t.TempDir(), "take.wav")
	got := b.must("record", "stop", "--output", target)
	if strings.TrimSpace(got.out) != target {
		t.Errorf("%s", got.out)
	}
	f, err := os.Open(target)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	r, err := wav.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if format := r.Format(); format.SampleRateHz != 44_100 || format.Channels != 2 || format.Encoding.String() != "pcm_s24le" {
		t.Errorf("format %+v", format)
	}
	id := b.only().ID
	if got := b.run("record", "stop"); got.code != 1 || !strings.Contains(got.err, "nothing is being recorded") {
		t.Errorf("stop again: exit %d: %s", got.code, got.err)
	}
	if got := b.run("recordings", "delete", string(id)); got.code != 2 || !strings.Contains(got.err, "--yes") {
		t.Errorf("delete without --yes: exit %d: %s", got.code, got.err)
	}
	if got := b.must("recordings", "verify", "--json"); !strings.Contains(got.out, `"intact": true`) {
		t.Errorf("%s", got.out)
	}
	b.must("recordings", "delete", "--yes", string(id)[len(id)-12:])
	if got := b.must("recordings", "list", "--json"); !strings.Contains(got.out, `"recordings": []`) {
		t.Errorf("%s", got.out)
	}
}

// TestDamageInTheFolder: a damaged manifest is rebuilt; foreign files are named and left alone.
func TestDamageInTheFolder(t *testing.T) {
	t.Parallel()
	b := quietBooth(t)
	path := strings.TrimSpace(b.must("record", "--duration", "0.3", "--device", "tone:440").out)
	b.close()
	manifest := strings.TrimSuffix(path, ".wav") + ".json"
	if err := os.WriteFile(manifest, []byte(`{"version":1,"id":`), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(b.dir, "holiday.wav")
	if err := os.WriteFile(foreign, []byte("not ours"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := b.run("recordings", "recover", "--json")
	var report struct {
		Recovered []struct{ Reason string }
		Problems  []struct{ Path, Code string }
	}
	if err := json.Unmarshal([]byte(got.out), &report); err != nil || got.code != 0 {
		t.Fatalf("exit %d, %v: %s%s", got.code, err, got.out, got.err)
	}
	if len(report.Recovered) != 1 || report.Recovered[0].Reason != "the manifest was damaged" || len(report.Problems) != 1 || report.Problems[0].Code != "recording_foreign" {
		t.Errorf("%+v", report)
	}
	if got := b.must("recordings", "list"); !strings.Contains(got.out, "recovered") || !strings.Contains(got.err, "holiday.wav: not made by ") {
		t.Errorf("%s%s", got.out, got.err)
	}
	if content, err := os.ReadFile(foreign); err != nil || string(content) != "not ours" {
		t.Errorf("%q, %v", content, err)
	}
	b.must("recordings", "verify")
	// Audio that has changed cannot be repaired, and is reported.
	audio, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	audio[len(audio)/2] ^= 0x55
	if err := os.WriteFile(path, audio, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := b.run("recordings", "verify"); got.code != 1 || !strings.Contains(got.err, "checksum") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
}

// TestDevicesAndLevel lists, watches and listens to microphones.
func TestDevicesAndLevel(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	var list deviceList
	if got := b.must("devices", "--json"); json.Unmarshal([]byte(got.out), &list) != nil || len(list.Devices) != 1 ||
		list.Devices[0].ID != "mic.monitor" || !list.Devices[0].Default || len(list.Devices[0].Formats) == 0 {
		t.Errorf("%s", got.out)
	}
	if got := b.must("devices"); !strings.Contains(got.out, "*  ") || !strings.Contains(got.out, "mic.monitor") {
		t.Errorf("%s", got.out)
	}
	watch := b.command("devices", "--watch")
	var said bytes.Buffer
	watch.Stderr = &said
	out, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	await := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("it ended without %q: %v: %s", want, watch.Wait(), said.String())
	}
	await("mic.monitor")
	other := b.server.AddMicrophone("other", 44_100, 2)
	await("+ Monitor of Microphone-other  other.monitor")
	other.Remove()
	await("- Monitor of Microphone-other  other.monitor")
	if err := watch.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := watch.Wait(); err != nil {
		t.Error(err)
	}

	b.mic.PlayCoded(codedSeed, 48_000, 1, 10*time.Second)
	var loudest float64
	for line := range strings.Lines(b.must("level", "--json", "--every", "20ms", "--duration", "1s").out) {
		var l levelLine
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Device != "mic.monitor" {
			t.Fatalf("%v: %s", err, line)
		}
		loudest = max(loudest, l.Peak)
	}
	if loudest < 0.2 || loudest > 0.26 { // the peak of the coded signal is a quarter of full scale
		t.Errorf("peak %v", loudest)
	}
}

// TestBadInputOfRecording: one clear line, a hint and the right exit code, and nothing is left behind.
func TestBadInputOfRecording(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	silent, incomplete := quietBooth(t), quietBooth(t)
	idle := quietBooth(t)                             // a stop would cancel what others are about to record
	if err := os.MkdirAll(b.dir, 0o700); err != nil { // else it depends on who comes first whether there is a folder
		t.Fatal(err)
	}
	incomplete.env = append(incomplete.env, "SCOUT_RECORDER="+filepath.Join(t.TempDir(), "scout-recorder"))
	there := filepath.Join(t.TempDir(), "there.wav")
	if err := os.WriteFile(there, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		in   *booth
		args []string
		code int
		text string
		hint string
	}{
		"unknown device":           {b, []string{"record", "--device", "trumpet"}, 1, `no device "trumpet"`, "mic.monitor"},
		"unknown device, level":    {b, []string{"level", "--device", "trumpet"}, 1, `no device "trumpet"`, "mic.monitor"},
		"no sound server":          {silent, []string{"record"}, 1, "no sound server", "PulseAudio"},
		"no sound server, devices": {silent, []string{"devices"}, 1, "no sound server", "PulseAudio"},
		"no sound server, level":   {silent, []string{"level"}, 1, "no sound server", "PulseAudio"},
		"file that is not there":   {silent, []string{"record", "--device", "file:none.wav"}, 1, "none.wav", "check the path"},
		"no recorder program":      {incomplete, []string{"record"}, 1, "scout-recorder not found", "make build"},
		"file that is no WAV":      {silent, []string{"record", "--device", "file:" + there}, 1, "there.wav", ""},
		"wrong virtual device":     {silent, []string{"record", "--device", "tone:high"}, 2, "not a number", "tone:440"},
		"rate too low":             {b, []string{"record", "--rate", "1000"}, 2, "--rate … 1000 … 8000 to 192000", ""},
		"no channels":              {b, []string{"record", "--channels", "0"}, 2, "--channels … 0 … 1 to 64", ""},
		"unknown format":           {b, []string{"record", "--format", "s8"}, 2, `--format … "s8" … s16, s24 or f32`, ""},
		"no duration":              {b, []string{"record", "--duration", "soon"}, 2, "1:30", "--help"},
		"duration of nothing":      {b, []string{"record", "--duration", "0s"}, 2, "1:30", "--help"},
		"unknown policy":           {b, []string{"record", "--on-loss", "panic"}, 2, "--on-loss … panic … follow", "scout settings show"},
		"detach with text":         {b, []string{"record", "--detach", "--transcribe"}, 2, "--detach does not go with --transcribe", "scout record stop"},
		"argument":                 {b, []string{"record", "now"}, 2, "now", "--help"},
		"output folder missing":    {b, []string{"record", "--output", filepath.Join(t.TempDir(), "no", "x.wav")}, 1, "x.wav", "check the path"},
		"output folder read-only":  {b, []string{"record", "--output", "/proc/x.wav"}, 1, "/proc/x.wav", "check"},
		"output is no WAV":         {b, []string{"record", "--output", "x.mp3"}, 2, "name it .wav", "--help"},
		"output exists":            {b, []string{"record", "--output", there}, 2, "exists already", "--force"},
		"folder is a file":         {b, []string{"record", "--recordings-dir", there}, 1, "there.wav", ""},
		"folder cannot be made":    {b, []string{"record", "--recordings-dir", "/proc/recordings"}, 1, "/proc/recordings", ""},
		"unknown model":            {b, []string{"record", "--transcribe", "--model", "colossus"}, 1, "colossus", "scout models list"},
		"stop without start":       {idle, []string{"record", "stop"}, 1, "nothing is being recorded", "scout record"},
		"attach to nothing":        {idle, []string{"recordings", "attach"}, 1, "nothing is being recorded", "scout record"},
		"show of nothing":          {silent, []string{"recordings", "show"}, 1, "no recordings", "scout record"},
		"unknown recording":        {b, []string{"recordings", "verify", "2020"}, 1, `no recording "2020"`, "recordings list"},
		"delete of nothing":        {b, []string{"recordings", "delete"}, 2, "an argument is missing: scout recordings delete ID", "for example"},
		"rhythm too quick":         {b, []string{"level", "--every", "1ms"}, 2, "20ms", "--help"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := c.in.run(c.args...)
			got.complains(t, c.code, c.text, c.hint)
			if got.out != "" {
				t.Errorf("output %q", got.out)
			}
		})
	}
	t.Cleanup(func() {
		for _, in := range []*booth{b, silent, incomplete, idle} {
			if list, problems, err := in.folder().List(); len(list)+len(problems) != 0 || err != nil {
				t.Errorf("left behind: %v, %v, %v", list, problems, err)
			}
		}
		if content, err := os.ReadFile(there); err != nil || string(content) != "mine" {
			t.Errorf("%q, %v", content, err)
		}
	})
}

// TestLengths reads lengths as people write them.
func TestLengths(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"15s": 15 * time.Second, "90": 90 * time.Second, "1:30": 90 * time.Second, "0.5": 500 * time.Millisecond, "1.001": 1001 * time.Millisecond,
		"1:02:03": time.Hour + 2*time.Minute + 3*time.Second, "2m": 2 * time.Minute,
		"": 0, "-1": 0, "0": 0, "1:2:3:4": 0, "NaN": 0, "1e300": 0, "one": 0,
	} {
		var l length
		if err := l.Set(text); (err == nil) != (want > 0) || time.Duration(l) != want {
			t.Errorf("%q = %v, %v: want %v", text, time.Duration(l), err, want)
		}
	}
}

// TestVirtualFilesAreFound: the recorder process runs in another folder than the user.
func TestVirtualFilesAreFound(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for device, want := range map[string]string{
		"file:a.wav": "file:" + filepath.Join(here, "a.wav"), "file:/a.wav?speed=max": "file:/a.wav?speed=max",
		"file:a.wav?speed=max": "file:" + filepath.Join(here, "a.wav?speed=max"), "tone:440": "tone:440", "": "",
	} {
		if got, err := resolveDevice(device); got != want || err != nil {
			t.Errorf("%q = %q, %v: want %q", device, got, err, want)
		}
	}
	if !slices.ContainsFunc([]string{"file:x.wav"}, virtual.Is) {
		t.Error("file:x.wav is no virtual device")
	}
}
