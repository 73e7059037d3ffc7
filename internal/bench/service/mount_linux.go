package service

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
)

// mount mounts a disk of that many bytes, in memory. why says why it cannot; it is empty then.
func mount(dir string, bytes int) (why string, unmount func() error) {
	if os.Geteuid() != 0 {
		return "a small disk can only be mounted by root", nil
	}
	if err := unix.Mount("scout-bench", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		return "a small disk could not be mounted: " + scout.Reason(err), nil
	}
	return "", func() error {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmount %s: %w", dir, err)
		}
		return nil
	}
}
