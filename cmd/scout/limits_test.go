package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/testrun"
)

// TestBrokenEngine: if the engine does not start, or dies, one message says what is wrong and what to do.
func TestBrokenEngine(t *testing.T) {
	t.Parallel()
	needModel(t)
	engine := filepath.Join(programs, "scout-engine")
	killed := func(after string) string {
		return fmt.Sprintf("#!/bin/sh\nexec timeout -s KILL %s '%s' \"$@\"\n", after, engine)
	}
	for name, c := range map[string]struct {
		program string
		says    []string
		never   []string
	}{
		"killed while it loads": {killed("0.03"), []string{"killed", "memory"}, []string{"models verify"}},
		"garbage":               {"garbage\n", []string{"damaged or made for another machine", "make build"}, []string{"exec format", "models verify"}},
		"another system":        {"#!/no/such/interpreter\n", []string{"cannot run on this system", "make build"}, []string{"no such file"}},
		"without memory": {
			"#!/bin/sh\nulimit -v 300000\nexec '" + engine + "'\n", []string{"memory"}, []string{"goroutine", "models verify"},
		},
		"without files": {"#!/bin/sh\nulimit -n 6\nexec '" + engine + "'\n", []string{"open files", "ulimit -n"}, []string{"goroutine", "models verify"}},
		"says why":      {"#!/bin/sh\necho 'the disk is on fire' >&2\nexit 3\n", []string{"the disk is on fire"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := filepath.Join(t.TempDir(), "scout-engine")
			if err := testrun.WriteProgram(program, []byte(c.program)); err != nil {
				t.Fatal(err)
			}
			cmd := command(t.Context(), "transcribe", "-q", clip)
			cmd.Env = append(os.Environ(), "SCOUT_ENGINE="+program)
			got := outcomeOf(t, cmd)
			if got.code != 1 || got.out != "" || strings.Count(got.err, "hint:") != 1 || strings.Contains(got.err, "the rest was transcribed") {
				t.Errorf("code %d, out %q, %s", got.code, got.out, got.err)
			}
			for _, text := range c.says {
				if !strings.Contains(got.err, text) {
					t.Errorf("%q is not in: %s", text, got.err)
				}
			}
			for _, text := range c.never {
				if strings.Contains(got.err, text) {
					t.Errorf("%q is in: %s", text, got.err)
				}
			}
		})
	}
}

// TestEngineKilledAtWork: the engine dies in every request, so that there is no text at all. The message does not claim
// that the rest was transcribed, and names memory as the likely cause.
func TestEngineKilledAtWork(t *testing.T) {
	t.Parallel()
	needModel(t)
	program := filepath.Join(t.TempDir(), "scout-engine")
	// The engine is killed in the middle of what it reads of its first request, however quick the machine is.
	if err := testrun.WriteProgram(program, []byte(fmt.Sprintf(`#!/bin/sh
mkfifo '%[1]s'.$$
'%[2]s' "$@" <'%[1]s'.$$ &
dd bs=4096 count=60000 iflag=count_bytes status=none >'%[1]s'.$$
kill -KILL $!
wait $!
kill -KILL $$
`, program, filepath.Join(programs, "scout-engine")))); err != nil {
		t.Fatal(err)
	}
	cmd := command(t.Context(), "transcribe", "-q", longClip(t, 3))
	cmd.Env = append(os.Environ(), "SCOUT_ENGINE="+program)
	got := outcomeOf(t, cmd)
	if got.code != 1 || strings.Count(got.err, "hint:") != 1 {
		t.Errorf("code %d, %s", got.code, got.err)
	}
	if !strings.Contains(got.err, "memory") {
		t.Errorf("memory is not named: %s", got.err)
	}
	if got.out != "" || strings.Contains(got.err, "rest was transcribed") {
		t.Errorf("there is no rest: %s", got.err)
	}
}

// TestLimitsOfTheSystem: if a limit of the system prevents the work, one line says so, without a stack trace.
func TestLimitsOfTheSystem(t *testing.T) {
	t.Parallel()
	needModel(t)
	if runtime.GOOS != "linux" {
		t.Skip("limits are those of Linux")
	}
	for name, c := range map[string]struct{ limit, text string }{
		"address space, almost enough": {"ulimit -v 1000000", "memory"},
		"address space":                {"ulimit -v 300000", "memory"},
		"data":                         {"ulimit -d 60000", "memory"},
		"files, for the program":       {"ulimit -n 6", "limit is 6 files"},
		"files, for the engine":        {"ulimit -n 10", "limit of 10 open files"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := outcomeOf(t, bash(t.Context(), c.limit+"; exec scout transcribe -q '"+clip+"'"))
			lines := strings.Split(strings.TrimSpace(got.err), "\n")
			if got.code != 1 || len(lines) != 2 || !strings.Contains(lines[0], c.text) || !strings.HasPrefix(lines[1], "  hint: ") {
				t.Errorf("code %d: %s", got.code, got.err)
			}
		})
	}
}

// TestWaitForAMuteEngineIsShown: within a few seconds the user reads what the program waits for, and for how long at
// most.
func TestWaitForAMuteEngineIsShown(t *testing.T) {
	t.Parallel()
	needModel(t)
	program := filepath.Join(t.TempDir(), "scout-engine")
	if err := testrun.WriteProgram(program, []byte("#!/bin/sh\nexec sleep 1000\n")); err != nil {
		t.Fatal(err)
	}
	cmd := command(t.Context(), "transcribe", clip)
	cmd.Env = append(os.Environ(), "SCOUT_ENGINE="+program)
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := out.Read(buf)
	if line := string(buf[:n]); err != nil || !strings.Contains(line, "waiting for the engine") || !strings.Contains(line, "at most 60 s") {
		t.Errorf("after %s: %q, %v", time.Since(began), line, err)
	}
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
}
