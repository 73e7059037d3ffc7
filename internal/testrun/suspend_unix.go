//go:build unix

package testrun

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Suspend stops a process, and returns when none of its threads runs any more: on a busy machine, the signal alone takes a while. SIGCONT
// lets it go on. Where the system does not tell the states of threads, it returns at once.
func Suspend(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for ; ; time.Sleep(time.Millisecond) { // nothing announces it to a process that is not the parent
		files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil {
			t.Fatal(err)
		}
		states := make([]string, len(files))
		for i, file := range files {
			stat, err := os.ReadFile(file)
			if err != nil {
				states[i] = "T" // this thread ended
				continue
			}
			_, after, _ := strings.Cut(string(stat), ") ") // the state follows the name of the program
			states[i] = after[:min(1, len(after))]
		}
		switch {
		case slices.Contains(states, "Z"):
			t.Fatalf("process %d has ended", pid)
		case !slices.ContainsFunc(states, func(s string) bool { return s != "T" }):
			return
		}
	}
}
