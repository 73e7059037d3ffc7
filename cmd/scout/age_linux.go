package main

import (
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// ticksASecond is USER_HZ, which is the same on every architecture that Go knows (proc(5)).
	ticksASecond = 100
	// startField is the number of starttime among the fields behind the name of the program (proc_pid_stat(5): field 22 of all).
	startField = 22 - 3
)

// age returns how long ago this process was created, which is when a person pressed a key; 0 if the system does not tell. Its clock goes
// on while the machine sleeps, and has steps of 10 ms.
func age() time.Duration {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) <= startField {
		return 0
	}
	ticks, err := strconv.ParseInt(fields[startField], 10, 64)
	if err != nil {
		return 0
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return max(0, time.Duration(now.Nano())-time.Duration(ticks)*time.Second/ticksASecond)
}
