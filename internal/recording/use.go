package recording

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
)

// InUse reports whether any program, this one included, has the audio of a recording open: it is being recorded, transcribed, played
// or copied. Where the file system does not tell, the answer is false.
//
// A recording without audio is not in use. The error has scout.CodeReadFailed, or the code of what the system said.
func (f *Folder) InUse(id ID) (bool, error) {
	if !id.Valid() {
		return false, nil
	}
	for _, dir := range []string{f.dir, f.trash()} {
		file, err := os.Open(filepath.Join(dir, string(id)+f.audio))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, scout.FileError(scout.CodeReadFailed, "look at recording", err)
		}
		used := openElsewhere(file)
		_ = file.Close() // it was only looked at
		if used {
			return true, nil
		}
	}
	return false, nil
}
