//go:build linux

package remote_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// A recorder that ends because the disk is full cannot say so: its log is on that disk.
func TestARecorderThatCannotSayThatTheDiskIsFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mounting needs rights that this user lacks: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "large"), make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	_, _, err := remote.Attach(t.Context(), dir, remote.LaunchOptions{Program: "/bin/false"})
	if scout.CodeOf(err) != scout.CodeDiskFull || !strings.Contains(err.Error(), "the disk is full") || strings.Contains(err.Error(), "probe") || strings.Contains(err.Error(), "without a word") {
		t.Errorf("%v (%s)", err, scout.CodeOf(err))
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 4 {
		t.Errorf("%v, %v", left, err)
	}
}
