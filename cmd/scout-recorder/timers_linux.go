package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is how much later than asked for the kernel may wake this process. Everything in it works in steps of
// 20 ms and more, but for one thread of Go's runtime that looks every 20 us whether the program is busy, as long as
// it is: that thread was a third of the recorder's processor time (docs/adr/0020-recorder-process.md). Nothing
// that the device does waits for a timer.
const timerSlack = 2 * time.Millisecond

// slackSet says, in the environment, that the program was started anew by waitLazily: once is enough, whatever came
// of it.
const slackSet = "SCOUT_RECORDER_SLACK"

// waitLazily gives all threads of this process the slack. A thread can only set its own and hands it on to those it
// makes, and the runtime has threads already: so that the program is started once more, in the same process. It
// returns where that is done, or cannot be.
func waitLazily() error {
	if os.Getenv(slackSet) != "" {
		return os.Unsetenv(slackSet)
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	runtime.LockOSThread() // for good: where it fails this thread alone is lazy
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0, 0, 0); err != nil {
		return fmt.Errorf("set timer slack: %w", err)
	}
	if err := syscall.Exec(program, os.Args, append(os.Environ(), slackSet+"=1")); err != nil {
		return fmt.Errorf("start %s anew: %w", program, err)
	}
	return nil
}
