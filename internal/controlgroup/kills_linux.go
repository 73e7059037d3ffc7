package controlgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// MemoryKills returns how many processes were killed for want of memory in this process's control group and, where the system counts those
// of groups below as well (version 2), in each group above it. It is empty where the system does not tell.
func MemoryKills() []Kills {
	trees, err := Trees("/proc/self")
	if err != nil {
		return nil
	}
	for _, tree := range trees {
		if tree.Version == 1 && !slices.Contains(tree.Controllers, "memory") {
			continue
		}
		if all := killsOf(&tree); len(all) > 0 {
			return all
		}
	}
	return nil
}

// killsOf reads the counts of a tree, from the group upwards. The root of version 2 has none.
func killsOf(tree *Tree) (all []Kills) {
	file, up := "memory.events", tree.Own != tree.Mount
	if tree.Version == 1 {
		file, up = "memory.oom_control", false
	}
	for dir := tree.Own; ; dir = filepath.Dir(dir) {
		n, known := killsIn(filepath.Join(dir, file))
		var group syscall.Stat_t
		if known && syscall.Stat(dir, &group) == nil {
			all = append(all, Kills{Group: group.Ino, N: n})
		}
		if !up || dir == tree.Mount {
			return all
		}
	}
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
