//go:build !unix

package file

import "os/exec"

func ownGroup(*exec.Cmd) {}

// killGroup ends a started process. One that is gone already is no error.
func killGroup(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = cmd.Process.Kill()
	}
}
