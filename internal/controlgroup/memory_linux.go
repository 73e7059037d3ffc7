package controlgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// unlimited is from where on a limit of version 1 is none: it means that by the largest number that a page counter holds.
const unlimited = 1 << 60

// MemoryLimit returns how many bytes the control groups of this process allow; 0 if they set no limit. Groups above count.
func MemoryLimit() uint64 {
	trees, err := Trees("/proc/self")
	if err != nil {
		return 0
	}
	least := uint64(0)
	for _, tree := range trees {
		file := "memory.max"
		if tree.Version == 1 {
			if file = "memory.limit_in_bytes"; !slices.Contains(tree.Controllers, "memory") {
				continue
			}
		}
		for folder := tree.Own; ; folder = filepath.Dir(folder) {
			if n := limitIn(filepath.Join(folder, file)); n > 0 && (least == 0 || n < least) {
				least = n
			}
			if folder == tree.Mount || folder == filepath.Dir(folder) {
				break
			}
		}
	}
	return least
}

// limitIn reads a limit; 0 for none.
func limitIn(path string) uint64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64) // max is none
	if err != nil || n >= unlimited {
		return 0
	}
	return n
}
