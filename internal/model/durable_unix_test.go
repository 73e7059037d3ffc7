//go:build unix

package model

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A child that is being started has a copy of all descriptors until its program begins.
func TestLockEndsAlthoughAChildHasTheDescriptor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	inherited, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(inherited) })
	if _, busy, err := lockFile(path); err != nil || !busy {
		t.Fatalf("busy %v, %v before it is unlocked", busy, err)
	}
	if err := unlockFile(file); err != nil {
		t.Fatal(err)
	}
	unlock, busy, err := lockFile(path)
	if err != nil || busy {
		t.Fatalf("busy %v, %v", busy, err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}
