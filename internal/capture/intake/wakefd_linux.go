package intake

import (
	"os"

	"golang.org/x/sys/unix"
)

// wakePipe returns the end that a callback in C writes to and the end that a goroutine reads: one eventfd, which
// counts.
func wakePipe() (read, write *os.File, err error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, nil, os.NewSyscallError("eventfd", err)
	}
	f := os.NewFile(uintptr(fd), "eventfd")
	return f, f, nil
}
