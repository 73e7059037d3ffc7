//go:build !linux

package process

// lookAt knows nothing here: a deadline ends what hangs.
func lookAt(int) *look { return nil }
