//go:build linux

package main

import (
	"context"
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
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/testrun"
)

// The tests in this file check who waits for whom: a start waits for nobody, and a stop waits for a start.

// leftover is an unfinished recording that takes a moment to repair, because it is so long. Its file is sparse.
func (b *booth) leftover() recording.ID {
	b.t.Helper()
	w, err := b.folder().Create(recording.Settings{
		Format: scout.Format{SampleRateHz: 48_000, Channels: 2, Sample: scout.SampleS16}, StartedAt: time.Now().Add(-3 * time.Hour),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := w.Silence(100); err != nil {
		b.t.Fatal(err)
	}
	if err := w.Abandon(); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Truncate(b.folder().AudioPath(w.ID()), 128<<20); err != nil {
		b.t.Fatal(err)
	}
	return w.ID()
}

// untilClaimed waits until a program has claimed the recording.
func (b *booth) untilClaimed(id recording.ID) {
	b.t.Helper()
	for {
		content, err := os.ReadFile(filepath.Join(b.dir, ".claims", string(id)))
		if err == nil && len(content) > 0 {
			return
		}
		time.Sleep(time.Millisecond) // nothing announces it
	}
}

// A command that is suspended while it works on a recording prevents no other recording from beginning, and completes
// its work when it continues.
func TestASuspendedCommandKeepsNoRecordingFromBeginning(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		env  string
		code int
	}{
		"recover": {args: []string{"recordings", "recover"}},
		"list":    {args: []string{"recordings", "list"}},
		"show":    {args: []string{"recordings", "show"}},
		"verify":  {args: []string{"recordings", "verify"}},
		"a stop that finds no program of a recorder": {args: []string{"record", "stop"}, env: "SCOUT_RECORDER=/nowhere/scout-recorder", code: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := quietBooth(t)
			id := b.leftover()
			cmd := b.command(c.args...)
			cmd.Env = append(cmd.Env, c.env)
			p := b.launch(cmd)
			b.untilClaimed(id)
			testrun.Suspend(t, p.cmd.Process.Pid)
			got := b.must("record", "--device", "tone:440", "--duration", "0.2")
			path := strings.TrimSpace(got.out)
			b.must("recordings", "list")
			p.signal(syscall.SIGCONT)
			if got := p.end(); got.code != c.code {
				t.Errorf("when it goes on: exit %d: %s%s", got.code, got.out, got.err)
			}
			for _, m := range b.list() {
				want := recording.StateRecovered
				if b.folder().AudioPath(m.ID) == path {
					want = recording.StateFinished
				}
				if m.State != want {
					t.Errorf("manifest %+v", m)
				}
				if _, err := b.folder().Verify(m.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// The same for commands that take almost no time: they are suspended at different moments.
func TestACommandSuspendedAtAnyMomentKeepsNoRecordingFromBeginning(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args, before []string
	}{
		"delete":  {args: []string{"recordings", "delete", "--yes"}},
		"trash":   {args: []string{"recordings", "trash"}},
		"restore": {args: []string{"recordings", "restore"}, before: []string{"recordings", "trash"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := quietBooth(t)
			for round := range 5 {
				var ids []string
				for range 12 {
					ids = append(ids, string(b.finished()))
				}
				if c.before != nil {
					b.must(append(c.before, ids...)...)
				}
				p := b.start(append(c.args, ids...)...)
				time.Sleep(time.Duration(15+4*round) * time.Millisecond) // some are before its work, some in it, some behind
				suspended := syscall.Kill(p.cmd.Process.Pid, syscall.SIGSTOP) == nil
				b.must("record", "--device", "tone:440", "--duration", "0.05")
				b.must("recordings", "list")
				if suspended {
					p.signal(syscall.SIGCONT)
				}
				if got := p.end(); got.code != 0 {
					t.Errorf("when it goes on: exit %d: %s%s", got.code, got.out, got.err)
				}
				for _, id := range ids {
					_, err := os.Stat(b.folder().AudioPath(recording.ID(id)))
					if there := err == nil; there != (name == "restore") {
						t.Errorf("round %d, %s: %v", round, id, err)
					}
					_, err = os.Stat(b.folder().ManifestPath(recording.ID(id)))
					if there := err == nil; there != (name == "restore") {
						t.Errorf("round %d, the manifest of %s: %v", round, id, err)
					}
				}
			}
		})
	}
}

// finished makes a short recording.
func (b *booth) finished() recording.ID {
	b.t.Helper()
	w, err := b.folder().Create(recording.Settings{
		Format: scout.Format{SampleRateHz: 16_000, Channels: 1, Sample: scout.SampleS16}, StartedAt: time.Now(),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	if err := w.Silence(1600); err != nil {
		b.t.Fatal(err)
	}
	if _, err := w.Finish(recording.End{At: time.Now(), Reason: recording.EndStopped}); err != nil {
		b.t.Fatal(err)
	}
	return w.ID()
}

// A process that has locked the folder of recordings is named, even if it does not say who it is.
func TestWhoeverHoldsTheFolderIsNamed(t *testing.T) {
	t.Parallel()
	b := quietBooth(t)
	b.folder()
	holder := b.locks(filepath.Join(b.dir, recording.LockName))
	began := time.Now()
	got := b.run("record", "--device", "tone:440", "--duration", "0.1")
	t.Logf("it was named after %s", time.Since(began).Round(10*time.Millisecond))
	if pid := strconv.Itoa(holder.cmd.Process.Pid); got.code != 1 || !tells(got.err, "in use by process "+pid+" … kill "+pid) {
		t.Errorf("process %s holds it; exit %d: %s", pid, got.code, got.err)
	}
}

// A stop that comes while a recorder is starting waits for it, and ends the recording. Both commands report the same.
func TestAStopWaitsForARecorderThatStarts(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"record", "detached"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := quietBooth(t)
			id := b.leftover()
			args := []string{"record", "--device", "tone:440"}
			if how == "detached" {
				args = append(args, "--detach")
			}
			p := b.start(args...)
			b.untilClaimed(id)
			stopped, record := b.run("record", "stop"), p.end()
			const nothing = "before anything was recorded"
			switch {
			case stopped.code == 0 && how == "record":
				if record.code != 0 || record.out != stopped.out {
					t.Errorf("record: exit %d: %s%s; stop: %s%s", record.code, record.out, record.err, stopped.out, stopped.err)
				}
			case stopped.code == 0:
			case stopped.code != 1 || record.code != 1 || !strings.Contains(record.err, nothing) || !strings.Contains(stopped.err, "cancelled before it began"):
				t.Errorf("record: exit %d: %s%s; stop: exit %d: %s%s", record.code, record.out, record.err, stopped.code, stopped.out, stopped.err)
			}
			for _, m := range b.list() {
				if m.State == recording.StateRecording {
					t.Errorf("it goes on: %+v", m)
				}
			}
		})
	}
}

// If the start of a recording was cancelled from another terminal, the command says so, rather than that it was
// interrupted.
func TestAStartThatIsStoppedSaysSo(t *testing.T) {
	t.Parallel()
	b := newBooth(t)
	b.server.Signal(syscall.SIGSTOP) // so that the microphone never opens
	defer b.server.Signal(syscall.SIGCONT)
	p := b.start("record", "--device", "mic.monitor")
	var stopped outcome
	for stopped.code = -1; !strings.Contains(stopped.err, "cancelled before it began"); { // it may not have got there yet
		if stopped = b.run("record", "stop"); stopped.code != 1 {
			t.Fatalf("stop: exit %d: %s%s", stopped.code, stopped.out, stopped.err)
		}
	}
	if got := p.end(); got.code != 1 || !strings.Contains(got.err, `ended by "scout record stop" before anything was recorded`) || strings.Contains(got.err, "interrupted") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	if list, _, err := b.folder().List(); err != nil || len(list) != 0 {
		t.Errorf("left behind: %+v, %v", list, err)
	}
}

// A start names a recorder that was suspended before it was ready at once, and a stop ends it.
func TestARecorderSuspendedWhileItStarts(t *testing.T) {
	t.Parallel()
	b := quietBooth(t)
	id := b.leftover()
	first := b.start("record", "--device", "tone:440")
	b.untilClaimed(id)
	holder, _ := recording.Holder(b.dir)
	testrun.Suspend(t, holder.PID)
	pid := strconv.Itoa(holder.PID)
	if got := b.run("record", "--device", "tone:440", "--duration", "0.1"); got.code != 1 || !tells(got.err, "process "+pid+" … suspended … kill -CONT "+pid) {
		t.Errorf("a start: exit %d: %s", got.code, got.err)
	}
	stopped := b.run("record", "stop")
	t.Logf("stop: exit %d: %s%s", stopped.code, stopped.out, stopped.err)
	record := first.end()
	t.Logf("record: exit %d: %s%s", record.code, record.out, record.err)
	for _, m := range b.list() {
		if m.State == recording.StateRecording {
			t.Errorf("it goes on: %+v", m)
		}
	}
}

// untilConnected waits until the program has a socket, as a stop that has asked its recorder.
func (p *running) untilConnected() {
	p.t.Helper()
	for began := time.Now(); ; time.Sleep(time.Millisecond) { // nothing announces it
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.cmd.Process.Pid))
		if err != nil || time.Since(began) > patience {
			p.t.Fatalf("it has no socket among %q: %v", files, err)
		}
		if slices.ContainsFunc(files, func(file string) bool {
			target, _ := os.Readlink(file) // it may be closed meanwhile
			return strings.HasPrefix(target, "socket:")
		}) {
			return
		}
	}
}

// Ctrl-C during a stop says how far the stop is. Pressed once, it changes nothing; pressed twice, the command no longer
// waits for the stop. Nothing is lost either way.
func TestCtrlCDuringAStop(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		presses, code int
		says          string
	}{
		"once":  {1, 0, "recorded "},
		"twice": {2, -1, "scout recordings list"}, // it ends by the signal, which a shell calls 130
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := quietBooth(t)
			b.must("record", "--detach", "--device", "tone:440")
			b.untilFrames(4_000)
			recorder := b.recorderPID()
			testrun.Suspend(t, recorder) // so that the stop takes its time
			p := b.start("record", "stop")
			p.untilConnected()
			p.signal(syscall.SIGINT)
			p.await("is being ended")
			if c.presses > 1 {
				p.signal(syscall.SIGINT) // a person reads first; two that come before the first is read count as one
			} else {
				if err := syscall.Kill(recorder, syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
			}
			got := p.end()
			if got.code != c.code || !strings.Contains(got.err, c.says) || strings.Contains(got.err, "is safe") {
				t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
			}
			if c.presses > 1 {
				if err := syscall.Kill(recorder, syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
				b.run("record", "stop") // it may have ended by the first one
			}
			if m := b.only(); m.State != recording.StateFinished || m.EndReason != recording.EndStopped || m.Frames < 4_000 || len(m.Gaps) != 0 {
				t.Errorf("manifest %+v", m)
			}
		})
	}
}

// A Ctrl-C that came before a stop listened counts as its first. The one that ended a recording was heard.
func TestACtrlCBeforeAStopListensIsTheFirst(t *testing.T) {
	t.Parallel()
	for situation, early := range map[string]bool{"of a stop": true, "that ended the recording": false} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var said buffer
		finishing, work := (&app{App: &cli.App{}}).insist(ctx, cli.NewConsole(&said, false), early)
		if strings.Contains(said.String(), "is being ended") != early || finishing.Err() != nil {
			t.Errorf("%s: %q, %v", situation, said.String(), finishing.Err())
		}
		work.release()
	}
}

// A recording continues if its folder is deleted while nobody has its file open. What was in the file is lost, and the
// user is told.
func TestTheFolderIsDeletedWhileTheRecorderIsAway(t *testing.T) {
	t.Parallel()
	for name, parentToo := range map[string]bool{"the recorder was killed": false, "its parent as well": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := quietBooth(t)
			p := b.start("record", "--device", "tone:440", "--duration", "2.5")
			p.await("recording…")
			b.untilFrames(8_000)
			client, err := remote.Dial(t.Context(), b.dir, remote.Options{})
			if err != nil {
				t.Fatal(err)
			}
			testrun.Suspend(t, client.Parent()) // so that no other one is there before the folder is gone
			if err := syscall.Kill(client.PID(), syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-client.Done()
			rename(t, b.dir, filepath.Join(t.TempDir(), "gone")) // at once, as the trash of a desktop does
			signal := syscall.SIGCONT
			if parentToo {
				signal = syscall.SIGKILL
			}
			if err := syscall.Kill(client.Parent(), signal); err != nil {
				t.Fatal(err)
			}
			got, m := p.end(), b.only()
			if got.code != 1 || !tells(got.err, "file lost … lost") {
				t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
			}
			if m.Duration() != 2500*time.Millisecond || m.EndReason != recording.EndMaxDuration || len(m.Gaps) == 0 ||
				m.Gaps[0].Start != 0 || m.Gaps[0].Reason != recording.GapFileLost || m.Gaps[0].Frames < 8_000 || m.Gaps[0].Frames == m.Frames {
				t.Errorf("manifest %+v", m)
			}
		})
	}
}
