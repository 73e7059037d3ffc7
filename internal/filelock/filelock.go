//go:build unix

// Package filelock locks files against other processes, with locks that end with the process, however it ends (flock(2)).
package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Try takes the lock of f; false where another open file holds it.
func Try(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err //nolint:wrapcheck // callers say which lock
}

// Held tells whether another open file holds the lock of f. Those that ask at the same time do not mistake each other for
// holders; whoever takes the lock at that very moment has to try again.
func Held(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return true, nil
	}
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_UN)
	}
	return false, err //nolint:wrapcheck // callers say which lock
}

// Wait takes the lock of f as soon as nobody else has it.
func Wait(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err != unix.EINTR {
			return err //nolint:wrapcheck // callers say which lock
		}
	}
}

// Close gives the lock back and closes f. Closing alone would not do: a child that another goroutine is just starting has a
// copy of the descriptor until its program begins, and with it the lock.
func Close(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}
