package bench

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// processTree reads /proc (proc(5)). It leaves out a process that ends while it is being read.
func processTree(pid int, except []int) []process {
	var all []process
	for _, p := range tree(pid, except, childrenOf) {
		if one, ok := readProcess(p); ok {
			all = append(all, one)
		}
	}
	return all
}

// childrenOf reads the children of every thread of a process, because the thread that forked is the parent. On kernels
// without that list (CONFIG_PROC_CHILDREN) it reads all processes instead.
func childrenOf(pid int) []int {
	lists, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/children")
	if err != nil || len(lists) == 0 {
		return childrenByScan(pid)
	}
	var pids []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

func childrenByScan(parent int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		status, err := os.ReadFile("/proc/" + e.Name() + "/status")
		if err == nil && statusField(string(status), "PPid") == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func readProcess(pid int) (process, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return process{}, false
	}
	status := string(text)
	p := process{name: statusField(status, "Name")}
	p.resident, p.top = kilobytes(statusField(status, "VmRSS")), kilobytes(statusField(status, "VmHWM"))
	return p, p.resident > 0
}

// statusField returns the value of a line "Name:\tvalue".
func statusField(status, name string) string {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// kilobytes reads "123 kB" into bytes; 0 for anything else.
func kilobytes(value string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// ProportionalSize returns the proportional set size of a process in bytes: shared pages count in equal parts for all
// that share them. It is 0 for a process that is gone.
func ProportionalSize(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0
	}
	return kilobytes(statusField(string(text), "Pss"))
}
