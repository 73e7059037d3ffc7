//go:build unix

package recording

import (
	"io"
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

// writeAt writes p at an offset. After an error n is how many bytes are in the file. It allocates nothing unless it fails.
func writeAt(f *os.File, p []byte, off int64) (n int, err error) {
	for n < len(p) {
		wrote, err := unix.Pwrite(int(f.Fd()), p[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, &os.PathError{Op: "write", Path: f.Name(), Err: err}
		case wrote == 0:
			return n, io.ErrUnexpectedEOF
		}
		n += max(wrote, 0)
	}
	return n, nil
}

// sizeOf is fstat without the allocation of File.Stat: it is called before each write.
func sizeOf(f *os.File) (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	return st.Size, nil
}
