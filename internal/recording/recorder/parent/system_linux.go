package parent

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is how much later than requested the kernel may wake the recorder. Everything in it works in steps of 20
// ms and more, except one thread of Go's runtime: while the program is busy, it checks that every 20 us. That thread
// took a third of the recorder's processor time (docs/adr/0020-recorder-process.md). No work of the device waits for a
// timer.
const timerSlack = 5 * time.Millisecond

// beLazy sets the slack of this thread, which a child that it starts inherits, with all its threads. Without it the
// recorder only takes more processor time.
func beLazy() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0) }

// program returns this program, even if another version or none has its path on disk.
func program() string { return "/proc/self/exe" }

// makeMemory makes memory that lives as long as one of the processes that hold it.
func makeMemory() (*os.File, error) {
	// Not by atomicfile: it is memory, without a name on disk.
	fd, err := unix.MemfdCreate("scout-recorder", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "memory"), nil
}
