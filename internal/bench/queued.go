package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// queued is how long each thread of a process has waited for a processor so far, by the names of the files from which
// Linux reports it (proc_pid_schedstat(5)).
type queued map[string]time.Duration

// queuedOf reads the threads of a process. It is empty if the system does not report them.
func queuedOf(pid int) queued {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil {
		return nil
	}
	q := make(queued, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the thread has ended
		}
		fields := strings.Fields(string(text))
		if len(fields) < 2 {
			continue
		}
		if ns, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			q[file] = time.Duration(ns)
		}
	}
	return q
}

// since returns the longest wait of a single thread between before and q, including a wait that had begun earlier. The
// process did not necessarily lose that time, because threads wait in parallel, and for each other.
func (q queued) since(before queued) time.Duration {
	var longest time.Duration
	for thread, waited := range q {
		longest = max(longest, waited-before[thread])
	}
	return longest
}
