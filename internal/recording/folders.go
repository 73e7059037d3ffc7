package recording

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scout-speech/scout"
)

// Source is where what lies in a folder comes from. Sources are part of the public contract.
type Source string

// The sources of folders.
const (
	SourceMicrophone Source = "microphone" // by a recorder
	SourceUpload     Source = "upload"
	SourceBrowser    Source = "browser" // sent while it is made, by a page or a program
	SourceImport     Source = "import"  // of the original Scout
)

// kind is a kind of folders besides that of the recorder. The daemon writes there what others send.
type kind struct {
	name   string // of the folder, in the data folder
	source Source
	audio  string // the suffix of its audio
}

// kinds are all kinds of folders besides that of the recorder: whoever knows every recording knows it from here.
func kinds() []kind {
	return []kind{
		{"uploads", SourceUpload, uploadSuffix},
		{"browser", SourceBrowser, audioSuffix},
		{"imports", SourceImport, uploadSuffix},
	}
}

// openSent opens a folder of what others send.
func openSent(dir string, k kind) (*Folder, error) {
	f, err := OpenFolder(dir)
	if err == nil {
		f.source, f.audio = k.source, k.audio
	}
	return f, err
}

// Folders are several folders of recordings. Each recording is in one of them; where two have the same id, the first one counts.
type Folders []*Folder

// OpenFolders opens all folders of recordings, and creates those that are missing.
//
//	recordings  the folder of the recorder, which is the first
//	data        the data folder, in which the others are
func OpenFolders(recordings, data string) (Folders, error) {
	first, err := OpenFolder(recordings)
	if err != nil {
		return nil, err
	}
	all := Folders{first}
	for _, k := range kinds() {
		folder, err := openSent(filepath.Join(data, k.name), k)
		if err != nil {
			return nil, err
		}
		all = append(all, folder)
	}
	return all, nil
}

// FindFolders opens the folders of recordings that exist; data is empty for that of the recorder alone.
func FindFolders(recordings, data string) (Folders, error) {
	var all Folders
	add := func(dir string, open func() (*Folder, error)) error {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		folder, err := open()
		if err == nil {
			all = append(all, folder)
		}
		return err
	}
	err := add(recordings, func() (*Folder, error) { return OpenFolder(recordings) })
	if data == "" {
		return all, err
	}
	for _, k := range kinds() {
		dir := filepath.Join(data, k.name)
		if err == nil {
			err = add(dir, func() (*Folder, error) { return openSent(dir, k) })
		}
	}
	return all, err
}

// From returns the folder of what comes from there; nil if it is not among them.
func (f Folders) From(source Source) *Folder {
	for _, folder := range f {
		if folder.source == source {
			return folder
		}
	}
	return nil
}

// Of returns the folder that has a recording, or had it in its trash; the first one where none has.
func (f Folders) Of(id ID) *Folder {
	for _, folder := range f {
		if _, err := folder.Sight(id); err == nil {
			return folder
		}
	}
	return f[0]
}

// Manifest is Folder.Manifest of the folder that has the recording.
func (f Folders) Manifest(id ID) (Manifest, error) { return f.Of(id).Manifest(id) }

// AudioPath is Folder.AudioPath of the folder that has the recording.
func (f Folders) AudioPath(id ID) string { return f.Of(id).AudioPath(id) }

// InUse is Folder.InUse of the folder that has the recording.
func (f Folders) InUse(id ID) (bool, error) { return f.Of(id).InUse(id) }

// Delete is Folder.Delete of the folder that has the recording.
func (f Folders) Delete(id ID) error { return f.Of(id).Delete(id) }

// Place is where a recording lies: in the folder, or in its trash.
type Place struct {
	Folder *Folder
	ID     ID
}

// Entry is a recording and the folder in which it lies.
type Entry struct {
	Folder *Folder
	Manifest
}

// List returns the recordings of all folders, oldest first, and the files that are not recordings.
func (f Folders) List() ([]Entry, []Problem, error) {
	var all []Entry
	var problems []Problem
	seen := make(map[ID]bool)
	for _, folder := range f {
		list, found, err := folder.List()
		if err != nil {
			return nil, nil, err
		}
		problems = append(problems, found...)
		for i := range list {
			if !seen[list[i].ID] {
				all = append(all, Entry{folder, list[i]})
			}
			seen[list[i].ID] = true
		}
	}
	slices.SortStableFunc(all, func(a, b Entry) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return all, problems, nil
}

// Find returns the one recording whose ID begins or ends with part.
func (f Folders) Find(part string) (Place, error) {
	return f.find(part, "in "+f.Dirs(), func(folder *Folder) ([]ID, error) {
		scan, err := folder.scan()
		return scan.ids, err
	})
}

// FindTrashed returns the one recording in the trash of a folder whose ID begins or ends with part.
func (f Folders) FindTrashed(part string) (Place, error) {
	where := "in the trash"
	if len(f) > 0 {
		where += " of " + f.Dirs()
	}
	return f.find(part, where, (*Folder).Trashed)
}

// find looks for the one recording whose ID begins or ends with part.
func (f Folders) find(part, where string, ids func(*Folder) ([]ID, error)) (Place, error) {
	var found []Place
	for _, folder := range f {
		all, err := ids(folder)
		if err != nil {
			return Place{}, err
		}
		for _, id := range matching(all, part) {
			if !slices.ContainsFunc(found, func(p Place) bool { return p.ID == id }) {
				found = append(found, Place{folder, id})
			}
		}
	}
	names := make([]ID, len(found))
	for i := range found {
		names[i] = found[i].ID
	}
	if err := theOne(part, where, names); err != nil {
		return Place{}, err
	}
	return found[0], nil
}

// matching returns the ids that begin or end with part.
func matching(ids []ID, part string) []ID {
	var found []ID
	for _, id := range ids {
		if part != "" && (strings.HasPrefix(string(id), part) || strings.HasSuffix(string(id), part)) {
			found = append(found, id)
		}
	}
	return found
}

// theOne returns an error unless one recording was found.
func theOne(part, where string, found []ID) error {
	switch len(found) {
	case 0:
		return scout.Errorf(scout.CodeRecordingNotFound, "no recording %q %s", part, where)
	case 1:
		return nil
	}
	names := make([]string, min(3, len(found)))
	for i := range names {
		names[i] = string(found[i])
	}
	return scout.Errorf(scout.CodeInvalidArgument, "%q matches %d recordings: %s", part, len(found), strings.Join(names, ", "))
}

// Trashed returns the recordings in the trash of all folders, oldest first.
func (f Folders) Trashed() ([]ID, error) {
	var all []ID
	for _, folder := range f {
		ids, err := folder.Trashed()
		if err != nil {
			return nil, err
		}
		all = append(all, ids...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// Dirs names the folders, for people.
func (f Folders) Dirs() string {
	dirs := make([]string, len(f))
	for i, folder := range f {
		dirs[i] = folder.Dir()
	}
	return strings.Join(dirs, ", ")
}
