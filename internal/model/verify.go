package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/observe"
)

// loaded is a model as its manifest or model.toml describes it, before its files are checked.
type loaded struct {
	id        string
	name      string
	family    Family
	languages []string
	licence   string
	own       bool
	shared    bool // in a folder that is only read
	dir       string
	addedFrom string // the user's folder, for one that is in no catalogue
	files     []expectedFile
}

// byRole returns the paths of the files.
func (m loaded) byRole() map[Role]string {
	files := make(map[Role]string, len(m.files))
	for _, f := range m.files {
		files[f.role] = f.path
	}
	return files
}

// repair returns what puts a damaged model in order.
func (m loaded) repair() string { return repair(m.id, m.addedFrom) }

func repair(id, addedFrom string) string {
	if addedFrom != "" {
		return fmt.Sprintf("add it again: scout models add --force --id %s %s", id, ShellWord(addedFrom))
	}
	return "install it again: scout models pull " + id
}

// expectedFile is what is known of a file; size -1 and an empty sum mean unknown (a user's own model).
type expectedFile struct {
	path   string
	role   Role
	size   int64
	sha256 string
}

func (m loaded) installed(report Report) Installed {
	i := Installed{
		ID: m.id, Name: m.name, Family: m.family, Languages: slices.Clone(m.languages), Licence: m.licence, Own: m.own, Dir: m.dir,
		Files: make(map[Role]string, len(m.files)), SHA256: make(map[Role]string, len(m.files)),
	}
	for _, f := range report.Files {
		i.Files[f.Role] = filepath.Join(m.dir, filepath.FromSlash(f.Path))
		i.SHA256[f.Role] = f.SHA256
		i.SizeBytes += f.SizeBytes
	}
	return i
}

// load reads the description of the model id, in the store's own folder or else in a shared one.
func (s *Store) load(id string) (loaded, error) {
	if checkID(id) != nil {
		return loaded{}, unknownModel(s.catalogue, id)
	}
	l, err := s.loadFrom(s.dir, id)
	for _, dir := range s.shared {
		if code := scout.CodeOf(err); code != scout.CodeModelNotInstalled && code != scout.CodeModelUnknown {
			break
		}
		if l, sharedErr := s.loadFrom(dir, id); sharedErr == nil {
			l.shared = true
			return l, nil
		}
	}
	return l, err
}

// loadFrom is load for one folder.
func (s *Store) loadFrom(folder, id string) (loaded, error) {
	dir := filepath.Join(folder, id)
	_, known := findEntry(s.catalogue, id)
	data, err := readSmall(filepath.Join(dir, manifestName))
	if err == nil {
		m, err := parseManifest(data, id)
		if err != nil {
			return loaded{}, scout.Errorf(scout.CodeModelCorrupt, "model %s: %w", id, err).WithHint("install it again: scout models pull %s", id)
		}
		return m.loaded(dir), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return loaded{}, scout.FileError(scout.CodeReadFailed, "open model "+id, err)
	}
	data, err = readSmall(filepath.Join(dir, ownName))
	switch {
	case err == nil:
		return s.loadOwn(dir, data)
	case !errors.Is(err, os.ErrNotExist):
		return loaded{}, scout.FileError(scout.CodeReadFailed, "open model "+id, err)
	case known:
		return loaded{}, scout.Errorf(scout.CodeModelNotInstalled, "model %s is not installed", id).WithHint("install it: scout models pull %s", id)
	}
	return loaded{}, unknownModel(s.catalogue, id)
}

func (m manifest) loaded(dir string) loaded {
	l := loaded{id: m.ID, name: m.Name, family: m.Family, languages: m.Languages, licence: m.Licence, dir: dir, addedFrom: m.AddedFrom}
	for _, f := range m.Files {
		l.files = append(l.files, expectedFile{path: f.Path, role: f.Role, size: f.SizeBytes, sha256: f.SHA256})
	}
	return l
}

func (s *Store) loadOwn(dir string, data []byte) (loaded, error) {
	own, err := ParseOwn(data)
	if err != nil {
		return loaded{}, fmt.Errorf("%s: %w", dir, err)
	}
	if own.ID != filepath.Base(dir) {
		return loaded{}, fmt.Errorf("%s: %w", dir, invalidOwn("id %q differs from the folder's name", own.ID))
	}
	if _, taken := findEntry(s.catalogue, own.ID); taken {
		return loaded{}, fmt.Errorf("%s: %w", dir, invalidOwn("id %q belongs to a model of the catalogue: choose another and rename the folder", own.ID))
	}
	l := loaded{id: own.ID, name: own.Name, family: own.Family, languages: own.Languages, licence: own.Licence, own: true, dir: dir}
	for _, role := range own.Family.form(own.Files) {
		l.files = append(l.files, expectedFile{path: own.Files[role], role: role, size: -1, sha256: own.SHA256[role]})
	}
	return l, nil
}

// FileState is the result of checking one file.
type FileState string

// The states of a file.
const (
	FileIntact    FileState = "intact"
	FileMissing   FileState = "missing"
	FileTruncated FileState = "truncated"
	FileAltered   FileState = "altered"
)

// FileReport is what a check found about one file.
type FileReport struct {
	Path  string    `json:"path"`
	Role  Role      `json:"role"`
	State FileState `json:"state"`
	// SizeBytes is the size on disk, WantBytes the installed size (-1 if that is not known).
	SizeBytes int64 `json:"size"`
	WantBytes int64 `json:"want_size"`
	// SHA256 is that of the bytes on disk; empty if the size was already wrong.
	SHA256     string `json:"sha256,omitempty"`
	WantSHA256 string `json:"want_sha256,omitempty"`
}

// Report is what a check found about a model.
type Report struct {
	ID    string       `json:"id"`
	Own   bool         `json:"own"`
	Dir   string       `json:"dir"`
	Files []FileReport `json:"files"`

	addedFrom string
}

// Err returns nil if every file is intact. Otherwise it returns an error with scout.CodeModelCorrupt that names the
// first damaged file and has the command that repairs it as its hint.
func (r Report) Err() error {
	for _, f := range r.Files {
		var what string
		switch f.State {
		case FileIntact:
			continue
		case FileMissing:
			what = "is missing"
		case FileTruncated:
			what = fmt.Sprintf("is truncated: %d of %d bytes", f.SizeBytes, f.WantBytes)
			if f.WantBytes < 0 {
				what = "is empty"
			}
		default:
			what = "was altered: its SHA-256 is " + f.SHA256 + ", not " + f.WantSHA256
			if f.SHA256 == "" {
				what = fmt.Sprintf("was altered: %d bytes instead of %d", f.SizeBytes, f.WantBytes)
			}
		}
		path := filepath.Join(r.Dir, filepath.FromSlash(f.Path))
		err := scout.Errorf(scout.CodeModelCorrupt, "model %s: %s %s", r.ID, path, what)
		if r.Own {
			return err.WithHint("put the right file in its place, or correct %s", filepath.Join(r.Dir, ownName))
		}
		return err.WithHint("%s", repair(r.ID, r.addedFrom))
	}
	return nil
}

// Verify reads every byte of a model and compares it with the recorded sums. The report is complete even if the error
// (that of Report.Err) is not nil. An empty id means the model that Resolve would use.
func (s *Store) Verify(ctx context.Context, id string) (Report, error) {
	id, err := s.effective(id)
	if err != nil {
		return Report{}, err
	}
	m, err := s.load(id)
	if err != nil {
		return Report{ID: id}, err
	}
	report, err := s.check(ctx, m, true)
	if err != nil {
		return report, err
	}
	return report, report.Err()
}

// check compares the files of a model with their records. A file whose size and time of change are those of the last
// full check is taken to have the same sum as then, unless full is set.
func (s *Store) check(ctx context.Context, m loaded, full bool) (Report, error) {
	report := Report{ID: m.id, Own: m.own, Dir: m.dir, addedFrom: m.addedFrom}
	cache := readSumCache(m.dir)
	changed := false
	for _, want := range m.files {
		f, hashed, err := checkFile(ctx, m.dir, want, cache, full)
		if err != nil {
			s.metrics.checks.WithLabelValues(outcomeUnreadable).Inc()
			return report, fmt.Errorf("check model %s: %w", m.id, err)
		}
		changed = changed || hashed
		report.Files = append(report.Files, f)
	}
	if changed {
		if err := cache.write(m.dir); err != nil { // in a read-only folder this only costs time
			s.scope.Log().DebugContext(ctx, eventSumsNotWritten, slog.String(observe.KeyModel, m.id), slog.String(observe.KeyError, err.Error()))
		}
	}
	outcome := outcomeIntact
	if report.Err() != nil {
		outcome = outcomeCorrupt
	}
	s.metrics.checks.WithLabelValues(outcome).Inc()
	return report, nil
}

func checkFile(ctx context.Context, dir string, want expectedFile, cache sumCache, full bool) (f FileReport, hashed bool, err error) {
	f = FileReport{Path: want.path, Role: want.role, WantBytes: want.size, WantSHA256: want.sha256, State: FileIntact}
	path := filepath.Join(dir, filepath.FromSlash(want.path))
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		f.State = FileMissing
		return f, false, nil
	}
	if err != nil {
		return f, false, scout.FileError(scout.CodeReadFailed, "look at", err)
	}
	if !info.Mode().IsRegular() {
		return f, false, scout.Errorf(scout.CodeModelCorrupt, "%s is not a file", path)
	}
	f.SizeBytes = info.Size()
	switch {
	case f.SizeBytes == 0, want.size >= 0 && f.SizeBytes < want.size:
		f.State = FileTruncated
		return f, false, nil
	case want.size >= 0 && f.SizeBytes > want.size:
		f.State = FileAltered
		return f, false, nil
	}
	seen, known := cache[want.path]
	known = known && seen.SizeBytes == f.SizeBytes && seen.ModTimeNS == info.ModTime().UnixNano()
	if known = known && (want.sha256 == "" || seen.SHA256 == want.sha256); known && !full { // a failure is never taken from the cache
		f.SHA256 = seen.SHA256
	} else {
		if f.SHA256, f.SizeBytes, err = hashFile(ctx, path); err != nil {
			return f, false, err
		}
		cache[want.path] = cachedSum{SizeBytes: f.SizeBytes, ModTimeNS: info.ModTime().UnixNano(), SHA256: f.SHA256}
		hashed = true
	}
	if want.sha256 != "" && f.SHA256 != want.sha256 {
		f.State = FileAltered
	}
	return f, hashed, nil
}

// sumCacheName holds the sums of the last full check of each file, with its size and time of change, so that a check
// before every use costs one stat per file.
const sumCacheName = ".verified.json"

type sumCache map[string]cachedSum

type cachedSum struct {
	SizeBytes int64  `json:"size"`
	ModTimeNS int64  `json:"mtime_ns"`
	SHA256    string `json:"sha256"`
}

// readSumCache returns the cache; an unreadable one counts as empty and costs only time.
func readSumCache(dir string) sumCache {
	cache := sumCache{}
	data, err := readSmall(filepath.Join(dir, sumCacheName))
	if err != nil || json.Unmarshal(data, &cache) != nil || cache == nil {
		return sumCache{}
	}
	return cache
}

// altered reports whether the last full check of a file found another sum than it must have, and the file is the same since.
func (c sumCache) altered(f expectedFile, info os.FileInfo) bool {
	seen, known := c[f.path]
	return known && f.sha256 != "" && seen.SHA256 != f.sha256 && seen.SizeBytes == info.Size() && seen.ModTimeNS == info.ModTime().UnixNano()
}

func (c sumCache) write(dir string) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return atomicfile.Write(filepath.Join(dir, sumCacheName), append(data, '\n'), atomicfile.Options{})
}
