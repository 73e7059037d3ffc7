package main

import (
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// ticksASecond is USER_HZ, which is the same on every architecture that Go knows (proc(5)).
const ticksASecond = 100

// age returns how long ago this process was created, which is when a person pressed a key; 0 if the system does not tell. Its clock goes
// on while the machine sleeps, and has steps of 10 ms.
func age() time.Duration {
	self, err := procfs.Self()
	if err != nil {
		return 0
	}
	stat, err := self.Stat()
	if err != nil {
		return 0
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return max(0, time.Duration(now.Nano())-time.Duration(stat.Starttime)*time.Second/ticksASecond) //nolint:gosec // ticks since the machine began
}
