//go:build unix

package filelock_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout/internal/filelock"
)

// A child that is being started has a copy of all descriptors until its program begins. Close releases the lock even
// then.
func TestLockEndsAlthoughAChildHasTheDescriptor(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first, second := open(), open()
	if got, err := filelock.Try(first); err != nil || !got {
		t.Fatalf("first lock: %v, %v", got, err)
	}
	inherited, err := unix.Dup(int(first.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(inherited) })
	if got, err := filelock.Try(second); err != nil || got {
		t.Fatalf("second lock beside the first: %v, %v", got, err)
	}
	if err := filelock.Close(first); err != nil {
		t.Fatal(err)
	}
	if got, err := filelock.Try(second); err != nil || !got {
		t.Fatalf("second lock after the first: %v, %v", got, err)
	}
	if err := filelock.Close(second); err != nil {
		t.Fatal(err)
	}
}

// A caller of Held must not look like a holder to other callers.
func TestAskingTellsHoldersFromThoseWhoAsk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	want := func(f *os.File, held bool) {
		t.Helper()
		if got, err := filelock.Held(f); err != nil || got != held {
			t.Errorf("held: %v, %v, want %v", got, err, held)
		}
	}
	holder, asks, asksToo := open(), open(), open()
	want(asks, false)
	if err := unix.Flock(int(asksToo.Fd()), unix.LOCK_SH); err != nil { // in the middle of asking
		t.Fatal(err)
	}
	want(asks, false)
	if err := unix.Flock(int(asksToo.Fd()), unix.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	if got, err := filelock.Try(holder); err != nil || !got {
		t.Fatalf("lock: %v, %v", got, err)
	}
	want(asks, true)
	if err := filelock.Close(holder); err != nil {
		t.Fatal(err)
	}
	want(asks, false)
}
