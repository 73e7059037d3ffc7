package controlgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// MemoryKills returns how many processes of this process's control group, and of the groups below, were killed for want of memory since
// it was made. known is false where the system does not tell.
func MemoryKills() (n uint64, known bool) {
	trees, err := Trees("/proc/self")
	if err != nil {
		return 0, false
	}
	for _, tree := range trees {
		file := "memory.events"
		if tree.Version == 1 {
			if file = "memory.oom_control"; !slices.Contains(tree.Controllers, "memory") {
				continue
			}
		}
		if n, known = killsIn(filepath.Join(tree.Own, file)); known {
			return n, true
		}
	}
	return 0, false
}

// killsIn reads the line oom_kill.
func killsIn(path string) (n uint64, known bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if number, found := strings.CutPrefix(line, "oom_kill "); found {
			n, err = strconv.ParseUint(strings.TrimSpace(number), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
