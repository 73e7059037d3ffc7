//go:build linux

package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// figuresVariable names the file to which figures are appended, one on each line, with tabs between group, figure,
// value, bound and verdict.
const figuresVariable = "SCOUT_FIGURES"

// figures are the figures of one group.
type figures struct {
	t     *testing.T
	group string
}

// report reports a value. It fails the test if the value is not within its bound.
func (f figures) report(name, value, bound string, ok bool) {
	t, group := f.t, f.group
	t.Helper()
	verdict := "ok"
	if bound == "" {
		verdict = ""
	} else if !ok {
		verdict = "MISSED"
		t.Errorf("%s: %s: %s, promised %s", group, name, value, bound)
	}
	t.Logf("%s: %s: %s (%s)", group, name, value, bound)
	path := os.Getenv(figuresVariable)
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(file, "%s\t%s\t%s\t%s\t%s\n", group, name, value, bound, verdict); err != nil {
		t.Error(err)
	}
	if err := file.Close(); err != nil {
		t.Error(err)
	}
}

// spread is a list of durations for a report.
type spread []time.Duration

func (s spread) most() time.Duration {
	if len(s) == 0 {
		return 0
	}
	return slices.Max(s)
}

func (s spread) middle() time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}

func (s spread) String() string {
	return fmt.Sprintf("p50 %s, max %s", s.middle().Round(time.Millisecond), s.most().Round(time.Millisecond))
}

func percent(part, whole time.Duration) string {
	return percentOf(uint64(max(part, 0)), uint64(max(whole, 0)))
}

func percentOf(part, whole uint64) string {
	if whole == 0 {
		return "none"
	}
	return fmt.Sprintf("%.4f %%", 100*float64(part)/float64(whole))
}

// processorTime returns the processor time of a process so far, user and system.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] { // utime and stime, counted from behind the name
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	const ticksPerSecond = 100 // USER_HZ, the same on every Linux
	return time.Duration(ticks) * time.Second / ticksPerSecond
}

// residentPeak returns the largest resident size of a process, in bytes.
func residentPeak(t *testing.T, pid int) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "VmHWM:")
	var kB int64
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		t.Fatal(err)
	}
	return kB << 10
}

func loadAverage(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(data))[0]
}
