package server

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// lowestPriority is the nice value of requests that nobody waits for. SCHED_IDLE would leave them 0.2 % of a busy
// processor; see docs/adr/0032-scheduler.md.
const lowestPriority = 19

// onThread runs work on one thread, reports its id first, and waits for the work. In the background it uses a separate
// thread at the lowest priority, which ends with the work: a process without privileges may lower the priority of a
// thread, but never raise it again.
func onThread(background bool, told func(tid int), work func() error) error {
	if !background {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		told(syscall.Gettid())
		return work()
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		// An error leaves the priority unchanged, which only costs other requests some time.
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, lowestPriority) // of the calling thread: setpriority(2), "C library/kernel differences"
		told(syscall.Gettid())
		done <- work()
	}()
	return <-done
}

// timesOf is how long a thread of this process has been on a processor and how long it has waited for one since it began, zero
// where the system does not tell.
func timesOf(tid int) times {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/schedstat", tid))
	fields := bytes.Fields(text)
	if err != nil || len(fields) < 2 {
		return times{}
	}
	// "time spent on the cpu", "time spent waiting on a runqueue": sched-stats.rst of Linux.
	ran, ranErr := strconv.ParseInt(string(fields[0]), 10, 64)
	queued, queuedErr := strconv.ParseInt(string(fields[1]), 10, 64)
	if ranErr != nil || queuedErr != nil {
		return times{}
	}
	return times{ran: time.Duration(ran), queued: time.Duration(queued)}
}
