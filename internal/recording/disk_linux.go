package recording

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncData is fdatasync: it also flushes the size, which reading needs, but not the times.
func syncData(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err != unix.EINTR {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
