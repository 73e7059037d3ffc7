package file

import (
	"os/exec"

	"golang.org/x/sys/unix"
)

// maxFFmpegMemory bounds the address space of ffmpeg. It decodes AAC in less than 300 MB of it, 57 MB of that resident
// (docs/adr/0005-file-decoding.md); large pictures beside the sound take more.
const maxFFmpegMemory = 2 << 30

// limitMemory bounds a started process. If the kernel refuses, -max_alloc still bounds each block.
func limitMemory(cmd *exec.Cmd) {
	limit := unix.Rlimit{Cur: maxFFmpegMemory, Max: maxFFmpegMemory}
	_ = unix.Prlimit(cmd.Process.Pid, unix.RLIMIT_AS, &limit, nil)
}
