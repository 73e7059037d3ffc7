package controlgroup

import (
	"bufio"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// MembersFile lists the processes of a group, one a line; writing a process id moves that process into the group.
const MembersFile = "cgroup.procs"

// Tree is one of the trees of control groups that a process is in: cgroups(7).
type Tree struct {
	Mount       string   // the folder of the tree
	Own         string   // the folder of the process's group; equal to Mount at the root
	Version     int      // 1 or 2
	Controllers []string // of version 1, such as memory; nil in version 2
}

// Trees returns the trees of control groups in which a process, named by its folder in /proc, can see its group. There are none if the
// kernel has no control groups.
func Trees(process string) (found []Tree, err error) {
	groups, err := os.ReadFile(filepath.Join(process, "cgroup"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // this kernel has none
	}
	if err != nil {
		return nil, err
	}
	mounts, err := os.ReadFile(filepath.Join(process, "mountinfo"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(groups)) { // 4:memory:/a/b, 0::/a/b
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		if tree, ok := mounted(mounts, fields[1], fields[2]); ok {
			found = append(found, tree)
		}
	}
	return found, nil
}

// mounted finds where the tree with these controllers (none: version 2) is mounted. Source: proc_pid_mountinfo(5):
//
//	36 35 98:0 /root /mount options optional-fields - type source options-of-the-tree
func mounted(mounts []byte, controllers, path string) (tree Tree, ok bool) {
	for lines := bufio.NewScanner(bytes.NewReader(mounts)); lines.Scan(); {
		before, after, found := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !found || len(left) < 5 || len(right) < 3 {
			continue
		}
		tree = Tree{Mount: left[4], Version: 1}
		switch right[0] {
		case "cgroup2":
			tree.Version = 2
			if controllers != "" {
				continue
			}
		case "cgroup":
			options := strings.Split(right[2], ",")
			if controllers == "" || slices.ContainsFunc(strings.Split(controllers, ","), func(c string) bool { return !slices.Contains(options, c) }) {
				continue
			}
		default:
			continue
		}
		// In a container the mount may show a part of the tree.
		within, err := filepath.Rel(left[3], path)
		if err != nil || within == ".." || strings.HasPrefix(within, "../") {
			continue
		}
		tree.Own = filepath.Join(tree.Mount, within)
		if controllers != "" {
			tree.Controllers = strings.Split(controllers, ",")
		}
		return tree, true
	}
	return Tree{}, false
}
