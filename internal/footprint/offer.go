package footprint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// What is added to the badness of a process, so that a system that runs out of memory takes the engine first, then a command that a person can
// repeat, and then the daemon or the recorder: proc_pid_oom_score_adj(5).
const (
	OfferedEngine  = 500
	OfferedCommand = 250

	worst = 1000
)

// Offer makes a process one of the first to be killed when memory runs out: its value is that of this process and so much more. Raising it needs no
// privilege. Where the system knows no such value, or the process has ended, nothing happens.
func Offer(pid, more int) error {
	const own = "/proc/self/oom_score_adj"
	text, err := os.ReadFile(own)
	if err != nil {
		return nil //nolint:nilerr // not Linux
	}
	now, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil {
		// Not by atomicfile: it is a request to the kernel.
		err = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", strconv.AppendInt(nil, int64(min(now+more, worst)), 10), 0o644) //nolint:gosec // the kernel gives the mode
	}
	if err != nil && !errors.Is(err, syscall.ESRCH) && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("offer process %d to the kernel: %w", pid, err)
	}
	return nil
}
