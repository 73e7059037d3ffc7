package recording

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// openElsewhere reports whether the file is open a second time anywhere. The kernel grants a lease for writing only to the one who has a
// file open (fcntl(2), F_SETLEASE); it ends with the file.
func openElsewhere(file *os.File) bool {
	_, err := unix.FcntlInt(file.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	return errors.Is(err, unix.EAGAIN)
}
