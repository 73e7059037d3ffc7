//go:build linux

package controlgroup_test

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"

	"github.com/scout-speech/scout/internal/controlgroup"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestApart(t *testing.T) {
	t.Parallel()
	sleeping := func(t *testing.T, session bool) int {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sleep", "1000")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) // it was only there
		return cmd.Process.Pid
	}
	for situation, session := range map[string]bool{"in this session": false, "in a session of its own": true} {
		a, err := controlgroup.Apart(sleeping(t, session))
		if err != nil || a.OwnSession != session || a.Groups == controlgroup.OwnGroups {
			t.Errorf("%s: %+v, %v", situation, a, err)
		}
	}
	if a, err := controlgroup.Apart(os.Getpid()); err != nil || a.OwnSession || a.Groups == controlgroup.OwnGroups {
		t.Errorf("this process: %+v, %v", a, err)
	}
	if _, err := controlgroup.Apart(1 << 30); err == nil {
		t.Error("no error for a process that does not exist")
	}
	// In another group: seen from a process that is in a group itself.
	above := testrun.NewControlGroup(t, "memory")
	mine, theirs := above.Below(t, "mine"), above.Below(t, "theirs")
	pid, child := sleeping(t, true), sleeping(t, true)
	theirs.Set(t, controlgroup.MembersFile, strconv.Itoa(pid))
	mine.Below(t, "below").Set(t, controlgroup.MembersFile, strconv.Itoa(child))
	for situation, c := range map[string]struct {
		pid  int
		want string
	}{"in another group": {pid, "own"}, "in a group below": {child, "shared"}} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), apartVariable+"="+strconv.Itoa(c.pid))
		mine.Within(t, cmd)
		if out, err := cmd.Output(); err != nil || string(out) != c.want {
			t.Errorf("%s: %s %v, want %s", situation, out, err, c.want)
		}
	}
}

func TestTheLimitOfMemory(t *testing.T) {
	t.Parallel()
	above := testrun.NewControlGroup(t, "memory")
	inner := above.Below(t, "inner")
	for situation, c := range map[string]struct{ above, own, want string }{
		"none":                  {"-1", "-1", "0"},
		"its own":               {"-1", "268435456", "268435456"},
		"that of a group above": {"134217728", "-1", "134217728"},
	} {
		above.Set(t, "memory.limit_in_bytes", c.above)
		inner.Set(t, "memory.limit_in_bytes", c.own)
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), apartVariable+"=memory")
		inner.Within(t, cmd)
		if out, err := cmd.Output(); err != nil || string(out) != c.want && c.want != "0" {
			t.Errorf("%s: %s %v, want %s", situation, out, err, c.want)
		}
		inner.Set(t, "memory.limit_in_bytes", "-1")
		above.Set(t, "memory.limit_in_bytes", "-1")
	}
}
