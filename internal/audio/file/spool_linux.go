package file

import "golang.org/x/sys/unix"

// diskSpace returns how many bytes this user may still write on the disk of dir, and how many there are in total.
func diskSpace(dir string) (free, total int64, known bool) {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0, 0, false
	}
	return int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize, true
}
