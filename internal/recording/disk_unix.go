//go:build unix

package recording

import (
	"os"

	"golang.org/x/sys/unix"
)

// Space implements Disk.
func (OSDisk) Space(dir string) (Space, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return Space{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	block := uint64(st.Bsize)
	return Space{FreeBytes: st.Bavail * block, TotalBytes: st.Blocks * block}, nil
}

// sizeOf is fstat without the allocation of File.Stat: it is called before each write.
func sizeOf(f *os.File) (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	return st.Size, nil
}
