//go:build !unix

package file

import "os/exec"

func ownGroup(*exec.Cmd) {}

// killGroup ends a started process. It is not an error if the process is already gone.
func killGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = cmd.Process.Kill()
	}
}
