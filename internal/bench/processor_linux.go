package bench

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ProcessorTime returns the time that all threads of a process have spent on processors so far. It uses the clock of
// the process, which counts nanoseconds; /proc counts hundredths of a second (clock_getcpuclockid(3)).
func ProcessorTime(pid int) (time.Duration, error) {
	const scheduler = 2 // the scheduler's clock, of a whole process
	var now unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|scheduler, &now); err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	return time.Duration(now.Nano()), nil
}
