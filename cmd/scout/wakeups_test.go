//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/recording/remote"
)

// Threads of the recorder by what they do.
const (
	threadLibrary = "sound library" // C: reads from the server, calls the callback
	threadMonitor = "Go's monitor"  // of the runtime: looks whether the others stand still, while one of them works
	threadGo      = "Go"            // runs our goroutines
)

// wakeUps counts how often the threads of a process gave up the processor by themselves during d, by what they do: that
// is how often they were woken.
func wakeUps(t *testing.T, pid int, d time.Duration) map[string]float64 {
	t.Helper()
	before := switches(t, pid)
	kind, works := make(map[string]string), make(map[string]bool)
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(3 * time.Millisecond) { // what is measured is time
		for thread := range before {
			doing, err := os.ReadFile(filepath.Join(fmt.Sprintf("/proc/%d/task", pid), thread, "syscall"))
			if err != nil {
				continue // it ended, or may not be looked at
			}
			switch number, _, _ := strings.Cut(string(doing), " "); number {
			case "271", "7", "73": // ppoll, poll: amd64; ppoll: arm64
				kind[thread] = threadLibrary
			case "35", "230", "101", "115": // nanosleep, clock_nanosleep: amd64, arm64
				kind[thread] = threadMonitor
			case "281", "22": // epoll_pwait: amd64, arm64
				works[thread] = true // other threads of Go's may sleep for a moment, too
			}
		}
	}
	woken := make(map[string]float64)
	for thread, n := range switches(t, pid) {
		of := kind[thread]
		if of == "" || works[thread] {
			of = threadGo
		}
		woken[of] += float64(n-before[thread]) / d.Seconds()
	}
	return woken
}

// switches returns the voluntary context switches of each thread so far.
func switches(t *testing.T, pid int) map[string]uint64 {
	t.Helper()
	all := make(map[string]uint64)
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(files) == 0 {
		t.Fatalf("threads of %d: %v", pid, err)
	}
	for _, file := range files {
		status, err := os.ReadFile(file)
		if err != nil {
			continue // the thread ended
		}
		for line := range strings.Lines(string(status)) {
			if count, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				if all[filepath.Base(filepath.Dir(file))], err = strconv.ParseUint(strings.TrimSpace(count), 10, 64); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return all
}

// TestWakeUps prints how often the recorder is woken for each block of the device, by thread, and without a device.
// With SCOUT_FIGURES it measures longer and checks the bounds; without it, other work on the machine would wake it more
// often, and the bounds are those of something that polls.
func TestWakeUps(t *testing.T) {
	t.Parallel()
	const blocks = 50 // a second
	length, most, mostIdle := 2*time.Second, 10.0, 100.0
	if os.Getenv(figuresVariable) != "" {
		length, most, mostIdle = 20*time.Second, 2, 10
	}
	b := newBooth(t)
	b.must("record", "--detach", "--device", b.mic.ID)
	client, err := remote.Dial(t.Context(), b.dir, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	status, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Close(); err != nil { // whoever is attached is told of every event
		t.Fatal(err)
	}
	time.Sleep(500 * time.Millisecond) // the beginning is over
	woken := wakeUps(t, status.PID, length)
	var sum float64
	for _, thread := range []string{threadLibrary, threadGo, threadMonitor} {
		bound, ok := "", true
		if thread != threadMonitor { // of the runtime: it is woken whenever a thread of Go's is, and sleeps twice
			bound, ok = fmt.Sprintf("at most %.0f for each block", most), woken[thread] <= most*blocks
		}
		figures{t, "wake-ups while recording"}.report(thread, fmt.Sprintf("%.0f a second, %.1f for each block", woken[thread], woken[thread]/blocks), bound, ok)
		sum += woken[thread]
	}
	figures{t, "wake-ups while recording"}.report("all threads", fmt.Sprintf("%.0f a second, %.1f for each block", sum, sum/blocks), "", true)
	b.must("record", "stop")
	time.Sleep(500 * time.Millisecond) // the end is over
	idle := wakeUps(t, status.PID, length)
	var rest []string
	sum = 0
	for thread, n := range idle {
		rest = append(rest, fmt.Sprintf("%s %.1f", thread, n))
		sum += n
	}
	slices.Sort(rest)
	figures{t, "wake-ups without a device"}.report("all threads", fmt.Sprintf("%.1f a second (%s)", sum, strings.Join(rest, ", ")), fmt.Sprintf("at most %.0f a second", mostIdle), sum <= mostIdle)
}
