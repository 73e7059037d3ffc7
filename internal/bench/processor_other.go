//go:build !linux

package bench

import (
	"fmt"
	"time"

	proc "github.com/shirou/gopsutil/v4/process"
)

// ProcessorTime returns the time that all threads of a process have spent on processors so far.
func ProcessorTime(pid int) (time.Duration, error) {
	p, err := proc.NewProcess(int32(pid))
	if err != nil {
		return 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	times, err := p.Times()
	if err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	return time.Duration((times.User + times.System) * float64(time.Second)), nil
}
