//go:build unix

package file

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the process the leader of a group, so that its children end with it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends the group of a started process. It is not an error if the process is already gone; its number is not
// reused before Wait has returned.
func killGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
}
