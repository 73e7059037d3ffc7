//go:build !linux

package bench

import (
	"math"

	ps "github.com/shirou/gopsutil/v4/process"
)

// processTree asks the operating system. Only Linux keeps peaks of processes that can be read cheaply, so top is 0
// here. It leaves out a process that ends while it is being read.
func processTree(pid int, except []int) []process {
	var all []process
	for _, id := range tree(pid, except, childrenOf) {
		p, err := open(id)
		if err != nil {
			continue
		}
		memory, err := p.MemoryInfo()
		if err != nil || memory == nil || memory.RSS > math.MaxInt64 {
			continue
		}
		name, err := p.Name()
		if err != nil {
			name = "unknown"
		}
		all = append(all, process{name: name, resident: int64(memory.RSS)})
	}
	return all
}

func childrenOf(pid int) []int {
	p, err := open(pid)
	if err != nil {
		return nil
	}
	children, err := p.Children()
	if err != nil {
		return nil
	}
	pids := make([]int, 0, len(children))
	for _, c := range children {
		pids = append(pids, int(c.Pid))
	}
	return pids
}

func open(pid int) (*ps.Process, error) { return ps.NewProcess(int32(pid)) }

// ProportionalSize returns 0: only Linux tells.
func ProportionalSize(int) int64 { return 0 }
