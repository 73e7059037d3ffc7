//go:build unix && !linux

package model

import "os"

// swapDir puts the folder staged in the place of final; the old folder is then called staged.
func swapDir(staged, final string) error {
	if _, err := os.Lstat(final); err != nil {
		return renameDir(staged, final)
	}
	return swapInTwoSteps(staged, final)
}
