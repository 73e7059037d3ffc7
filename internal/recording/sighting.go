package recording

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/scout-speech/scout"
)

// Sighting is what is known of a recording without opening its files.
type Sighting struct {
	// Trashed is true if it is in the trash of the folder.
	Trashed bool
	// AudioBytes is the size of the audio, 0 if there is none.
	AudioBytes int64
	// ManifestBytes and ManifestTime are size and time of the manifest's last change, 0 if there is none.
	ManifestBytes int64
	ManifestTime  time.Time
}

// Sightings returns the sightings of all recordings in the folder and in its trash. It opens no recording, so a folder
// of 10,000 takes some tens of milliseconds.
func (f *Folder) Sightings() (map[ID]Sighting, error) {
	all := make(map[ID]Sighting)
	if err := f.sightings(f.trash(), true, all); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, scout.FileError(scout.CodeReadFailed, "read folder of recordings", err)
	}
	if err := f.sightings(f.dir, false, all); err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read folder of recordings", err)
	}
	return all, nil
}

func (f *Folder) sightings(dir string, trashed bool, all map[ID]Sighting) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, ours := f.idOf(e.Name())
		if !ours || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // it has disappeared in the meantime
			continue
		} else if err != nil {
			return err
		}
		s, seen := all[id]
		if seen && s.Trashed && !trashed { // half of it is in the trash: a crash interrupted the move
			s = Sighting{}
		}
		s.Trashed = trashed
		all[id] = f.with(s, e.Name(), info)
	}
	return nil
}

// with is the sighting with one more file of the recording.
func (f *Folder) with(s Sighting, name string, info fs.FileInfo) Sighting {
	switch {
	case strings.HasSuffix(name, f.audio):
		s.AudioBytes = info.Size()
	case strings.HasSuffix(name, manifestSuffix):
		s.ManifestBytes, s.ManifestTime = info.Size(), info.ModTime()
	}
	return s
}

// Sight returns the sighting of one recording, or scout.CodeRecordingNotFound.
func (f *Folder) Sight(id ID) (Sighting, error) {
	if id.Valid() {
		for _, dir := range []string{f.dir, f.trash()} {
			s, found := Sighting{Trashed: dir != f.dir}, false
			for _, suffix := range f.suffixes() {
				info, err := os.Stat(filepath.Join(dir, string(id)+suffix))
				if errors.Is(err, fs.ErrNotExist) {
					continue
				} else if err != nil {
					return s, scout.FileError(scout.CodeReadFailed, "look at recording", err)
				}
				s, found = f.with(s, string(id)+suffix, info), true
			}
			if found {
				return s, nil
			}
		}
	}
	return Sighting{}, scout.Errorf(scout.CodeRecordingNotFound, "no recording %q", string(id))
}

// ManifestOf returns the manifest of a sighted recording, in the folder or in the trash. Its errors are those of
// Manifest.
func (f *Folder) ManifestOf(id ID, seen Sighting) (Manifest, error) {
	if seen.Trashed {
		return f.at(f.trash()).Manifest(id)
	}
	return f.Manifest(id)
}
