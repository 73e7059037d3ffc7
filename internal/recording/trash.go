package recording

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/scout-speech/scout"
)

// trashName is the folder, inside the folder of recordings, that holds what Trash moved away.
const trashName = "trash"

// ChangeKind is a change of a recording that has ended.
type ChangeKind string

// The kinds of changes.
const (
	ChangeTrash   ChangeKind = "trash"
	ChangeRestore ChangeKind = "restore"
	ChangeDelete  ChangeKind = "delete"
)

// Change does one of Trash, Restore and Delete.
func (f *Folder) Change(id ID, what ChangeKind) error {
	switch what {
	case ChangeTrash:
		return f.Trash(id)
	case ChangeRestore:
		return f.Restore(id)
	case ChangeDelete:
		return f.Delete(id)
	}
	return scout.Errorf(scout.CodeInvalidArgument, "change %q of recording %s: want %s, %s or %s", string(what), id, ChangeTrash, ChangeRestore, ChangeDelete)
}

// suffixes returns the suffixes of the files of a recording in the order in which they leave the folder: the audio
// first, so that a crash in between leaves no audio that would come back as a recovered recording. They come back in
// the reverse order, for the same reason.
func (f *Folder) suffixes() []string { return []string{f.audio, damagedSuffix, manifestSuffix} }

// Delete removes a recording that is not being recorded, from the folder or from its trash.
func (f *Folder) Delete(id ID) error {
	const doing = "delete recording"
	return f.claimed(doing, id, func() error { return f.remove(doing, id) })
}

func (f *Folder) remove(doing string, id ID) error {
	dir := f.dir
	if err := f.checkIdle(doing, id); scout.CodeOf(err) == scout.CodeRecordingNotFound && f.inTrash(id) {
		dir = f.trash()
	} else if err != nil {
		return err
	}
	files := []string{f.outlinePath(id)}
	for _, suffix := range f.suffixes() {
		files = append(files, filepath.Join(dir, string(id)+suffix))
	}
	for _, path := range files {
		if err := removeIfThere(path); err != nil {
			return scout.FileError(scout.CodeWriteFailed, doing, err)
		}
	}
	return scout.FileError(scout.CodeWriteFailed, doing, f.disk.SyncFolder(dir))
}

// Trash moves a recording that is not being recorded into the trash of its folder. Restore brings it
// back; Delete removes it from there.
func (f *Folder) Trash(id ID) error {
	const doing = "move recording to the trash"
	return f.claimed(doing, id, func() error { return f.discard(doing, id) })
}

func (f *Folder) discard(doing string, id ID) error {
	if err := f.checkIdle(doing, id); err != nil {
		return err
	}
	if err := os.MkdirAll(f.trash(), folderMode); err != nil {
		return scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	if err := removeIfThere(f.outlinePath(id)); err != nil {
		return scout.FileError(scout.CodeWriteFailed, doing, err)
	}
	return f.move(doing, id, f.dir, f.trash(), f.suffixes())
}

// Restore brings a recording back from the trash. If it is not there the error has scout.CodeRecordingNotFound, and if
// it is also in the folder scout.CodeInvalidArgument.
func (f *Folder) Restore(id ID) error {
	const doing = "restore recording"
	return f.claimed(doing, id, func() error { return f.bringBack(doing, id) })
}

func (f *Folder) bringBack(doing string, id ID) error {
	if !id.Valid() || !f.inTrash(id) {
		return scout.Errorf(scout.CodeRecordingNotFound, "%s %q: it is not in the trash of %s", doing, string(id), f.dir)
	}
	back := f.suffixes()
	for i, j := 0, len(back)-1; i < j; i, j = i+1, j-1 {
		back[i], back[j] = back[j], back[i]
	}
	for _, suffix := range back {
		if there, err := exists(filepath.Join(f.dir, string(id)+suffix)); err != nil || there {
			return scout.Errorf(scout.CodeInvalidArgument, "%s %s: there is one of that name already: %w", doing, id, errors.Join(err, fs.ErrExist))
		}
	}
	return f.move(doing, id, f.trash(), f.dir, back)
}

// Trashed returns the ids of the recordings in the trash, oldest first.
func (f *Folder) Trashed() ([]ID, error) {
	scan, err := f.at(f.trash()).scan()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return scan.ids, err
}

func (f *Folder) trash() string { return filepath.Join(f.dir, trashName) }

// inTrash reports whether any file of the recording is in the trash.
func (f *Folder) inTrash(id ID) bool {
	for _, suffix := range f.suffixes() {
		if there, err := exists(filepath.Join(f.trash(), string(id)+suffix)); err == nil && there && id.Valid() {
			return true
		}
	}
	return false
}

// checkIdle refuses a recording that does not exist or is being recorded. A damaged manifest is no obstacle: an
// unreadable recording can still be moved or deleted.
func (f *Folder) checkIdle(doing string, id ID) error {
	m, err := f.Manifest(id)
	switch {
	case scout.CodeOf(err) == scout.CodeRecordingCorrupt:
		return nil
	case err != nil:
		return err
	case m.State == StateRecording:
		return scout.Errorf(scout.CodeRecordingInUse, "%s %s: it is being recorded or was not recovered yet", doing, id)
	}
	return nil
}

// move renames the files of a recording from one folder to the other, and makes both durable.
func (f *Folder) move(doing string, id ID, from, to string, suffixes []string) error {
	for _, suffix := range suffixes {
		name := string(id) + suffix
		// Not by atomicfile: the file is complete, and changes its folder.
		if err := os.Rename(filepath.Join(from, name), filepath.Join(to, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return scout.FileError(scout.CodeWriteFailed, doing, err)
		}
	}
	return scout.FileError(scout.CodeWriteFailed, doing, errors.Join(f.disk.SyncFolder(to), f.disk.SyncFolder(from)))
}

// finishTrashing completes a Trash or undoes a Restore that a crash interrupted: the manifest is here and the audio is
// in the trash. It returns false if that is not the case.
func (f *Folder) finishTrashing(id ID) (bool, error) {
	there, err := exists(filepath.Join(f.trash(), string(id)+f.audio))
	if err != nil || !there {
		return false, err
	}
	if err := f.move(fmt.Sprintf("move recording %s to the trash", id), id, f.dir, f.trash(), []string{damagedSuffix, manifestSuffix}); err != nil {
		return false, err
	}
	return true, nil
}
