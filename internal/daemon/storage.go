package daemon

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/settings"
	"github.com/scout-speech/scout/internal/store/sqlite"
)

// kept is what the daemon keeps on the disk.
type kept struct{ *daemon }

// place is a folder with files of one kind.
type place struct {
	dir  string
	kind string
	// recordings is true where trash and outlines lie beside the files.
	recordings bool
}

// places are the folders of everything, those inside of others too.
func (k kept) places() []place {
	s := k.options.Settings
	all := []place{{k.dir, v1.StoredOther, false}}
	for _, of := range []struct {
		source recording.Source
		kind   string
	}{
		{recording.SourceMicrophone, v1.StoredRecordings}, {recording.SourceUpload, v1.StoredUploads}, {recording.SourceBrowser, v1.StoredBrowser}, {recording.SourceImport, v1.StoredImports},
	} {
		all = append(all, place{k.folders.From(of.source).Dir(), of.kind, true})
	}
	for name, kind := range map[string]string{exportsName: v1.StoredExports, receivedName: v1.StoredWork, backlogName: v1.StoredWork} {
		all = append(all, place{filepath.Join(k.dir, name), kind, false})
	}
	if dir, _, err := s.ModelsDir(); err == nil {
		all = append(all, place{dir, v1.StoredModels, false})
	}
	if dir, err := s.TLSDir(); err == nil {
		all = append(all, place{dir, v1.StoredCertificate, false})
	}
	for i := range all {
		if real, err := filepath.EvalSymlinks(all[i].dir); err == nil {
			all[i].dir = real
		}
	}
	return all
}

// Stored implements api.Storage.
func (k kept) Stored(ctx context.Context) (v1.Storage, error) {
	found := &found{places: k.places(), log: k.options.LogFile, settings: k.settings().File, kinds: make(map[string]*v1.Stored)}
	for _, p := range found.places {
		if p.kind != v1.StoredOther && found.inside(p.dir) {
			continue // it is met there
		}
		if err := found.walk(ctx, p.dir); err != nil {
			return v1.Storage{}, err
		}
	}
	found.alone(found.settings, v1.StoredSettings)
	for _, path := range append(olderLogs(k.options.LogFile), k.options.LogFile) {
		found.alone(path, v1.StoredLog)
	}
	out := v1.Storage{Data: []v1.Stored{}}
	for _, kind := range found.kinds {
		out.Data = append(out.Data, *kind)
	}
	slices.SortFunc(out.Data, func(a, b v1.Stored) int { return strings.Compare(a.Kind, b.Kind) })
	outgoing, err := k.outgoing(ctx)
	out.Outgoing = outgoing
	if err != nil { // what lies on the disk is known without the database
		_, body := v1.ErrorOf(err)
		out.Unknown = &body.Error
	}
	return out, nil
}

// found are the files that a walk has met.
type found struct {
	places []place
	// log and settings are the files of both, which may lie anywhere.
	log, settings string
	kinds         map[string]*v1.Stored
}

// within reports whether a path is a folder or lies in it.
func within(path, dir string) bool {
	relative, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(relative)
}

// inside reports whether a place lies in another one, which is walked.
func (f *found) inside(dir string) bool {
	return slices.ContainsFunc(f.places, func(p place) bool { return p.dir != dir && within(dir, p.dir) })
}

// walk counts the files below a folder. What goes away meanwhile is left out.
func (f *found) walk(ctx context.Context, root string) error {
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, fs.ErrNotExist), err == nil && !entry.Type().IsRegular():
			return nil
		case err != nil:
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return nil //nolint:nilerr // it went meanwhile
		}
		kind, dir := f.kindOf(path)
		f.count(kind, dir, info.Size())
		return nil
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return scout.FileError(scout.CodeReadFailed, "look at what is stored", err)
}

func (f *found) count(kind, at string, bytes int64) {
	one := f.kinds[kind]
	if one == nil {
		one = &v1.Stored{Kind: kind, Path: at}
		f.kinds[kind] = one
	}
	one.Files++
	one.Bytes += bytes
}

// alone counts one file, if it is there and no walk has met it.
func (f *found) alone(path, kind string) {
	if slices.ContainsFunc(f.places, func(p place) bool { return within(path, p.dir) }) {
		return
	}
	if info, err := os.Stat(path); path != "" && err == nil && info.Mode().IsRegular() {
		f.count(kind, path, info.Size())
	}
}

// kindOf says of what kind a file is, and where that kind is found.
func (f *found) kindOf(path string) (kind, at string) {
	var in place
	for _, p := range f.places {
		if within(path, p.dir) && len(p.dir) > len(in.dir) {
			in = p
		}
	}
	name := filepath.Base(path)
	switch below, _ := filepath.Rel(in.dir, path); {
	case in.recordings && recording.IsTrash(strings.Split(below, string(filepath.Separator))[0]):
		return v1.StoredTrash, filepath.Dir(path)
	case in.recordings && recording.IsOutline(name):
		return v1.StoredOutlines, in.dir
	case in.kind != v1.StoredOther:
		return in.kind, in.dir
	case strings.HasPrefix(strings.TrimPrefix(name, "."), sqlite.FileName):
		return v1.StoredDatabase, filepath.Join(in.dir, sqlite.FileName)
	case name == LogName || name == OutputName || path == f.log || slices.Contains(olderLogs(f.log), path):
		return v1.StoredLog, filepath.Join(in.dir, LogName)
	case path == f.settings:
		return v1.StoredSettings, path
	case name == SessionsName:
		return v1.StoredSessions, path
	}
	return v1.StoredOther, in.dir
}

// olderLogs are the log files of before, which the rotation names by their time: daemon-2026-11-30T08-00-00.000.log.gz.
func olderLogs(log string) []string {
	if log == "" {
		return nil
	}
	return dated(strings.TrimSuffix(log, filepath.Ext(log)) + "-")
}

// dated are the files whose names begin as path does and go on with a time.
func dated(path string) (found []string) {
	entries, _ := os.ReadDir(filepath.Dir(path)) // where there is no folder there are no files
	for _, entry := range entries {
		rest, begins := strings.CutPrefix(entry.Name(), filepath.Base(path))
		if begins && rest != "" && rest[0] >= '0' && rest[0] <= '9' && entry.Type().IsRegular() {
			found = append(found, filepath.Join(filepath.Dir(path), entry.Name()))
		}
	}
	return found
}

// removeFiles removes files and counts them. What is gone already is no error.
func removeFiles(paths []string, what string) (removed int, err error) {
	for _, path := range paths {
		switch removeErr := os.Remove(path); {
		case removeErr == nil:
			removed++
		case !errors.Is(removeErr, fs.ErrNotExist):
			err = errors.Join(err, scout.FileError(scout.CodeWriteFailed, "remove "+what, removeErr))
		}
	}
	return removed, err
}

// outgoing names the ways out of this machine. After an error it lacks the webhooks.
func (k kept) outgoing(ctx context.Context) ([]v1.Outgoing, error) {
	all := []v1.Outgoing{}
	if at := k.options.Settings.Trace.Endpoint; at != "" {
		all = append(all, v1.Outgoing{Kind: v1.OutgoingTrace, Address: at, Local: here(at)})
	}
	for _, p := range k.listening() {
		if p.Listening && settings.FromOutside(p.Address) {
			all = append(all, v1.Outgoing{Kind: v1.OutgoingListener, Address: p.Address})
		}
	}
	hooks, err := k.store.Webhooks(ctx, "")
	for i := range hooks {
		if h := &hooks[i]; h.Enabled {
			all = append(all, v1.Outgoing{Kind: v1.OutgoingWebhook, ID: h.ID, Address: h.URL, Text: h.IncludeText, Local: here(h.URL)})
		}
	}
	return all, err
}

// here reports whether a URL is one of this machine.
func here(at string) bool {
	u, err := url.Parse(at)
	return err == nil && u.Host != "" && !settings.FromOutside(net.JoinHostPort(u.Hostname(), "0"))
}

// Remove implements api.Storage.
func (k kept) Remove(ctx context.Context, kind string) (out v1.StorageRemoved, err error) {
	out.Kind = kind
	before, err := k.Stored(ctx)
	if err != nil {
		return out, err
	}
	switch kind {
	case v1.StoredRecordings, v1.StoredTrash:
		swept, purgeErr := k.sweeper.PurgeAll(ctx, kind == v1.StoredTrash)
		out.Removed, out.Texts, out.InUse, err = swept.Recordings, swept.Texts, swept.InUse, purgeErr
		if kind == v1.StoredRecordings { // those that a restore has replaced may have recordings that the present one has not
			_, removeErr := removeFiles(dated(filepath.Join(k.dir, sqlite.FileName+".before-")), "a database that was replaced")
			err = errors.Join(err, removeErr)
		}
	case v1.StoredOutlines:
		for _, folder := range k.folders {
			n, removeErr := folder.RemoveOutlines()
			out.Removed, err = out.Removed+n, errors.Join(err, removeErr)
		}
	case v1.StoredExports:
		out.Removed, err = k.exports.Clear()
	case v1.StoredLog:
		out.Removed, err = removeFiles(olderLogs(k.options.LogFile), "an older log file")
	}
	after, afterErr := k.Stored(context.WithoutCancel(ctx))
	if afterErr == nil {
		out.FreedBytes = max(0, bytesOf(before, kind)-bytesOf(after, kind))
	}
	return out, err
}

// bytesOf is how much a removal of that kind is about.
func bytesOf(all v1.Storage, kind string) (sum int64) {
	of := []string{kind}
	if kind == v1.StoredRecordings {
		of = []string{v1.StoredRecordings, v1.StoredUploads, v1.StoredBrowser, v1.StoredImports, v1.StoredTrash, v1.StoredOutlines, v1.StoredExports}
	}
	for _, one := range all.Data {
		if slices.Contains(of, one.Kind) {
			sum += one.Bytes
		}
	}
	return sum
}
