package server

import (
	"runtime"
	"syscall"
)

// lowestPriority is the nice value of requests that nobody waits for. SCHED_IDLE would leave them 0.3 % of a busy
// processor, too little for their deadline; see docs/adr/0032-scheduler.md.
const lowestPriority = 19

// inBackground runs work on a thread of its own at the lowest priority and waits for it. The thread ends with the work: a
// process without privileges may lower the priority of a thread, and never raise it again.
func inBackground(work func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
		// An error leaves the priority as it is, which costs others some time and nothing else.
		_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, lowestPriority) // of the calling thread: setpriority(2), "C library/kernel differences"
		done <- work()
	}()
	return <-done
}
