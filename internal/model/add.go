package model

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model/ct2"
	"github.com/scout-speech/scout/internal/observe"
)

// AddOptions say how a model of the user's is added. The zero value copies it under an id made from its folder's name.
type AddOptions struct {
	// ID is the id that the model gets; empty for one made from the name of its folder.
	ID string
	// Link refers to the files where they are and copies none. They must stay there.
	Link bool
	// Force replaces a model that was added before under the same id.
	Force bool
	// Progress and Prepare are as in PullOptions.
	Progress func(Progress)
	Prepare  func(ctx context.Context, staged Installed) error
}

// Add installs a Whisper model that is in no catalogue from a folder of faster-whisper (docs/formats/ct2.md), or from the
// folder of such a model in the cache of Hugging Face. It verifies every byte. The user's folder is only read. Errors,
// besides those of the file system:
//
//	scout.CodeModelCorrupt, scout.CodeModelUnsupported  the folder is no such model; see ct2.Open
//	scout.CodeInvalidArgument                           no id can be made, or it belongs to a model of the catalogue
//	scout.CodeConflict                                  there is such a model already
//	scout.CodeModelDownload                             another process changes it
func (s *Store) Add(ctx context.Context, folder string, options AddOptions) (added Installed, err error) {
	folder, err = snapshotOf(folder)
	if err != nil {
		return Installed{}, err
	}
	id, err := s.idToAdd(folder, options)
	if err != nil {
		return Installed{}, err
	}
	started, pulled := s.now(), Pulled{}
	ctx, span := s.scope.Tracer().Start(ctx, "model.add", trace.WithAttributes(attribute.String("scout.model", id)))
	defer func() { observe.EndSpan(span, err) }()
	defer func() { s.observePull(ctx, id, pulled, err, s.now().Sub(started)) }()
	s.scope.Log().InfoContext(ctx, eventModelPullStarted, slog.String(observe.KeyModel, id), slog.String("from", folder))
	entry, err := describeFolder(ctx, folder, id)
	if err != nil {
		return Installed{}, err
	}
	unlock, err := s.lock(id)
	if err != nil {
		return Installed{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := removeAll(filepath.Join(s.dir, id+partialSuffix)); err != nil { // nothing of another folder is continued
		return Installed{}, err
	}
	p := s.newPull(entry, PullOptions{From: folder, Force: true, Progress: options.Progress, Prepare: options.Prepare}, started)
	p.addedFrom, p.link = folder, options.Link
	if pulled, err = p.run(ctx); err != nil {
		return Installed{}, errors.Join(err, removeAll(p.staging))
	}
	return pulled.Installed, nil
}

// idToAdd returns the id under which a folder is added, if it is free.
func (s *Store) idToAdd(folder string, options AddOptions) (string, error) {
	id := options.ID
	if id == "" {
		id = idOf(folder)
	}
	if err := checkID(id); err != nil {
		return "", scout.Errorf(scout.CodeInvalidArgument, "%w", err).WithHint("choose one: scout models add --id ID %s", ShellWord(folder))
	}
	if _, known := findEntry(s.catalogue, id); known {
		return "", scout.Errorf(scout.CodeInvalidArgument, "the id %s belongs to a model of the catalogue", id).
			WithHint("choose another with --id, or install that model from the folder: scout models pull %s --from %s", id, ShellWord(folder))
	}
	m, err := s.load(id)
	switch scout.CodeOf(err) {
	case scout.CodeModelUnknown, scout.CodeModelNotInstalled:
		return id, nil
	case "":
		if options.Force && m.addedFrom != "" && !m.shared {
			return id, nil
		}
		err := scout.Errorf(scout.CodeConflict, "there is a model %s already, in %s", id, m.dir)
		if m.addedFrom == "" {
			return "", err.WithHint("choose another id with --id")
		}
		return "", err.WithHint("choose another id with --id, or replace it with --force")
	case scout.CodeModelCorrupt:
		if options.Force {
			return id, nil
		}
	}
	return "", err
}

// describeFolder verifies a folder and makes an entry of it, with the sums that its files have now.
func describeFolder(ctx context.Context, folder, id string) (_ Entry, err error) {
	m, err := ct2.Open(ctx, folder)
	if err != nil {
		return Entry{}, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	e := Entry{ID: id, Name: id, Family: Whisper, Languages: m.Languages(), Licence: "not stated", Backend: backendWhisper}
	for _, f := range []File{
		{Path: ct2.WeightsName, Role: RoleWeights}, {Path: ct2.ConfigName, Role: RoleConfig}, {Path: filepath.Base(m.Tokenizer()), Role: RoleTokenizer},
	} {
		if f.SHA256, f.SizeBytes, err = hashFile(ctx, filepath.Join(folder, f.Path)); err != nil {
			return Entry{}, err
		}
		e.Files = append(e.Files, f)
	}
	return e, nil
}

// The parts of a path in the cache of Hugging Face: models--ORG--NAME/snapshots/REVISION, and the newest revision in
// models--ORG--NAME/refs/main.
const (
	hubPrefix    = "models--"
	hubSnapshots = "snapshots"
)

// snapshotOf returns the absolute path of a model's folder. For the folder of a whole repository in a cache of Hugging
// Face it is that of the newest snapshot.
func snapshotOf(folder string) (string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", scout.FileError(scout.CodeReadFailed, "add model", err)
	}
	info, err := os.Stat(folder)
	if err != nil {
		return "", scout.FileError(scout.CodeReadFailed, "add model", err)
	}
	if !info.IsDir() {
		return "", scout.Errorf(scout.CodeInvalidArgument, "%s is not a folder", folder).WithHint("name the folder that has %s and %s", ct2.WeightsName, ct2.ConfigName)
	}
	if !strings.HasPrefix(filepath.Base(folder), hubPrefix) {
		return folder, nil
	}
	if revision, err := readSmall(filepath.Join(folder, "refs", mainBranch)); err == nil {
		if snapshot := filepath.Join(folder, hubSnapshots, filepath.Base(strings.TrimSpace(string(revision)))); isDir(snapshot) {
			return snapshot, nil
		}
	}
	if all := snapshots(folder); len(all) > 0 {
		return all[len(all)-1], nil
	}
	return folder, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// idOf makes an id from the name of a folder, or of the repository of a snapshot.
func idOf(folder string) string {
	name := filepath.Base(folder)
	if parent := filepath.Dir(folder); filepath.Base(parent) == hubSnapshots {
		if repository, ok := strings.CutPrefix(filepath.Base(filepath.Dir(parent)), hubPrefix); ok {
			name = repository[strings.LastIndex(repository, "--")+len("--"):]
			if !strings.Contains(repository, "--") {
				name = repository
			}
		}
	}
	id := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, name)
	id = strings.TrimLeft(id, ".-_")
	return id[:min(len(id), 64)]
}

// ShellWord quotes a path for a command that a person copies.
func ShellWord(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool {
		return !strings.ContainsRune("/._-+:@%,=", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
