//go:build linux

package testrun_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/testrun"
)

// leavesVariable turns this program into a suite within the suite: its one test leaves a process behind.
const leavesVariable = "SCOUT_TEST_LEAVES"

func TestMain(m *testing.M) { os.Exit(testrun.Contain(m).Run()) }

// TestLeaves is the suite within the suite.
func TestLeaves(t *testing.T) {
	how := os.Getenv(leavesVariable)
	if how == "" {
		t.Skip("this is the inner suite of TestNothingOfASuiteIsLeft")
	}
	sleep := exec.Command("sh", "-c", `trap "" TERM HUP INT; sleep 1000 & wait`)
	sleep.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	file, err := os.CreateTemp("", "left") //nolint:usetesting // it is left on purpose
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	for how == "stopped" {
		if err := sleep.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		how = "waits"
	}
	fmt.Printf("\nleft %d %s\n", sleep.Process.Pid, file.Name())
	switch how {
	case "panics":
		panic("on purpose")
	case "waits":
		select {}
	}
}

func TestNothingOfASuiteIsLeft(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		how  string
		kill bool
		says string
	}{
		"a test leaves a process":              {"returns", false, "testrun: a test left process"},
		"a test panics":                        {"panics", false, "on purpose"},
		"the suite is killed":                  {"waits", true, ""},
		"the suite is killed, a child stopped": {"stopped", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inner := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLeaves$", "-test.v", "-test.count=1")
			inner.Env = append(os.Environ(), leavesVariable+"="+c.how)
			inner.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			var said strings.Builder
			inner.Stderr = &said
			out, err := inner.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := inner.Start(); err != nil {
				t.Fatal(err)
			}
			var pid int
			var file string
			for lines := bufio.NewScanner(out); lines.Scan(); {
				if _, err := fmt.Sscanf(lines.Text(), "left %d %s", &pid, &file); err == nil && c.kill {
					if err := syscall.Kill(-inner.Process.Pid, syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := inner.Wait(); err == nil || !strings.Contains(said.String(), c.says) {
				t.Errorf("it ended with %v and said %q, want a failure and %q", err, said.String(), c.says)
			}
			if pid == 0 {
				t.Fatal("it did not say what it left")
			}
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) { // nothing announces what the guard does
				gone := errors.Is(syscall.Kill(-pid, 0), syscall.ESRCH) // the process and its child are a group
				if _, err := os.Stat(filepath.Dir(file)); gone && errors.Is(err, os.ErrNotExist) {
					return
				}
				if time.Now().After(deadline) {
					t.Fatalf("process group %d gone: %v, and %s is still there", pid, gone, filepath.Dir(file))
				}
			}
		})
	}
}

// A file that goes between its listing and the look at it is no failure, and a folder that is not there is one.
func TestWhatGoesDuringAWalkIsLeftOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var seen string
	err := testrun.Walk(dir, func(path string, entry fs.DirEntry) error {
		if entry.IsDir() {
			return os.Remove(filepath.Join(dir, "c"))
		}
		content, err := os.ReadFile(path)
		seen += string(content)
		return errors.Join(err, os.RemoveAll(filepath.Join(dir, "b")))
	})
	if err != nil || seen != "a" {
		t.Errorf("seen %q, %v; want a alone", seen, err)
	}
	if err := testrun.Walk(filepath.Join(dir, "none"), func(string, fs.DirEntry) error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}
