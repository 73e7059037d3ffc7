package controlgroup

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// prefix begins the name of a group that Leave makes.
const prefix = "scout-recorder-"

// Leave moves this process, and with it those that it starts from now on, out of the control groups of its starter, each into a
// group of its own beside that one. Then nothing that is done to the starter's group as a whole reaches the recorder: a kill, a
// freeze, a limit of memory.
//
// It does so only where the group above was handed over for this: it is marked as delegated, as systemd does it, or it belongs to this
// user and is no unit of systemd, whose groups nobody else may change. Root could do it anywhere; therefore the mark is
// required for root. docs/adr/0055-control-groups.md.
//
// The key, the folder of recordings, names the group: a recorder finds that of the one before.
func Leave(key string) (m Left) {
	trees, err := Trees("/proc/self")
	if err != nil {
		return Left{Shared: []error{err}}
	}
	sum := sha256.Sum256([]byte(key))
	name := prefix + hex.EncodeToString(sum[:6])
	for _, tree := range trees {
		if tree.Own == tree.Mount || alone(tree.Own) {
			continue
		}
		into, err := tree.leave(name)
		if err != nil {
			m.Shared = append(m.Shared, fmt.Errorf("control group %s: %w", tree.Own, err))
		} else {
			m.Into = append(m.Into, into)
		}
	}
	return m
}

// errNotDelegated is why most recorders stay where they are.
var errNotDelegated = errors.New("the group above it is not this user's to change")

// leave moves this process into a group of that name, which it makes or finds, and returns the folder of the group.
func (t Tree) leave(name string) (string, error) {
	above := filepath.Dir(t.Own)
	if !t.delegated(above) {
		return "", errNotDelegated
	}
	removeEmpty(above)
	target := filepath.Join(above, name)
	err := t.enter(target)
	for range 3 {
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		err = t.enter(target) // another recorder, which began at the same moment, removed the group while it was empty
	}
	if err != nil {
		_ = os.Remove(target) // it is empty, or not there
		return "", err
	}
	return target, nil
}

// enter moves this process into a group, which it makes or finds.
func (t Tree) enter(target string) error {
	if err := os.Mkdir(target, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // as all control groups
		return err
	}
	if t.Version == 1 { // without these, a group of cpuset takes no process
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if value, err := os.ReadFile(filepath.Join(t.Own, file)); err == nil {
				_ = ask(filepath.Join(target, file), string(value)) // the next step tells if it was needed
			}
		}
	}
	return ask(filepath.Join(target, MembersFile), strconv.Itoa(os.Getpid()))
}

// ask writes to a file of the kernel's.
func ask(path, value string) error {
	// Not by atomicfile: it is a request to the kernel.
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// removeEmpty removes the groups of recorders that have ended: a process cannot remove the group that it is in.
func removeEmpty(above string) {
	groups, _ := filepath.Glob(filepath.Join(above, prefix+"*")) // the pattern is correct
	for _, group := range groups {
		_ = os.Remove(group) // the kernel refuses it while there is a process in it
	}
}

// delegated reports whether this user may make groups in the folder, and is meant to.
func (t Tree) delegated(folder string) bool {
	for _, mark := range []string{"user.delegate", "trusted.delegate"} {
		value := make([]byte, 8)
		if n, err := unix.Getxattr(folder, mark, value); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	info, err := os.Stat(folder)
	if err != nil || os.Geteuid() == 0 {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	within, err := filepath.Rel(t.Mount, folder)
	return ok && int(stat.Uid) == os.Geteuid() && err == nil && !slices.ContainsFunc(strings.Split(within, "/"), func(part string) bool {
		return slices.Contains([]string{".slice", ".service", ".scope"}, filepath.Ext(part))
	})
}

// alone reports whether this process is the only one of a group, as in a scope that systemd-run made.
func alone(folder string) bool {
	members, err := os.ReadFile(filepath.Join(folder, MembersFile))
	return err == nil && strings.TrimSpace(string(members)) == strconv.Itoa(os.Getpid())
}
