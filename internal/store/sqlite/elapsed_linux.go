package sqlite

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceNow returns a function that tells how much time has passed since now. Go's own clock stands still while a machine sleeps.
func sinceNow() func() time.Duration {
	began, opened := booted(), time.Now()
	return func() time.Duration {
		if now := booted(); began > 0 && now > 0 {
			return now - began
		}
		return time.Since(opened)
	}
}

// booted returns the time since the machine was started, 0 if it is not known.
func booted() time.Duration {
	var at unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &at); err != nil {
		return 0
	}
	return time.Duration(at.Nano())
}
