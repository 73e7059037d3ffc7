package footprint

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/procfs"
)

// fileBytes returns how many resident bytes of this process belong to files.
func fileBytes(t *testing.T) uint64 {
	t.Helper()
	self, err := procfs.Self()
	if err != nil {
		t.Skip(err)
	}
	status, err := self.NewStatus()
	if err != nil {
		t.Skip(err)
	}
	return status.RssFile
}

// The process is smaller afterwards and still works.
func TestReturnStartupPages(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("does nothing here")
	}
	before := fileBytes(t)
	if err := ReturnStartupPages(); err != nil {
		t.Fatal(err)
	}
	if after := fileBytes(t); after >= before {
		t.Errorf("%d bytes of files before, %d afterwards", before, after)
	}
	if err := ReturnStartupPages(); err != nil {
		t.Errorf("again: %v", err)
	}
}

// The setting is made. Its effect is tested with the engine's memory (cmd/scout).
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
