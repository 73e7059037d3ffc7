//go:build unix

package model

import (
	"errors"
	"os"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/filelock"
)

// replacedSuffix marks a folder that is being replaced on systems that cannot exchange two names in one step.
// Store.recoverReplaced undoes a replacement that a crash interrupted.
const replacedSuffix = ".replaced"

func renameDir(from, to string) error {
	// Not by atomicfile: it is a folder, whose files are complete and synced.
	if err := os.Rename(from, to); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "rename to "+to, err)
	}
	return nil
}

func swapInTwoSteps(staged, final string) error {
	aside := final + replacedSuffix
	if err := renameDir(final, aside); err != nil {
		return err
	}
	if err := renameDir(staged, final); err != nil {
		return errors.Join(err, renameDir(aside, final))
	}
	return renameDir(aside, staged)
}

// lockFile takes an exclusive lock on path, which is created and never deleted: deleting it would let two processes
// hold "the" lock on two files. It does not wait; busy is true if another holder has it. The lock ends with unlock or
// with the process.
func lockFile(path string) (unlock func() error, busy bool, err error) {
	// Not by atomicfile: it is a lock, and must stay the same file.
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, false, scout.FileError(scout.CodeWriteFailed, "lock", err)
	}
	got, err := filelock.Try(file)
	if err != nil {
		return nil, false, scout.FileError(scout.CodeWriteFailed, "lock "+path, errors.Join(err, file.Close()))
	}
	if !got {
		return nil, true, file.Close()
	}
	return func() error { return filelock.Close(file) }, false, nil
}

// lockHeld reports whether somebody holds the lock on path. Whoever tries to take it at that moment may see it as held, too.
func lockHeld(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false // nobody ever held it
	}
	held, err := filelock.Held(file)
	return errors.Join(err, file.Close()) == nil && held
}
