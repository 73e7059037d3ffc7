//go:build !linux

package service

// mount mounts nothing here.
func mount(string, int) (why string, unmount func() error) {
	return "a small disk is mounted on Linux only", nil
}
