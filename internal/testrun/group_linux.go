package testrun

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout/internal/controlgroup"
)

// ControlGroup is a control group that a test made.
type ControlGroup struct{ Folder string }

// NewControlGroup makes a group below that of this process: with the controller of version 1 that is named, or of version 2 if the name is
// empty. It ends with the test, with every process in it. Where this user may not make groups the test is skipped.
func NewControlGroup(t *testing.T, controller string) ControlGroup {
	t.Helper()
	trees, err := controlgroup.Trees("/proc/self")
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(trees, func(tree controlgroup.Tree) bool {
		return controller == "" && tree.Version == 2 || slices.Contains(tree.Controllers, controller)
	})
	if at < 0 {
		t.Skipf("no control groups with the controller %q here", controller)
	}
	folder, err := os.MkdirTemp(trees[at].Own, "scout-test-") //nolint:usetesting // a control group is made in its own file system, and removed below
	if err != nil {
		t.Skipf("no control group can be made here: %v", err)
	}
	if err := remember(folder); err != nil {
		t.Fatal(err)
	}
	g := ControlGroup{folder}
	t.Cleanup(func() { g.end(t) })
	return g
}

// Below makes a group in the group.
func (g ControlGroup) Below(t *testing.T, name string) ControlGroup {
	t.Helper()
	inner := ControlGroup{filepath.Join(g.Folder, name)}
	if err := os.Mkdir(inner.Folder, 0o755); err != nil { //nolint:gosec // as all control groups
		t.Fatal(err)
	}
	if err := remember(inner.Folder); err != nil {
		t.Fatal(err)
	}
	return inner
}

// Delegate marks the group as systemd marks one in which others may make groups. Where root may not do that the test is skipped.
func (g ControlGroup) Delegate(t *testing.T) {
	t.Helper()
	if err := unix.Setxattr(g.Folder, "trusted.delegate", []byte("1"), 0); err != nil {
		t.Skipf("control groups cannot be marked as delegated here: %v", err)
	}
}

// Set writes one of the group's limits.
func (g ControlGroup) Set(t *testing.T, name, value string) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(g.Folder, name), os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("this control group has no %s: %v", name, err)
	}
	if _, err := file.WriteString(value); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// Within makes a command start in the group, with everything that it starts.
func (g ControlGroup) Within(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = append([]string{shell, "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(g.Folder, controlgroup.MembersFile), cmd.Path}, cmd.Args[1:]...)
	cmd.Path = shell
}

// Members returns the processes of the group itself, not of those below.
func (g ControlGroup) Members(t *testing.T) (pids []int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(g.Folder, controlgroup.MembersFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(string(text)) {
		var pid int
		if _, err := fmt.Sscan(field, &pid); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// Kill ends every process of the group but some with SIGKILL, until there are no others.
func (g ControlGroup) Kill(t *testing.T, but ...int) {
	t.Helper()
	for { // a process may start another one meanwhile
		others := slices.DeleteFunc(g.Members(t), func(pid int) bool { return slices.Contains(but, pid) })
		if len(others) == 0 {
			return
		}
		for _, pid := range others {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
		time.Sleep(time.Millisecond) // nothing announces the end of a process that is no child
	}
}

// end ends what is in the group and below it, and removes it.
func (g ControlGroup) end(t *testing.T) {
	below, err := filepath.Glob(filepath.Join(g.Folder, "*", controlgroup.MembersFile))
	if err != nil {
		t.Error(err)
	}
	for _, file := range below {
		ControlGroup{filepath.Dir(file)}.end(t)
	}
	g.Kill(t)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := os.Remove(g.Folder)
		if err == nil || os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) { // the kernel needs a moment after the last process
			t.Errorf("a control group stays: %v", err)
			return
		}
	}
}

// remember tells the guard of the suite to remove the group if nobody else does.
func remember(folder string) error {
	list, err := os.OpenFile(filepath.Join(os.TempDir(), groupsFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(list, folder); err != nil {
		return err
	}
	return list.Close()
}
