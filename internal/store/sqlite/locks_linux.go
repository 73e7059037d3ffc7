package sqlite

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// checkByteLocks makes sure that locks of bytes, by which SQLite keeps others out, work on this file system. other is the same file, opened
// a second time.
func checkByteLocks(file, other *os.File) error {
	// Locks of open files, not of the process: closing `other` must not end those of SQLite in this process.
	region := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: 100, Len: 1}
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &region); err != nil {
		return fmt.Errorf("lock a byte: %w", err)
	}
	probe := region
	if err := unix.FcntlFlock(other.Fd(), unix.F_OFD_GETLK, &probe); err != nil {
		return fmt.Errorf("look at the lock of a byte: %w", err)
	}
	if probe.Type == unix.F_UNLCK {
		return errNoLocks
	}
	region.Type = unix.F_UNLCK
	if err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &region); err != nil {
		return fmt.Errorf("unlock a byte: %w", err)
	}
	return nil
}
