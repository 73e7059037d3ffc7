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
	"time"
)

// TestSignalsAndHowScoutWasStarted: a signal that Scout was started to ignore stays ignored; any other one ends it,
// with the exit status of that signal.
func TestSignalsAndHowScoutWasStarted(t *testing.T) {
	t.Parallel()
	starts := map[string]struct {
		line    string
		ignores []syscall.Signal
	}{
		"as any program":                  {"scout transcribe -q p.wav; echo $? > code", nil},
		"by a shell that ignores SIGINT":  {"trap '' INT; scout transcribe -q p.wav; echo $? > code", []syscall.Signal{syscall.SIGINT}},
		"in the background of a script":   {"scout transcribe -q p.wav & wait $!; echo $? > code", nil},
		"by nohup":                        {"nohup scout transcribe -q p.wav 2> /dev/null; echo $? > code", []syscall.Signal{syscall.SIGHUP}},
		"by a shell that ignores both":    {"trap '' INT HUP; scout transcribe -q p.wav; echo $? > code", []syscall.Signal{syscall.SIGINT, syscall.SIGHUP}},
		"by a shell that ignores SIGTERM": {"trap '' TERM; scout transcribe -q p.wav; echo $? > code", nil}, // Go does not report of that
	}
	for how, c := range starts {
		for name, n := range map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT} {
			t.Run(how+", "+name, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				fifo := filepath.Join(dir, "p.wav")
				if err := syscall.Mkfifo(fifo, 0o600); err != nil {
					t.Fatal(err)
				}
				shell := bash(t.Context(), c.line)
				shell.Dir = dir
				shell.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
				if err := shell.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan struct{})
				go func() { // ends with the shell, which the cleanup kills
					defer close(ended)
					_ = shell.Wait() // its answer is in a file
				}()
				t.Cleanup(func() { _ = syscall.Kill(-shell.Process.Pid, syscall.SIGKILL); <-ended })
				pid := scoutBelow(t, shell.Process.Pid, fifo)
				want := 128 + int(n)
				if err := syscall.Kill(pid, n); err != nil {
					t.Fatal(err)
				}
				for _, ignored := range c.ignores {
					if ignored == n { // a signal that ends the process is delivered after it
						want = 128 + int(syscall.SIGTERM)
						if signalSet(t, pid, "SigIgn")>>(n-1)&1 == 0 {
							t.Errorf("%v is not ignored", n)
						}
						if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
							t.Fatal(err)
						}
					}
				}
				select {
				case <-ended:
				case <-time.After(30 * time.Second):
					t.Fatal("it runs on")
				}
				if code, err := os.ReadFile(filepath.Join(dir, "code")); err != nil || strings.TrimSpace(string(code)) != strconv.Itoa(want) {
					t.Errorf("exit code %q, %v: want %d", code, err, want)
				}
			})
		}
	}
}

// scoutBelow waits until scout, started by the parent, reads the FIFO, and returns its number.
func scoutBelow(t *testing.T, parent int, fifo string) int {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		write, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0) // fails until somebody reads
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = write.Close() })
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
		if err != nil {
			t.Skip("this system does not tell the children of a process")
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(children)))
		if err != nil {
			t.Fatalf("the shell has the children %q", children)
		}
		return pid
	}
	t.Fatal("scout did not start")
	return 0
}

// signalSet returns a set of signals of a process.
func signalSet(t *testing.T, pid int, name string) uint64 {
	t.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		t.Fatal(err)
	}
	_, mask, _ := strings.Cut(string(status), name+":")
	mask, _, _ = strings.Cut(mask, "\n")
	bits, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return bits
}
