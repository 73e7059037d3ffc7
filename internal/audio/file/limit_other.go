//go:build !linux

package file

import "os/exec"

// limitMemory does nothing here: -max_alloc bounds each block.
func limitMemory(*exec.Cmd) {}
