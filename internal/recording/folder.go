package recording

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
)

// Names of the files of a recording: its ID and one of these.
const (
	audioSuffix    = ".wav"
	manifestSuffix = ".json"
	damagedSuffix  = ".json.damaged" // a manifest that Repair had to replace
)

// reserveName is a file that reserves blocks of the device for manifests: a recording that ends on a full disk still
// gets its last manifest.
const (
	reserveName  = ".reserve"
	reserveBytes = 64 << 10
)

// ownPrefix begins the names of the files that the recorder process keeps in the folder.
const ownPrefix = "recorder."

// Folder is a folder of recordings. Opening it has no effect except creating it; a recorder holds its Lock. All methods
// may be called from any goroutine. Those that change anything besides the audio and the manifest of a Writer take the
// Lock as proof that nobody is recording.
type Folder struct {
	dir    string
	source Source
	audio  string // the suffix of its audio
	disk   Disk   // timed by watch
	watch  *stopwatch
}

// OpenFolder opens the folder of recordings at dir. If it is missing, it creates it, readable only for its owner.
func OpenFolder(dir string) (*Folder, error) { return OpenFolderOn(OSDisk{}, dir) }

// OpenFolderOn is OpenFolder with all writes of recordings going through disk.
func OpenFolderOn(disk Disk, dir string) (*Folder, error) {
	abs, err := makeFolder(dir)
	if err != nil {
		return nil, err
	}
	watch := new(stopwatch)
	return &Folder{dir: abs, source: SourceMicrophone, audio: audioSuffix, disk: timedDisk{disk, watch}, watch: watch}, nil
}

// at returns the folder at another place on the same disk.
func (f *Folder) at(dir string) *Folder {
	return &Folder{dir: dir, source: f.source, audio: f.audio, disk: f.disk, watch: f.watch}
}

// Busy returns the operation of the disk that has taken the longest so far, and its duration; "" and 0 if there is
// none.
func (f *Folder) Busy() (Operation, time.Duration) { return f.watch.longest() }

// Source returns where what lies in the folder comes from.
func (f *Folder) Source() Source { return f.source }

// Dir returns the absolute path of the folder.
func (f *Folder) Dir() string { return f.dir }

// AudioPath returns the path of the audio of a recording.
func (f *Folder) AudioPath(id ID) string { return filepath.Join(f.dir, string(id)+f.audio) }

// ManifestPath returns the path of the manifest of a recording.
func (f *Folder) ManifestPath(id ID) string { return filepath.Join(f.dir, string(id)+manifestSuffix) }

// Manifest returns the manifest of a recording. An unknown id gives scout.CodeRecordingNotFound, a
// damaged manifest scout.CodeRecordingCorrupt.
func (f *Folder) Manifest(id ID) (Manifest, error) {
	if !id.Valid() {
		return Manifest{}, scout.Errorf(scout.CodeRecordingNotFound, "recording %q: not an id", string(id))
	}
	m, err := readManifest(f.ManifestPath(id), id)
	if scout.CodeOf(err) == scout.CodeFileNotFound {
		return Manifest{}, scout.Errorf(scout.CodeRecordingNotFound, "recording %s: %w", id, err)
	}
	return m, err
}

// Problem is a file in the folder with a fault.
type Problem struct {
	Path string
	Err  error // its code is the kind: recording_foreign, recording_corrupt, file_not_found, …
}

// List returns the manifests of all recordings, oldest first, and the files that are not recordings.
func (f *Folder) List() ([]Manifest, []Problem, error) {
	scan, err := f.scan()
	if err != nil {
		return nil, nil, err
	}
	var list []Manifest
	problems := scan.foreign
	for _, id := range scan.ids {
		m, err := f.Manifest(id)
		if err != nil {
			problems = append(problems, Problem{Path: f.AudioPath(id), Err: err})
			continue
		}
		list = append(list, m)
	}
	return list, problems, nil
}

// replaceManifest writes the manifest. On a full disk it uses the reserve.
func (f *Folder) replaceManifest(m *Manifest) error {
	data, err := m.encode()
	if err != nil {
		return err
	}
	err = f.disk.Replace(f.ManifestPath(m.ID), data)
	if scout.CodeOf(err) == scout.CodeDiskFull && os.Remove(filepath.Join(f.dir, reserveName)) == nil {
		err = f.disk.Replace(f.ManifestPath(m.ID), data)
	}
	return scout.FileError(scout.CodeWriteFailed, fmt.Sprintf("write manifest of %s", m.ID), err)
}

// fillReserve makes sure that the reserve exists. A failure is not an error: then there is simply no reserve.
func (f *Folder) fillReserve() {
	path := filepath.Join(f.dir, reserveName)
	if info, err := os.Stat(path); err == nil && info.Size() == reserveBytes {
		return
	}
	if atomicfile.Write(path, make([]byte, reserveBytes), atomicfile.Options{Mode: atomicfile.Private, Unsynced: true}) != nil {
		_ = os.Remove(path) // one of another size: it takes room from the recording
	}
}

// scan is the contents of a folder.
type scan struct {
	ids       []ID // of recordings with audio, a manifest or both; sorted
	foreign   []Problem
	leftovers []string // temporary files of a crash
}

func (f *Folder) scan() (scan, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return scan{}, scout.FileError(scout.CodeReadFailed, "read folder of recordings", err)
	}
	var s scan
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(f.dir, name)
		id, ours := f.idOf(name)
		switch {
		case strings.HasPrefix(name, ".") && strings.HasSuffix(name, temporarySuffix):
			s.leftovers = append(s.leftovers, path)
		case strings.HasPrefix(name, "."), strings.HasPrefix(name, ownPrefix), name == trashName:
		case ours && e.Type().IsRegular():
			s.ids = append(s.ids, id)
		default:
			s.foreign = append(s.foreign, Problem{Path: path, Err: scout.Errorf(scout.CodeRecordingForeign, "%s: not made by Scout; left alone", path)})
		}
	}
	slices.Sort(s.ids)
	s.ids = slices.Compact(s.ids)
	return s, nil
}

// idOf returns the recording that a file of that name belongs to.
func (f *Folder) idOf(name string) (ID, bool) {
	for _, suffix := range f.suffixes() {
		if base, ok := strings.CutSuffix(name, suffix); ok && ID(base).Valid() {
			return ID(base), true
		}
	}
	return "", false
}

func exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
