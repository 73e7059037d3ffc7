package main

import (
	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
)

// leastAddressSpace is what Scout and an engine reserve, each: with 1.3 GB threads could not be started, 1.6 GB were
// enough. Below it the C library and Go's runtime abort with the stacks of all threads.
const leastAddressSpace = 1600 << 20

// checkLimits refuses to begin under limits of the shell that would end the process in the middle.
func checkLimits() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &limit); err != nil || limit.Cur >= leastAddressSpace {
		return nil //nolint:nilerr // a limit that is not known is none
	}
	return scout.Errorf(scout.CodeEngineMemory, "not enough memory: the address space is limited to %s, Scout needs %s",
		sizeText(int64(limit.Cur)), sizeText(leastAddressSpace)).WithHint("raise the limit of this shell: ulimit -v unlimited")
}
