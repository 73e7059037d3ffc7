//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// The tests in this file check what a user sees when something happens to the recorder. They record a tone, so they
// need no microphone.

// killRecorder kills the process that records once it has recorded that many frames, like a user with pkill.
func (b *booth) killRecorder(frames uint64) {
	b.t.Helper()
	b.untilFrames(frames)
	if err := syscall.Kill(b.recorderPID(), syscall.SIGKILL); err != nil {
		b.t.Fatal(err)
	}
}

// untilEnded waits until the only recording has ended, and returns its manifest.
func (b *booth) untilEnded() recording.Manifest {
	b.t.Helper()
	for {
		list, _, err := b.folder().List()
		if err != nil {
			b.t.Fatal(err)
		}
		if len(list) == 1 && list[0].State == recording.StateFinished {
			return b.only()
		}
		time.Sleep(5 * time.Millisecond) // the folder is what is tested, nothing announces it
	}
}

// TestDurationIsTheLengthOfTheRecording, whatever happens to the processes that make it.
func TestDurationIsTheLengthOfTheRecording(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		detached bool
		kills    []uint64 // frames recorded before each
	}{
		"nothing happens":                     {},
		"the recorder is killed":              {kills: []uint64{16_000}},
		"it is killed twice within a second":  {kills: []uint64{8_000, 14_000}},
		"it is killed while nobody is there":  {detached: true, kills: []uint64{16_000}},
		"the same, twice":                     {detached: true, kills: []uint64{8_000, 20_000}},
		"it is killed in its first moments":   {detached: true, kills: []uint64{1}},
		"it is killed just before the length": {kills: []uint64{44_000}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := quietBooth(t)
			args := []string{"record", "--device", "tone:440", "--duration", "3"}
			var p *running
			if c.detached {
				b.must(append(args, "--detach")...)
			} else {
				p = b.start(args...)
			}
			for _, frames := range c.kills {
				b.killRecorder(frames)
			}
			m := b.untilEnded()
			if length := m.Duration(); length != 3*time.Second {
				t.Errorf("%s long", length)
			}
			if m.EndReason != recording.EndMaxDuration || m.Resumed > len(c.kills) {
				t.Errorf("manifest %+v", m)
			}
			if p == nil {
				return
			}
			if got := p.end(); got.code != 0 || !strings.Contains(got.out, string(m.ID)) ||
				strings.Count(got.err, replacedText) != len(c.kills) && !strings.Contains(name, "just before") {
				t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
			}
		})
	}
}

// TestADetachedRecorderIsReplaced at once, although nobody is attached, and the stop reports it: the gap is not longer than the time until
// there are frames again.
func TestADetachedRecorderIsReplaced(t *testing.T) {
	t.Parallel()
	b := quietBooth(t)
	id := strings.TrimSpace(b.must("record", "--detach", "--device", "tone:440").out)
	b.untilFrames(8_000)
	first := b.recorderPID()
	living := time.Now()
	b.killRecorder(8_000)
	if pid := b.recorderPID(); pid == first {
		t.Error("the same process")
	}
	b.untilFrames(16_000 + uint64(16*time.Since(living).Milliseconds()))
	outage := time.Since(living)
	got := b.must("record", "stop")
	m := b.only()
	if strings.TrimSpace(got.out) != b.folder().AudioPath(m.ID) || string(m.ID) != id || !strings.Contains(got.err, "1 gap of ") || !strings.Contains(got.err, "recorder restarted") {
		t.Errorf("%s%s", got.out, got.err)
	}
	const unwritten = time.Second // at most, of what came before the kill
	gap := m.Format.Duration(m.LostFrames())
	t.Logf("the gap is %s long, and there were frames again within %s", gap, outage)
	if gap > outage+unwritten || m.Resumed != 1 {
		t.Errorf("a gap of %s, manifest %+v", gap, m)
	}
}

// TestTheParentIsSmall: the process that restarts a dead recorder needs almost no memory.
func TestTheParentIsSmall(t *testing.T) {
	t.Parallel()
	b := quietBooth(t)
	b.must("record", "--detach", "--device", "tone:440")
	b.untilFrames(16_000)
	client, err := remote.Dial(t.Context(), b.dir, remote.Options{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }() // it was only asked
	parent, child := privateBytes(t, client.Parent()), privateBytes(t, client.PID())
	t.Logf("private memory: parent %.2f MB, recorder %.2f MB", float64(parent)/1e6, float64(child)/1e6)
	if parent == 0 || parent >= 3e6 {
		t.Errorf("the parent has %d bytes of its own", parent)
	}
	b.must("record", "stop")
}

// privateBytes returns the private memory of a process.
func privateBytes(t *testing.T, pid int) (sum int) {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = f.Close() }() // it was only read
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && strings.HasPrefix(fields[0], "Private_") {
			kB, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			sum += kB << 10
		}
	}
	return sum
}

// TestStopEndsTheRecordingFirst: the recording ends, whatever is wrong with what should be done with it.
func TestStopEndsTheRecordingFirst(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	broken := filepath.Join(t.TempDir(), "models", "moonshine-tiny-en")
	if err := os.MkdirAll(broken, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(broken, "model.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		env  string
	}{
		"unknown model":       {args: []string{"--transcribe", "--model", "colossus"}},
		"no models":           {args: []string{"--transcribe", "--models-dir", none}},
		"a broken model":      {args: []string{"--transcribe", "--models-dir", filepath.Dir(broken)}},
		"no engine":           {args: []string{"--transcribe"}, env: "SCOUT_ENGINE=" + none},
		"unknown back end":    {args: []string{"--transcribe", "--backend", "foo"}},
		"unknown profile":     {args: []string{"--transcribe", "--profile", "foo"}},
		"unknown language":    {args: []string{"--transcribe", "--language", "xx"}},
		"no output folder":    {args: []string{"--output", filepath.Join(none, "x.wav")}},
		"unknown flag":        {args: []string{"--transcibe"}},
		"unknown argument":    {args: []string{"now"}},
		"output is no WAV":    {args: []string{"--output", "x.mp3"}},
		"output is a device":  {args: []string{"--output", "/dev/null"}},
		"no recorder program": {args: []string{"--output", "x.mp3"}, env: "SCOUT_RECORDER=" + none},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := quietBooth(t)
			b.must("record", "--detach", "--device", "tone:440")
			b.untilFrames(1_600)
			b.env = append(b.env, c.env)
			got := b.run(append([]string{"record", "stop"}, c.args...)...)
			m := b.only()
			if m.State != recording.StateFinished || m.EndReason != recording.EndStopped {
				t.Errorf("manifest %+v", m)
			}
			if got.code == 0 || !strings.Contains(got.err, b.folder().AudioPath(m.ID)) || strings.Contains(got.err, ".scout-") {
				t.Errorf("exit %d: %s", got.code, got.err)
			}
		})
	}
}

// TestEverySignalEndsARecordingInOrder: this includes Ctrl-\, which makes other Go programs print their stacks.
func TestEverySignalEndsARecordingInOrder(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]syscall.Signal{
		"Ctrl-C": syscall.SIGINT, `Ctrl-\`: syscall.SIGQUIT, "kill": syscall.SIGTERM, "the terminal is closed": syscall.SIGHUP,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := quietBooth(t)
			p := b.start("record", "--device", "tone:440", "--duration", "60")
			p.await("recording…")
			b.untilFrames(1_600)
			if err := syscall.Kill(-p.cmd.Process.Pid, signal); err != nil { // as a terminal does
				t.Fatal(err)
			}
			got := p.end()
			if m := b.only(); got.code != 0 || strings.Count(got.err, "\n") != 3 || m.EndReason != recording.EndStopped {
				t.Errorf("exit %d: %s, manifest %+v", got.code, got.err, m)
			}
			if b.recorderPID() == 0 {
				t.Error("the recorder died of it")
			}
		})
	}
}

// TestWhatIsSaidOfARecording is true, and in suitable units.
func TestWhatIsSaidOfARecording(t *testing.T) {
	t.Parallel()
	silence := filepath.Join(t.TempDir(), "silence.wav")
	writeSilence(t, silence)
	for name, c := range map[string]struct {
		args []string
		code int
		want []string
		not  string
	}{
		"a silent microphone": {[]string{"--device", "file:" + silence}, 0, []string{"only silence was recorded"}, ""},
		"a tone":              {[]string{"--device", "tone:440", "--duration", "0.2"}, 0, []string{"recorded 200 ms, "}, "silence"},
		"forty ms":            {[]string{"--device", "tone:440", "--duration", "0.04"}, 0, []string{"recorded 40 ms, "}, "0.1 s"},
		"a rate":              {[]string{"--rate", "7999"}, 2, []string{"--rate … 7999 … 8000 to 192000"}, "ffmpeg"},
		"channels":            {[]string{"--channels", "65"}, 2, []string{"--channels … 65 … 1 to 64"}, "ffmpeg"},
		"a format":            {[]string{"--format", "s8"}, 2, []string{`--format … "s8" … s16, s24 or f32`}, "ffmpeg"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := quietBooth(t)
			got := b.run(append([]string{"record"}, c.args...)...)
			if got.code != c.code || c.not != "" && strings.Contains(got.err, c.not) {
				t.Errorf("exit %d: %s", got.code, got.err)
			}
			for _, want := range c.want {
				if !tells(got.err, want) {
					t.Errorf("%q is not in %s", want, got.err)
				}
			}
		})
	}
}

// TestAMutedMicrophoneIsNamed also if the user asked for text: there is none, and one line says why.
func TestAMutedMicrophoneIsNamed(t *testing.T) {
	t.Parallel()
	needModel(t)
	silence := filepath.Join(t.TempDir(), "silence.wav")
	writeSilence(t, silence)
	for name, args := range map[string][][]string{
		"record":          {{"record", "--device", "file:" + silence, "--transcribe"}},
		"quiet":           {{"record", "--device", "file:" + silence, "--transcribe", "--quiet"}},
		"stop":            {{"record", "--device", "tone:440?level=0.0001", "--detach"}, {"record", "stop", "--transcribe"}},
		"with a copy too": {{"record", "--device", "file:" + silence, "--transcribe", "--output", filepath.Join(t.TempDir(), "copy.wav")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := quietBooth(t)
			var got outcome
			for _, line := range args {
				got = b.must(line...)
				b.untilFrames(1_600)
			}
			if got.out != "" || strings.Count(got.err, "only silence was recorded: the microphone may be muted") != 1 || strings.Contains(got.err, "warning") {
				t.Errorf("%q: %s", got.out, got.err)
			}
		})
	}
}

// writeSilence makes half a second of silence.
func writeSilence(t *testing.T, path string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "made")
	folder, err := recording.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	w, err := folder.Create(recording.Settings{Format: scout.Format{SampleRateHz: 16_000, Channels: 1, Sample: scout.SampleS16}, StartedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 16_000)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped}); err != nil {
		t.Fatal(err)
	}
	if err := folder.Export(w.ID(), path, false); err != nil {
		t.Fatal(err)
	}
}

// TestTheCopyHasTheUsersMode: a copy has the mode of any other file that the user makes.
func TestTheCopyHasTheUsersMode(t *testing.T) {
	t.Parallel()
	b := quietBooth(t)
	for mask, want := range map[string]string{"022": "-rw-r--r--", "077": "-rw-------"} {
		target := filepath.Join(t.TempDir(), "n.wav")
		cmd := bash(t.Context(), fmt.Sprintf("umask %s; scout record -q -d tone:440 --duration 0.1 -o %s", mask, target))
		cmd.Env = slices.Concat(b.env, []string{"PATH=" + programs + string(filepath.ListSeparator) + os.Getenv("PATH")})
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if info, err := os.Stat(target); err != nil || info.Mode().String() != want {
			t.Errorf("umask %s: %v, %v, want %s", mask, info.Mode(), err, want)
		}
	}
}

// TestARecorderIsWatchedFromSeveralTerminals: all terminals report its death, and that another one stopped it.
func TestARecorderIsWatchedFromSeveralTerminals(t *testing.T) {
	t.Parallel()
	b := quietBooth(t)
	first := b.start("record", "--device", "tone:440", "--duration", "60")
	first.await("recording…")
	watcher, owner := b.start("recordings", "attach", "--watch"), b.start("recordings", "attach")
	watcher.await("attached to ")
	owner.await("attached to ")
	b.killRecorder(8_000)
	for _, p := range []*running{first, watcher, owner} {
		p.await(replacedText)
	}
	b.untilFrames(24_000)
	stopped := b.must("record", "stop")
	m := b.only()
	for name, p := range map[string]*running{"the first": first, "who took it over": owner, "who watches": watcher} {
		got := p.end()
		if got.code != 0 || name != "who watches" && !strings.Contains(got.out, string(m.ID)) {
			t.Errorf("%s: exit %d: %s%s", name, got.code, got.out, got.err)
		}
	}
	if m.EndReason != recording.EndStopped || m.Resumed != 1 || !strings.Contains(stopped.out, string(m.ID)) {
		t.Errorf("manifest %+v; %s", m, stopped.out)
	}
}
