package model

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

const (
	selectedName  = "selected"
	partialSuffix = ".partial"
	removedPrefix = ".removed-"
)

// Store is a models folder. It is safe for concurrent use, even by several processes: everything that changes a model
// holds the lock of that model.
type Store struct {
	dir       string
	shared    []string // folders that are only read
	scope     observe.Scope
	metrics   *metrics
	catalogue []Entry
	figures   []byte // content of FiguresFile
	client    *http.Client
	retry     resilience.Policy
	stall     time.Duration
	now       func() time.Time
	openPart  func(path string, offset int64) (partFile, error)
}

// Option changes how a Store works.
type Option func(*Store)

// WithShared adds folders with models for everybody on this machine, in the order in which they are searched. They are
// only read. A model in the store's own folder takes precedence, and everything is pulled into and removed from the own
// folder.
func WithShared(dirs ...string) Option { return func(s *Store) { s.shared = slices.Clone(dirs) } }

// Open returns the store over the models folder dir. The folder need not exist: the first pull creates it. Open repairs
// a replacement that a crash interrupted.
func Open(dir string, scope observe.Scope, options ...Option) (*Store, error) {
	if dir == "" {
		return nil, scout.Errorf(scout.CodeConfigInvalid, "no models folder given").WithHint("set SCOUT_MODELS to a folder")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "models folder", err)
	}
	scope = scope.Component("model")
	s := &Store{
		dir: dir, scope: scope, metrics: newMetrics(scope), catalogue: Catalogue(), figures: figuresJSON, client: newHTTPClient(),
		retry: resilience.Policy{Initial: time.Second, Max: 30 * time.Second, Budget: 24 * time.Hour},
		stall: 30 * time.Second, now: time.Now, openPart: openPart,
	}
	for _, option := range options {
		option(s)
	}
	if err := validateCatalogue(s.catalogue); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return s, nil
	case err != nil:
		return nil, scout.FileError(scout.CodeReadFailed, "models folder", err)
	case !info.IsDir():
		return nil, scout.Errorf(scout.CodeConfigInvalid, "models folder %s is a file", dir).WithHint("set SCOUT_MODELS to a folder")
	}
	if err := s.recover(); err != nil {
		return nil, err
	}
	return s, nil
}

// Dir returns the absolute path of the models folder.
func (s *Store) Dir() string { return s.dir }

// Catalogue returns the entries that this store can pull. The caller must not change them.
func (s *Store) Catalogue() []Entry { return slices.Clone(s.catalogue) }

func (s *Store) lockPath(id string) string { return filepath.Join(s.dir, "."+id+".lock") }

// Changing reports whether a process, be it this one, pulls, adds or removes a model at this moment.
func (s *Store) Changing(id string) bool { return checkID(id) == nil && lockHeld(s.lockPath(id)) }

// A lock that only somebody looks at is free within lookedAtFor. lookers bounds how many may look one after the other.
const (
	lookedAtFor = 5 * time.Millisecond
	lookers     = 4
)

// lock takes the lock of one model. If another holder has it, lock returns an error and does not wait.
func (s *Store) lock(id string) (unlock func() error, err error) {
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, scout.FileError(scout.CodeWriteFailed, "make models folder", err)
	}
	unlock, busy, err := lockFile(s.lockPath(id))
	for tries := 0; busy && err == nil && tries < lookers; tries++ { // Changing looks at it for a moment
		time.Sleep(lookedAtFor)
		unlock, busy, err = lockFile(s.lockPath(id))
	}
	if err != nil {
		return nil, err
	}
	if busy {
		return nil, scout.Errorf(scout.CodeModelDownload, "model %s is being pulled or removed by another process", id).
			WithHint("wait until it ends, then run the command again")
	}
	return unlock, nil
}

// Selected returns the id chosen with Use, empty if none was.
func (s *Store) Selected() (string, error) {
	data, err := readSmall(filepath.Join(s.dir, selectedName))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", scout.FileError(scout.CodeReadFailed, "read the selected model", err)
	}
	id := strings.TrimSpace(string(data))
	if err := checkID(id); err != nil {
		return "", scout.Errorf(scout.CodeConfigInvalid, "%s: %w", filepath.Join(s.dir, selectedName), err).
			WithHint("select a model: scout models use MODEL")
	}
	return id, nil
}

// effective returns id, else the selected model, else the default one.
func (s *Store) effective(id string) (string, error) {
	if id != "" {
		return id, nil
	}
	selected, err := s.Selected()
	if err != nil || selected != "" {
		return selected, err
	}
	if e, ok := defaultEntry(s.catalogue); ok {
		return e.ID, nil
	}
	return "", scout.Errorf(scout.CodeModelNotInstalled, "no model is selected and there is no default").
		WithHint("install one and select it: scout models pull MODEL; scout models use MODEL")
}

// Installed is a model whose files are in place.
type Installed struct {
	ID        string
	Name      string
	Family    Family
	Languages []string
	Licence   string
	// Own is true for a user's own model.
	Own bool
	// Dir is the absolute path of the model's folder.
	Dir string
	// Files are absolute paths, one for each role of the family.
	Files map[Role]string
	// SHA256 of each file in hexadecimal.
	SHA256    map[Role]string
	SizeBytes int64
}

// EnglishOnly reports whether the model understands only English.
func (i Installed) EnglishOnly() bool { return EnglishOnly(i.Languages) }

// Resolve returns the model to use: id, or for an empty id the selected one, or the default. It compares the files with
// their recorded sizes and sums. Files whose size and time of change are as at the last full check are not read; all
// others are compared by SHA-256. Errors:
//
//	scout.CodeModelUnknown       no such id
//	scout.CodeModelNotInstalled  known, but not on this machine; the hint names the pull command
//	scout.CodeModelCorrupt       a file is missing, truncated or altered; the hint names the repair
//	scout.CodeConfigInvalid      a model.toml that cannot be used
func (s *Store) Resolve(ctx context.Context, id string) (Installed, error) {
	id, err := s.effective(id)
	if err != nil {
		return Installed{}, err
	}
	m, err := s.load(id)
	if err != nil {
		return Installed{}, err
	}
	report, err := s.check(ctx, m, false)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		return Installed{}, err
	}
	return m.installed(report), nil
}

// Use selects a model: from now on Resolve returns it for an empty id. It must be installed and intact.
func (s *Store) Use(ctx context.Context, id string) (Installed, error) {
	if err := checkID(id); err != nil {
		return Installed{}, err
	}
	m, err := s.Resolve(ctx, id)
	if err != nil {
		return Installed{}, err
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil { // it need not exist if the model is a shared one
		return Installed{}, scout.FileError(scout.CodeWriteFailed, "make models folder", err)
	}
	return m, atomicfile.Write(filepath.Join(s.dir, selectedName), []byte(id+"\n"), atomicfile.Options{})
}

// Path returns the folder of an installed model without looking at its files; an empty id means the
// model that Resolve would use.
func (s *Store) Path(id string) (string, error) {
	id, err := s.effective(id)
	if err != nil {
		return "", err
	}
	m, err := s.load(id)
	if err != nil {
		return "", err
	}
	return m.dir, nil
}

// Remove deletes a model and what an interrupted pull of it left. The model in use (selected, or the default if none
// was selected) is removed only with force, which also clears the selection. A user's own model is never deleted. The
// sums in models.lock stay.
func (s *Store) Remove(ctx context.Context, id string, force bool) (err error) {
	if err := checkID(id); err != nil {
		return err
	}
	m, loadErr := s.load(id)
	switch scout.CodeOf(loadErr) {
	case "", scout.CodeModelCorrupt: // a damaged manifest does not prevent the removal
	case scout.CodeModelNotInstalled:
		if _, err := os.Lstat(filepath.Join(s.dir, id+partialSuffix)); err != nil {
			return loadErr
		}
	default:
		return loadErr
	}
	if m.own {
		return scout.Errorf(scout.CodeInvalidArgument, "model %s is your own: Scout does not delete it", id).
			WithHint("delete it yourself: rm -r %s", m.dir)
	}
	if m.shared {
		return scout.Errorf(scout.CodeInvalidArgument, "model %s was installed for everybody on this machine, in %s", id, m.dir).
			WithHint("remove it with what installed Scout, for example: make uninstall")
	}
	selected, err := s.Selected()
	if err != nil {
		return err
	}
	inUse, err := s.effective("")
	if err == nil && inUse == id && loadErr == nil && !force {
		return scout.Errorf(scout.CodeModelInUse, "model %s is in use", id).
			WithHint("select another one first (scout models use MODEL), or: scout models remove --force %s", id)
	}
	unlock, err := s.lock(id)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if selected == id {
		if err := ignoreMissing(os.Remove(filepath.Join(s.dir, selectedName))); err != nil {
			return scout.FileError(scout.CodeWriteFailed, "take back the selection", err)
		}
	}
	if err := s.discard(filepath.Join(s.dir, id)); err != nil {
		return err
	}
	if err := removeAll(filepath.Join(s.dir, id+partialSuffix)); err != nil {
		return err
	}
	s.scope.Log().InfoContext(ctx, eventModelRemoved, slog.String(observe.KeyModel, id))
	return syncDir(s.dir)
}

// InUse is the error for a model that a setting names, so that it is not removed; nil where setting, its name, is empty.
func InUse(id, setting string) error {
	if setting == "" {
		return nil
	}
	return scout.Errorf(scout.CodeModelInUse, "model %s is in use: it is the setting %s", id, setting).
		WithHint("choose another one first (scout settings unset %s), or: scout models remove --force %s", setting, id)
}

// discard removes a folder from its place in one step and then deletes it.
func (s *Store) discard(path string) error {
	away := filepath.Join(s.dir, removedPrefix+filepath.Base(path))
	if err := removeAll(away); err != nil {
		return err
	}
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err := renameDir(path, away); err != nil {
		return err
	}
	return removeAll(away)
}

// recover finishes what a crash left half-done, if no other process is working on it.
func (s *Store) recover() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "models folder", err)
	}
	for _, e := range entries {
		id, cut := strings.CutSuffix(e.Name(), replacedSuffix)
		if !cut || checkID(id) != nil {
			continue
		}
		if err := s.recoverReplaced(id); err != nil {
			return fmt.Errorf("put model %s in order: %w", id, err)
		}
	}
	return nil
}

// recoverReplaced gives a model its name back if a crash came between the renames of swapInTwoSteps. If the new version
// is already in place, the old one is deleted.
func (s *Store) recoverReplaced(id string) (err error) {
	unlock, busy, err := lockFile(filepath.Join(s.dir, "."+id+".lock"))
	if err != nil || busy {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	final := filepath.Join(s.dir, id)
	aside := final + replacedSuffix
	if _, err := os.Lstat(final); err == nil {
		return removeAll(aside)
	}
	// Not by atomicfile: it is a folder, whose files are complete and synced.
	return ignoreMissing(os.Rename(aside, final))
}
