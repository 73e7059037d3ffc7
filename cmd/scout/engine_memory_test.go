package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/engine"
)

// hugeKilobytes is how much of a process lies in huge pages.
func hugeKilobytes(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Skipf("the kernel does not tell: %v", err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "AnonHugePages:"); ok {
			n, err := strconv.Atoi(strings.Fields(value)[0])
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Skip("the kernel does not tell")
	return 0
}

// The weights of our own backend lie in huge pages, what requests need in small ones.
func TestWeightsLieInHugePages(t *testing.T) {
	t.Parallel()
	setting, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil || strings.Contains(string(setting), "[never]") {
		t.Skipf("no huge pages here: %s %v", setting, err)
	}
	s := newSoak(t)
	loaded := hugeKilobytes(t, s.State().PID)
	if loaded == 0 {
		t.Error("nothing lies in huge pages after loading")
	}
	if _, err := s.Transcribe(t.Context(), engine.Request{Samples: s.speech(14), Words: true}); err != nil {
		t.Fatal(err)
	}
	if after := hugeKilobytes(t, s.State().PID); after > loaded {
		t.Errorf("%d KB in huge pages after loading, %d after a request", loaded, after)
	}
}
