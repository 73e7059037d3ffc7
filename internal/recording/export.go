package recording

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
)

// Export copies the audio of an ended recording to a user's file, which appears whole or not at all. Others may read it
// if the umask allows. An existing file is replaced only if replace is set, else the error has
// scout.CodeInvalidArgument.
func (f *Folder) Export(id ID, path string, replace bool) (err error) {
	m, err := f.Manifest(id)
	if err != nil {
		return err
	}
	if m.State == StateRecording {
		return scout.Errorf(scout.CodeRecordingInUse, "export recording %s: it is being recorded or was not recovered yet", id)
	}
	doing := fmt.Sprintf("export recording to %s", path)
	if there, err := exists(path); err != nil {
		return scout.FileError(scout.CodeReadFailed, doing, err)
	} else if there && !replace {
		return scout.Errorf(scout.CodeInvalidArgument, "%s: the file exists", doing)
	}
	source, err := os.Open(f.AudioPath(id))
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, doing, err)
	}
	defer func() { err = errors.Join(err, scout.FileError(scout.CodeReadFailed, doing, source.Close())) }()
	err = atomicfile.WriteFrom(path, atomicfile.Options{Exclusive: !replace}, func(w io.Writer) error {
		_, err := io.Copy(w, source)
		return err
	})
	if errors.Is(err, os.ErrExist) && !replace {
		return scout.Errorf(scout.CodeInvalidArgument, "%s: the file exists", doing)
	}
	return err
}
