package recording

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
)

// outlineSuffix ends the names of outlines. They begin with a dot: an outline is made of the audio at any time, and is not part of the
// recording.
const outlineSuffix = ".peaks"

func (f *Folder) outlinePath(id ID) string {
	return filepath.Join(f.dir, "."+string(id)+outlineSuffix)
}

// KeepOutline keeps what was computed from the audio of a recording that has ended, in place of what was kept before. It leaves with the
// audio: into the trash too, from which it does not come back. Where there is no audio any more, nothing is kept.
func (f *Folder) KeepOutline(id ID, data []byte) error {
	const doing = "keep the outline of a recording"
	if !id.Valid() {
		return scout.Errorf(scout.CodeRecordingNotFound, "recording %q: not an id", string(id))
	}
	return f.claimed(doing, id, func() error { // whoever deletes waits: the outline is no orphan
		there, err := exists(f.AudioPath(id))
		if err != nil || !there {
			return scout.FileError(scout.CodeReadFailed, doing, err)
		}
		return atomicfile.Write(f.outlinePath(id), data, atomicfile.Options{Mode: atomicfile.Private, Unsynced: true})
	})
}

// Outline returns what KeepOutline kept. It may be damaged, or of audio that was repaired since. Where nothing was kept, the error has
// scout.CodeFileNotFound.
func (f *Folder) Outline(id ID) ([]byte, error) {
	if !id.Valid() {
		return nil, scout.Errorf(scout.CodeRecordingNotFound, "recording %q: not an id", string(id))
	}
	data, err := os.ReadFile(f.outlinePath(id))
	return data, scout.FileError(scout.CodeReadFailed, "read the outline of a recording", err)
}

// RemoveOutlines removes the outlines of all recordings of a folder, which are computed again when they are asked for. It returns how many there were.
func (f *Folder) RemoveOutlines() (files int, err error) {
	found, _ := filepath.Glob(filepath.Join(f.dir, ".*"+outlineSuffix)) // of a pattern that is one
	for _, path := range found {
		switch removeErr := os.Remove(path); {
		case errors.Is(removeErr, fs.ErrNotExist): // its recording went meanwhile
		case removeErr != nil:
			err = errors.Join(err, scout.FileError(scout.CodeWriteFailed, "remove the outline of a recording", removeErr))
		default:
			files++
		}
	}
	return files, err
}

// IsOutline reports whether a file of a folder of recordings is an outline, by its name.
func IsOutline(name string) bool {
	return strings.HasPrefix(name, ".") && strings.HasSuffix(name, outlineSuffix)
}

// IsTrash reports whether a folder in a folder of recordings is its trash, by its name.
func IsTrash(name string) bool { return name == trashName }
