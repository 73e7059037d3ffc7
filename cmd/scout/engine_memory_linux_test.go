package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout/internal/engine"
)

// hugeKilobytes returns how much memory of a process is in huge pages.
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

// givesHugePages asks the kernel for one, in this process.
func givesHugePages(t *testing.T) bool {
	t.Helper()
	memory, err := unix.Mmap(-1, 0, 8<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Munmap(memory); err != nil {
			t.Error(err)
		}
	}()
	if err := unix.Madvise(memory, unix.MADV_HUGEPAGE); err != nil {
		return false
	}
	before := hugeKilobytes(t, os.Getpid())
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
	return hugeKilobytes(t, os.Getpid()) > before
}

// The weights of our own backend are in huge pages, and what requests need is in small ones.
func TestWeightsLieInHugePages(t *testing.T) {
	t.Parallel()
	setting, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled")
	if err != nil || strings.Contains(string(setting), "[never]") {
		t.Skipf("no huge pages here: %s %v", setting, err)
	}
	if !givesHugePages(t) {
		t.Skip("the kernel gives no huge pages, for want of memory in one piece perhaps")
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
