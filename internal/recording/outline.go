package recording

import (
	"os"
	"path/filepath"

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
