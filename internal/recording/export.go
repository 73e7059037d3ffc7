package recording

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
)

// Export copies the audio of a recording that ended to a file of the user's own, which is there whole
// or not at all. An existing file is replaced where replace says so, else the error has
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
		return scout.Errorf(scout.CodeInvalidArgument, "%s: it exists", doing)
	}
	source, err := os.Open(f.AudioPath(id))
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, doing, err)
	}
	defer func() { err = errors.Join(err, scout.FileError(scout.CodeReadFailed, doing, source.Close())) }()
	target, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*"+temporarySuffix)
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	_, err = io.Copy(target, source)
	if err == nil {
		err = target.Sync()
	}
	err = errors.Join(err, target.Close())
	if err == nil {
		err = os.Rename(target.Name(), path)
	}
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, doing, errors.Join(err, removeIfThere(target.Name())))
	}
	return scout.FileError(scout.CodeWriteFailed, doing, syncFolder(filepath.Dir(path)))
}
