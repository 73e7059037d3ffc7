//go:build linux

package remote_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
	"github.com/scout-speech/scout/internal/testrun"
)

// family returns the processes of a folder: recorders, and those above them.
func family(t *testing.T, dir string) (parents, recorders []int) {
	t.Helper()
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	check(t, err)
	for _, path := range environs {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		check(t, err)
		environ, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(append(environ, 0), []byte(recorderVariable+"="+dir+"\x00")) {
			continue // it has ended, or is somebody else's
		}
		if stat, err := os.ReadFile(filepath.Join(filepath.Dir(path), "stat")); err != nil || bytes.Contains(stat, []byte(") Z ")) {
			continue
		}
		if bytes.Contains(environ, []byte("SCOUT_RECORDER_ROLE=child\x00")) {
			recorders = append(recorders, pid)
		} else {
			parents = append(parents, pid)
		}
	}
	return parents, recorders
}

// untilOneFamily waits until there is one recorder and one parent, which clients see, and both stay.
func untilOneFamily(t *testing.T, dir string) {
	t.Helper()
	began := time.Now()
	for stays := 0; stays < 20; stays++ {
		parents, recorders := family(t, dir)
		if len(parents) != 1 || len(recorders) != 1 || !recording.HasParent(dir) {
			stays = 0
		}
		if time.Since(began) > 30*time.Second { // far above what it takes
			t.Fatalf("parents %v, recorders %v, a parent is seen: %v", parents, recorders, recording.HasParent(dir))
		}
		time.Sleep(10 * time.Millisecond) // nothing announces that nothing happens any more
	}
}

// A parent that was suspended while its recorder died ends when it finds another parent in its place. Clients see the other one.
func TestAParentThatWakesUpLateEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, _, err := remote.Keep(t.Context(), open(t, dir), launchFamily(dir), start(""), observe.Scope{})
	check(t, err)
	t.Cleanup(func() { endRecorder(t, dir) })
	until(t, k.Client(), 2000)
	first := k.Client()
	testrun.Suspend(t, first.Parent())
	check(t, syscall.Kill(first.PID(), syscall.SIGKILL))
	for k.Client() == first {
		time.Sleep(5 * time.Millisecond) // the keeper works by itself
	}
	check(t, syscall.Kill(first.Parent(), syscall.SIGCONT))
	untilOneFamily(t, dir)
	if parents, _ := family(t, dir); parents[0] == first.Parent() {
		t.Error("the first one is the parent still")
	}
	m, err := k.Stop(t.Context())
	check(t, err)
	if m.State != recording.StateFinished || m.Resumed != 1 || len(m.Gaps) != 1 {
		t.Errorf("manifest %+v", m)
	}
}

// Recorder and parent are killed, in turn or at once. Afterwards there is one of each, and the recording continues.
func TestOneParentAfterACrashLoop(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	k, _, err := remote.Keep(t.Context(), open(t, dir), launchFamily(dir), start(""), observe.Scope{})
	check(t, err)
	t.Cleanup(func() { endRecorder(t, dir) })
	until(t, k.Client(), 2000)
	random := rand.New(rand.NewPCG(3, 4))
	var suspended []int
	for range 16 {
		parents, recorders := family(t, dir)
		signal := syscall.SIGKILL
		var who []int
		switch random.IntN(5) {
		case 0:
			who = slices.Concat(recorders, parents)
		case 1:
			who = slices.Concat(parents, recorders)
		case 2:
			who = recorders
		case 3:
			who = parents
		case 4:
			who, signal = parents, syscall.SIGSTOP
			suspended = append(suspended, parents...)
		}
		for _, pid := range who {
			_ = syscall.Kill(pid, signal) // it may have ended
		}
		time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond)))) // at any moment of what follows
	}
	for _, pid := range suspended {
		_ = syscall.Kill(pid, syscall.SIGCONT) // it may have been killed
	}
	untilOneFamily(t, dir)
	m, err := k.Stop(t.Context())
	check(t, err)
	if m.ID != k.ID() || m.State != recording.StateFinished || m.EndReason != recording.EndStopped || m.Resumed == 0 {
		t.Errorf("manifest %+v", m)
	}
	if _, err := open(t, dir).Verify(m.ID); err != nil {
		t.Error(err)
	}
}

// A stop comes while a recorder is being started in place of one that died. It waits for that recorder and starts no other one, which
// would take the folder later, when the first has ended.
func TestAStopWhileARecorderIsBeingStarted(t *testing.T) {
	t.Parallel()
	dir, elsewhere := t.TempDir(), t.TempDir()
	program, starts := filepath.Join(elsewhere, "scout-recorder"), filepath.Join(elsewhere, "starts")
	self, err := filepath.Abs(os.Args[0])
	check(t, err)
	check(t, os.Symlink(self, program))
	options := launch(dir)
	options.Program = program
	k, _, err := remote.Keep(t.Context(), open(t, dir), options, start(""), observe.Scope{})
	check(t, err)
	t.Cleanup(func() { endRecorder(t, dir) })
	until(t, k.Client(), 2000)
	check(t, os.Remove(program))
	slow := fmt.Sprintf("#!/bin/sh\necho $$ >>'%s'\nsleep 0.5\nexec '%s' \"$@\"\n", starts, self)
	check(t, testrun.WriteProgram(program, []byte(slow)))
	check(t, syscall.Kill(k.Client().PID(), syscall.SIGKILL))
	for content := []byte(nil); len(content) == 0; content, _ = os.ReadFile(starts) { // there is none yet
		time.Sleep(time.Millisecond) // the keeper works by itself
	}
	m, err := k.Stop(t.Context())
	check(t, err)
	if m.ID != k.ID() || m.State != recording.StateRecovered {
		t.Errorf("manifest %+v", m)
	}
	endRecorder(t, dir)
	for parents, recorders := family(t, dir); len(parents)+len(recorders) > 0; parents, recorders = family(t, dir) {
		time.Sleep(5 * time.Millisecond) // a process ends a moment after it has given up its lock
	}
	content, err := os.ReadFile(starts) // by whoever was there until now
	check(t, err)
	if pids := strings.Fields(string(content)); len(pids) != 1 {
		t.Errorf("recorders %v were started, want one", pids)
	}
}
