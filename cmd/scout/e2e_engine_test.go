package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shirou/gopsutil/v4/process"

	"github.com/scout-speech/scout/internal/testrun"
)

func TestEngineThatCannotStart(t *testing.T) {
	t.Parallel()
	needModel(t)
	dir := t.TempDir()
	noLibraries := filepath.Join(dir, "scout-engine")
	script := "#!/bin/sh\necho 'scout-engine: error while loading shared libraries: libonnxruntime.so: cannot open shared object file' >&2\nexit 127\n"
	if err := testrun.WriteProgram(noLibraries, []byte(script)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ engine, text string }{
		"missing":           {filepath.Join(dir, "none"), "not found"},
		"without libraries": {noLibraries, "libonnxruntime.so"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := command(t.Context(), "transcribe", clip, clip)
			cmd.Env = append(os.Environ(), "SCOUT_ENGINE="+c.engine)
			out, err := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), c.text) || strings.Count(string(out), "hint:") != 1 {
				t.Fatalf("%v: %s", err, out)
			}
		})
	}
}

// longClip joins the clip n times and returns the path.
func longClip(t *testing.T, n int) string {
	t.Helper()
	data, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, []byte("data")) + 8
	long := bytes.Clone(data[:at])
	for range n {
		long = append(long, data[at:]...)
	}
	binary.LittleEndian.PutUint32(long[4:], uint32(len(long)-8))
	binary.LittleEndian.PutUint32(long[at-4:], uint32(len(long)-at))
	path := filepath.Join(t.TempDir(), "long.wav")
	if err := os.WriteFile(path, long, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// engineOf waits for the engine process of a running scout.
func engineOf(t *testing.T, scout *exec.Cmd) int {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		parent, err := process.NewProcess(int32(scout.Process.Pid))
		if err != nil {
			t.Fatalf("scout is gone: %v", err)
		}
		children, _ := parent.Children()
		for _, child := range children {
			if name, _ := child.Name(); name == "scout-engine" {
				return int(child.Pid)
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("no engine was started")
	return 0
}

// TestKilledEngineChangesNothing kills the engine in the middle of a long file. The text stays the same.
func TestKilledEngineChangesNothing(t *testing.T) {
	t.Parallel()
	needModel(t)
	long := longClip(t, 8)
	undisturbed := scoutRun(t, nil, "transcribe", long)
	if undisturbed.code != 0 {
		t.Fatal(undisturbed.err)
	}
	log := filepath.Join(t.TempDir(), "scout.log")
	cmd := command(t.Context(), "transcribe", "--log-file", log, long)
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	engine := engineOf(t, cmd)
	waitForLine(t, log, "engine_started")
	if err := syscall.Kill(engine, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, errOut.String())
	}
	waitForLine(t, log, "engine_crashed")
	if out.String() != undisturbed.out {
		t.Fatalf("got  %s\nwant %s", out.String(), undisturbed.out)
	}
}

// waitForLine waits until the log has a line.
func waitForLine(t *testing.T, log, text string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for time.Now().Before(deadline) {
		if data, err := os.ReadFile(log); err == nil && bytes.Contains(data, []byte(text)) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("the log never said %s", text)
}

func TestEngineEndsWithScout(t *testing.T) {
	t.Parallel()
	needModel(t)
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "interrupted": syscall.SIGINT} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := filepath.Join(t.TempDir(), "text.txt")
			cmd := command(t.Context(), "transcribe", "--output", target, longClip(t, 40))
			var errOut bytes.Buffer
			cmd.Stderr = &errOut
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			pid := engineOf(t, cmd)
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			err := cmd.Wait()
			// A program that is interrupted ends by that signal, which is how a shell knows to end its loop.
			status, _ := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !status.Signaled() || status.Signal() != signal || signal == syscall.SIGINT && !strings.Contains(errOut.String(), "interrupted") {
				t.Errorf("%v: %s", err, errOut.String())
			}
			if _, err := os.Stat(target); err == nil {
				t.Error("a half-written text was left behind")
			}
			deadline := time.Now().Add(20 * time.Second)
			for syscall.Kill(pid, 0) == nil {
				if time.Now().After(deadline) {
					t.Fatalf("engine %d outlived scout", pid)
				}
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
}
