//go:build linux

package controlgroup_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/scout-speech/scout/internal/controlgroup"
	"github.com/scout-speech/scout/internal/testrun"
)

// leavesVariable turns this program into one that leaves its groups, and says what became of it.
const leavesVariable = "SCOUT_TEST_LEAVES_GROUPS"

// apartVariable turns this program into one that prints how far the process with that number is from it, or its limit of memory.
const apartVariable = "SCOUT_TEST_APART"

func TestMain(m *testing.M) {
	switch wanted := os.Getenv(apartVariable); wanted {
	case "":
	case "memory":
		fmt.Print(controlgroup.MemoryLimit())
		os.Exit(0)
	default:
		pid, _ := strconv.Atoi(wanted) // 0 is this process
		a, err := controlgroup.Apart(pid)
		if err != nil {
			fmt.Print(err)
		}
		fmt.Print(a.Groups)
		os.Exit(0)
	}
	if key := os.Getenv(leavesVariable); key != "" {
		left := controlgroup.Leave(key)
		for _, folder := range left.Into {
			fmt.Println("into", folder)
		}
		for _, err := range left.Shared {
			fmt.Println("shared", err)
		}
		groups, err := os.ReadFile("/proc/self/cgroup")
		fmt.Printf("%s%v\n", groups, err)
		os.Exit(0)
	}
	os.Exit(testrun.Contain(m).Run())
}

// starter is a group in which somebody else is, too.
func starter(t *testing.T, above testrun.ControlGroup) testrun.ControlGroup {
	t.Helper()
	g := above.Below(t, "starter")
	other := exec.CommandContext(t.Context(), "sleep", "1000")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() }) // it was only there
	g.Set(t, controlgroup.MembersFile, fmt.Sprint(other.Process.Pid))
	return g
}

// handOver gives a group to a user without rights, who may make groups in it then.
func handOver(t *testing.T, groups ...testrun.ControlGroup) {
	t.Helper()
	user := testrun.Nobody()
	for _, g := range groups {
		for _, path := range []string{g.Folder, filepath.Join(g.Folder, controlgroup.MembersFile)} {
			if err := os.Chown(path, int(user.Uid), int(user.Gid)); err != nil {
				t.Skipf("control groups cannot be handed over here: %v", err)
			}
		}
	}
}

func TestLeave(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can make control groups for other users")
	}
	for _, version := range []struct{ name, controller string }{{"version 1", "memory"}, {"version 2", ""}} {
		for situation, c := range map[string]struct {
			prepare func(t *testing.T, above testrun.ControlGroup) testrun.ControlGroup
			nobody  bool // whether a user without rights leaves it
			leaves  bool
			says    string
		}{
			"the group above is delegated": {func(t *testing.T, above testrun.ControlGroup) testrun.ControlGroup {
				above.Delegate(t)
				return starter(t, above)
			}, false, true, ""},
			"root, and nothing is delegated": {starter, false, false, "shared control group"},
			"nobody else is in the group": {func(t *testing.T, above testrun.ControlGroup) testrun.ControlGroup {
				above.Delegate(t)
				return above.Below(t, "own")
			}, false, false, ""},
			"a user without rights": {starter, true, false, "shared control group"},
			"the groups are the user's": {func(t *testing.T, above testrun.ControlGroup) testrun.ControlGroup {
				g := starter(t, above)
				handOver(t, above, g)
				return g
			}, true, true, ""},
			"the groups are the user's, and units of systemd": {func(t *testing.T, above testrun.ControlGroup) testrun.ControlGroup {
				unit := above.Below(t, "terminal.scope")
				g := starter(t, unit)
				handOver(t, unit, g)
				return g
			}, true, false, "shared control group"},
			"a recorder that has ended left a group": {func(t *testing.T, above testrun.ControlGroup) testrun.ControlGroup {
				above.Delegate(t)
				above.Below(t, "scout-recorder-0123456789ab")
				return starter(t, above)
			}, false, true, ""},
		} {
			t.Run(version.name+", "+situation, func(t *testing.T) {
				t.Parallel()
				above := testrun.NewControlGroup(t, version.controller)
				g := c.prepare(t, above)
				cmd := exec.CommandContext(t.Context(), program(t))
				if c.nobody {
					cmd.SysProcAttr = &syscall.SysProcAttr{Credential: testrun.Nobody()}
				}
				// The test moves it, since a user without rights cannot.
				cmd.Env = append(os.Environ(), leavesVariable+"=/a/folder")
				var out bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, &out
				startWithin(t, cmd, g)
				if err := cmd.Wait(); err != nil {
					t.Fatalf("%v\n%s", err, out.String())
				}
				into := filepath.Dir(g.Folder) + "/scout-recorder-"
				if said := strings.Contains(out.String(), "into "+into); said != c.leaves || !strings.Contains(out.String(), c.says) {
					t.Errorf("it said\n%swant it to leave: %v, and %q", out.String(), c.leaves, c.says)
				}
				relative := strings.TrimPrefix(g.Folder, "/sys/fs/cgroup/")
				_, relative, _ = strings.Cut(relative, "/")
				if is := !strings.Contains(out.String(), "/"+relative+"\n"); is != c.leaves {
					t.Errorf("it is in %s: %v\n%s", relative, !is, out.String())
				}
				left, err := filepath.Glob(filepath.Dir(g.Folder) + "/scout-recorder-*")
				if want := map[bool]int{true: 1}[c.leaves]; err != nil || len(left) != want {
					t.Errorf("groups %v, %v: want %d", left, err, want)
				}
			})
		}
	}
}

// program is this test, where every user can run it.
func program(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "program") //nolint:usetesting // other users may enter it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })  // the suite removes it at the latest
	if err := os.Chmod(folder, 0o755); err != nil { //nolint:gosec // as said
		t.Fatal(err)
	}
	path := filepath.Join(folder, "test")
	content, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := testrun.WriteProgram(path, content); err != nil {
		t.Fatal(err)
	}
	return path
}

// startWithin starts a command in the group, as whoever it runs as.
func startWithin(t *testing.T, cmd *exec.Cmd, g testrun.ControlGroup) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args = []string{"sh", "-c", `read go && exec "$0"`, cmd.Path}
	if cmd.Path, err = exec.LookPath("sh"); err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = read
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g.Set(t, controlgroup.MembersFile, fmt.Sprint(cmd.Process.Pid))
	if !slices.Contains(g.Members(t), cmd.Process.Pid) {
		t.Fatal("it was not moved")
	}
	if _, err := write.WriteString("go\n"); err != nil {
		t.Fatal(err)
	}
	_, _ = read.Close(), write.Close() // it has what it needs
}
