package parent

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is how much later than asked for the kernel may wake the recorder. Everything in it works in steps of
// 20 ms and more, but for one thread of Go's runtime that looks every 20 us whether the program is busy, as long as
// it is: that thread was a third of the recorder's processor time (docs/adr/0020-recorder-process.md). Nothing
// that the device does waits for a timer.
const timerSlack = 2 * time.Millisecond

// beLazy gives this thread the slack, which a child that it starts inherits, with all its threads. Without it the
// recorder works as well, only more.
func beLazy() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0) }

// program is this program, also when another version has taken its place on disk, or none.
func program() string { return "/proc/self/exe" }

// makeMemory makes memory that lives as long as one of the processes that have it.
func makeMemory() (*os.File, error) {
	// Not by atomicfile: it is memory, without a name on disk.
	fd, err := unix.MemfdCreate("scout-recorder", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "memory"), nil
}
