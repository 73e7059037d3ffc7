package controlgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Apart tells how far another process is from this one: whether what is done to the control groups of this process, or to its
// session, reaches it too. The error says why that cannot be seen, for example because the process has ended.
func Apart(pid int) (a Separation, err error) {
	mine, err := Trees("/proc/self")
	if err != nil {
		return a, err
	}
	process := fmt.Sprintf("/proc/%d", pid)
	if _, err := os.Stat(process); err != nil {
		return a, err
	}
	other, err := Trees(process)
	if err != nil {
		return a, err
	}
	a.Groups = groupsApart(mine, other)
	own, err := unix.Getsid(0)
	if err != nil {
		return a, err
	}
	session, err := unix.Getsid(pid)
	a.OwnSession = session != own
	return a, err
}

// groupsApart compares the groups of two processes, tree by tree. The group at the top of a tree cannot be ended or
// limited, so nothing reaches anybody through it.
func groupsApart(mine, other []Tree) Groups {
	at := make(map[string]string, len(other))
	for _, tree := range other {
		at[tree.Mount] = tree.Own
	}
	apart := NoGroups
	for _, tree := range mine {
		if tree.Own == tree.Mount {
			continue
		}
		group, known := at[tree.Mount]
		if !known {
			continue
		}
		if within, err := filepath.Rel(tree.Own, group); err == nil && within != ".." && !strings.HasPrefix(within, "../") {
			return SharedGroups
		}
		apart = OwnGroups
	}
	return apart
}
