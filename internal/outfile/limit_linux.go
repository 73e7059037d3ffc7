package outfile

import "golang.org/x/sys/unix"

// nameLimit is how many bytes a name in the folder may have: 255 almost everywhere, 143 with eCryptfs.
func nameLimit(folder string) int {
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil || fs.Namelen <= 0 || fs.Namelen > 4096 {
		return usualNameLimit
	}
	return int(fs.Namelen)
}
