package outfile

import "golang.org/x/sys/unix"

// usualNameLimit is NAME_MAX of almost all file systems.
const usualNameLimit = 255

// nameLimit is how many bytes a name in the folder may have: 255 almost everywhere, 143 with eCryptfs.
func nameLimit(folder string) int {
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil || fs.Namelen <= 0 || fs.Namelen > 4096 {
		return usualNameLimit
	}
	return int(fs.Namelen)
}

// renameNew is rename(2) that fails with EEXIST where the new name is taken.
func renameNew(from, to string) error {
	return unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
}
