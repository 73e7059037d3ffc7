//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/testrun"
)

// codedDevice is a virtual device whose frames contain their number.
var codedDevice = fmt.Sprintf("signal:%d?rate=16000", codedSeed)

// wholeSignal compares a recording of codedDevice with what the device delivered: it is all there from some frame on,
// without a gap.
func (h *house) wholeSignal(m recording.Manifest) {
	h.t.Helper()
	if len(m.Gaps) != 0 || m.Resumed != 0 || m.State != recording.StateFinished {
		h.t.Errorf("manifest %+v", m)
	}
	_, runs := h.heard(m, m.Frames+10*16_000)
	if len(runs) != 1 || runs[0].At != 0 || runs[0].Frames != m.Frames {
		h.t.Errorf("%d frames are these of the device: %+v", m.Frames, runs)
	}
}

// recorder returns the process that records and its parent.
func (h *house) recorder() (pid, parent int) {
	h.t.Helper()
	client, err := remote.Dial(h.t.Context(), h.dir, remote.Options{Name: "test"})
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = client.Close() }() // it was only asked
	return client.PID(), client.Parent()
}

// startIn begins a recording with a command in a control group, in which it starts a daemon.
func (h *house) startIn(g testrun.ControlGroup) {
	h.t.Helper()
	cmd := h.command("start", "--device", codedDevice)
	g.Within(h.t, cmd)
	if got := outcomeOf(h.t, cmd); got.code != 0 {
		h.t.Fatalf("start: exit %d: %s", got.code, got.err)
	}
	h.untilFrames(8_000)
}

// session returns every process of a session.
func session(t *testing.T, id int) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && fields[3] == strconv.Itoa(id) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Whatever ends the daemon and everything around it, the recording stays as it is, and the next daemon takes it over.
func TestARecordingOutlives(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		controller string // of the group in which the daemon is; "none" for no group
		delegated  bool   // whether the recorder may leave that group
		end        func(t *testing.T, h *house, g testrun.ControlGroup)
	}{
		"a kill of the daemon's session": {"none", false, func(t *testing.T, h *house, _ testrun.ControlGroup) {
			holder, _ := h.holder()
			for _, pid := range session(t, holder.PID) {
				kill(t, pid, syscall.SIGKILL)
			}
		}},
		"a kill of every process of its control group": {"memory", true, func(t *testing.T, _ *house, g testrun.ControlGroup) { g.Kill(t) }},
		"a kill of its control group by the kernel": {"", true, func(t *testing.T, _ *house, g testrun.ControlGroup) {
			g.Set(t, "cgroup.kill", "1")
		}},
		"a kill of every other process of a control group that it shares": {"memory", false, func(t *testing.T, h *house, g testrun.ControlGroup) {
			pid, parent := h.recorder()
			g.Kill(t, pid, parent)
		}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			h := inHouse(quietBooth(t))
			var starter testrun.ControlGroup
			if c.controller == "none" {
				h.must("start", "--device", codedDevice)
				h.untilFrames(8_000)
			} else {
				above := testrun.NewControlGroup(t, c.controller)
				if c.delegated {
					above.Delegate(t)
				}
				starter = above.Below(t, "starter")
				h.startIn(starter)
				if members := len(starter.Members(t)); members != map[bool]int{true: 1, false: 3}[c.delegated] {
					t.Errorf("%d processes are in the group of the daemon", members)
				}
			}
			was, _ := h.holder()
			recorder, parent := h.recorder()
			c.end(t, h, starter)
			h.untilNoDaemon()
			now := h.status()
			if r := now.Recorder.Recording; r == nil || now.PID == was.PID {
				t.Fatalf("the next daemon says %+v", now)
			}
			if pid, above := h.recorder(); pid != recorder || above != parent {
				t.Errorf("recorder %d of %d, before %d of %d", pid, above, recorder, parent)
			}
			h.untilFrames(24_000)
			h.must("stop")
			h.wholeSignal(h.only())
		})
	}
}

// A recording that a command began without the daemon outlives that command and its control group, for example that of a terminal.
func TestARecordingOutlivesItsCommand(t *testing.T) {
	t.Parallel()
	for situation, delegated := range map[string]bool{"all of its control group is killed": true, "all but the recorder is killed": false} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			h := inHouse(quietBooth(t))
			above := testrun.NewControlGroup(t, "memory")
			if delegated {
				above.Delegate(t)
			}
			terminal := above.Below(t, "terminal")
			cmd := h.command("record", "--device", codedDevice)
			terminal.Within(t, cmd)
			p := h.launch(cmd)
			p.await("recording…")
			h.untilFrames(8_000)
			pid, parent := h.recorder()
			if delegated {
				terminal.Kill(t)
			} else {
				terminal.Kill(t, pid, parent)
			}
			p.end()
			h.untilFrames(24_000)
			if now, _ := h.recorder(); now != pid {
				t.Errorf("recorder %d, before %d", now, pid)
			}
			h.must("record", "stop")
			h.wholeSignal(h.only())
		})
	}
}

// outOfMemory returns how many processes of a group the kernel has killed for lack of memory.
func outOfMemory(t *testing.T, g testrun.ControlGroup) (n int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.Folder, "memory.oom_control"))
	if err != nil {
		t.Skipf("this control group does not tell: %v", err)
	}
	_, count, found := strings.Cut(string(text), "oom_kill ")
	if _, err := fmt.Sscan(count, &n); !found || err != nil {
		t.Skipf("this kernel does not count: %s", text)
	}
	return n
}

// If a control group runs out of memory, the engine is killed. The daemon and a recorder in the same group survive, the
// recording loses nothing, and the next engine works once there is memory again.
func TestAnEngineWithoutMemoryDiesAlone(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	g := testrun.NewControlGroup(t, "memory")
	h.startIn(g)
	daemon, _ := h.holder()
	recorder, parent := h.recorder()
	transcribe := func() outcome {
		cmd := h.command("transcribe", clip)
		g.Within(t, cmd)
		return outcomeOf(t, cmd)
	}
	var got outcome
	for room := 80; outOfMemory(t, g) == 0; room -= 10 { // less and less, until it is not enough for an engine with its model
		if room == 0 {
			t.Fatal("an engine needs no memory")
		}
		g.Set(t, "memory.limit_in_bytes", strconv.Itoa(room<<20))
		got = transcribe()
		t.Logf("with %d MB: exit %d: %s", room, got.code, got.err)
	}
	if got.code != 1 || !strings.Contains(got.err, "memory") {
		t.Errorf("exit %d: %s", got.code, got.err)
	}
	if now, running := h.holder(); !running || now.PID != daemon.PID {
		t.Errorf("daemon %+v, before %+v", now, daemon)
	}
	if pid, above := h.recorder(); pid != recorder || above != parent {
		t.Errorf("recorder %d of %d, before %d of %d", pid, above, recorder, parent)
	}
	g.Set(t, "memory.limit_in_bytes", "-1")
	if got := transcribe(); got.code != 0 || !said(got.out, 1) {
		t.Errorf("with memory: exit %d: %s%s", got.code, got.out, got.err)
	}
	h.must("stop")
	h.wholeSignal(h.only())
}
