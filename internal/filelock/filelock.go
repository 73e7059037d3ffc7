//go:build unix

// Package filelock locks files against other processes, with locks that end with the process, however it ends (flock(2)).
package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
)

// Try takes the lock of f; it returns false if another open file holds it.
func Try(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, Explain(err)
}

// Explain gives the error of a file system without locks its code; callers say which lock. What has the
// code already stays as it is.
func Explain(err error) error {
	if err == nil || !unsupported(err) || scout.CodeOf(err) == scout.CodeStoreUnsafe {
		return err
	}
	return scout.Errorf(scout.CodeStoreUnsafe, "the file system has no locks that work (%w)", err)
}

// unsupported reports whether an error of locking says that the file system has no locks. Some network and user-space file systems
// have none.
func unsupported(err error) bool {
	for _, missing := range []error{unix.ENOLCK, unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL} {
		if errors.Is(err, missing) {
			return true
		}
	}
	return false
}

// Wait takes the lock of f as soon as no other open file holds it.
func Wait(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			return Explain(err)
		}
	}
}

// Held reports whether another open file holds the lock of f. Two callers of Held at the same time do not see each
// other as holders. A process that tries to take the lock at that moment may fail and has to try again.
func Held(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_UN)
	}
	return false, Explain(err)
}

// Close releases the lock and closes f. Closing alone is not enough: a child that another goroutine is just starting
// has a copy of the descriptor, and so of the lock, until its program begins.
func Close(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}
