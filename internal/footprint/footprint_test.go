package footprint

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// fileKilobytes is how much of this process lies in files.
func fileKilobytes(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skipf("no size to look at: %v", err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "RssFile:"); ok {
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

// The process is smaller afterwards and works on.
func TestReturnStartupPages(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("does nothing here")
	}
	before := fileKilobytes(t)
	if err := ReturnStartupPages(); err != nil {
		t.Fatal(err)
	}
	if after := fileKilobytes(t); after >= before {
		t.Errorf("%d KB of files before, %d afterwards", before, after)
	}
	if err := ReturnStartupPages(); err != nil {
		t.Errorf("again: %v", err)
	}
}

// The kernel is told; that it obeys shows in the engine's memory (cmd/scout).
func TestEndHugePages(t *testing.T) {
	if err := EndHugePages(); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "linux" {
		return
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	if !strings.Contains(string(status), "THP_enabled:\t0") {
		t.Error("huge pages are still on")
	}
}
