package upload

import (
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/atomicfile"
	"github.com/scout-speech/scout/internal/observe"
)

// Names of the two files of an upload: its id and one of these.
const (
	bytesSuffix = ".part"
	infoSuffix  = ".json"
)

const (
	fileMode   fs.FileMode = 0o600
	folderMode fs.FileMode = 0o700
)

func (u *Uploads) bytesPath(id string) string { return filepath.Join(u.dir, id+bytesSuffix) }
func (u *Uploads) infoPath(id string) string  { return filepath.Join(u.dir, id+infoSuffix) }

// load finds the uploads of an earlier process, and removes what a crash left of none.
func (u *Uploads) load() error {
	if err := os.MkdirAll(u.dir, folderMode); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "make the folder of uploads", err)
	}
	files, err := os.ReadDir(u.dir)
	if err != nil {
		return scout.FileError(scout.CodeReadFailed, "read the folder of uploads", err)
	}
	described := make(map[string]bool)
	for _, file := range files {
		id, is := strings.CutSuffix(file.Name(), infoSuffix)
		if !is {
			continue
		}
		described[id] = true
		e, err := u.read(id)
		if err != nil {
			u.log.Warn(eventNotRead, slog.String("upload", id), slog.String(observe.KeyError, err.Error()))
			u.unread[id] = unread{err, u.size(id)}
			continue
		}
		u.entries[id] = e
	}
	for _, file := range files { // bytes without a description are of an upload that nobody was told of
		id, is := strings.CutSuffix(file.Name(), bytesSuffix)
		if is && !described[id] || strings.HasSuffix(file.Name(), atomicfile.Suffix) {
			if err := os.Remove(filepath.Join(u.dir, file.Name())); err != nil {
				u.log.Warn(eventNotSwept, slog.String("upload", id), slog.String(observe.KeyCode, string(scout.CodeWriteFailed)), slog.String(observe.KeyError, err.Error()))
			}
		}
	}
	return nil
}

// read returns an upload as its files have it.
func (u *Uploads) read(id string) (*entry, error) {
	data, err := os.ReadFile(u.infoPath(id))
	if err != nil {
		return nil, scout.FileError(scout.CodeReadFailed, "read the description of an upload", err)
	}
	var info Info
	if err := json.Unmarshal(data, &info); err != nil {
		return nil, scout.Errorf(scout.CodeReadFailed, "it is damaged: %w", err)
	}
	if info.ID != id {
		return nil, scout.Errorf(scout.CodeReadFailed, "it is that of %q", info.ID)
	}
	e := &entry{info: info, changed: info.CreatedAt}
	if !info.EndedAt.IsZero() {
		e.changed = info.EndedAt
	}
	if there, err := os.Stat(u.bytesPath(id)); err == nil {
		e.offset = there.Size()
		if at := there.ModTime().UTC(); at.After(e.changed) {
			e.changed = at
		}
	} else if info.State != Receiving {
		e.offset = info.Length
	}
	return e, nil
}

// size is how many bytes of an upload there are.
func (u *Uploads) size(id string) int64 {
	there, err := os.Stat(u.bytesPath(id))
	if err != nil {
		return 0
	}
	return there.Size()
}

// readAgain takes up uploads whose description somebody has mended, and forgets those whose files somebody has removed.
func (u *Uploads) readAgain() {
	u.mu.Lock()
	ids := slices.Collect(maps.Keys(u.unread))
	u.mu.Unlock()
	for _, id := range ids {
		e, err := u.read(id)
		gone := err != nil && missing(u.infoPath(id)) && missing(u.bytesPath(id))
		u.mu.Lock()
		switch {
		case err == nil:
			u.entries[id] = e
			delete(u.unread, id)
		case gone:
			delete(u.unread, id)
		default:
			u.unread[id] = unread{err, u.size(id)}
		}
		u.mu.Unlock()
	}
}

// begin makes the files of a new upload. The description comes last: bytes without one are removed at the next start.
func (u *Uploads) begin(info *Info) error {
	// Not by atomicfile: it grows with what the client sends.
	file, err := os.OpenFile(u.bytesPath(info.ID), os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return scout.FileError(scout.CodeWriteFailed, "begin an upload", err)
	}
	if err := u.keep(info); err != nil {
		return errors.Join(err, os.Remove(u.bytesPath(info.ID)))
	}
	return nil
}

// keep writes the description of an upload; both files are then durable.
func (u *Uploads) keep(info *Info) error {
	data, err := json.Marshal(info)
	if err != nil {
		return err
	}
	if err := atomicfile.Write(u.infoPath(info.ID), data, atomicfile.Options{Mode: atomicfile.Private}); err != nil {
		return scout.FileError(scout.CodeWriteFailed, "note an upload", err)
	}
	return nil
}

// forget removes the files of an upload.
func (u *Uploads) forget(id string) error {
	for _, path := range []string{u.infoPath(id), u.bytesPath(id)} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return scout.FileError(scout.CodeWriteFailed, "remove an upload", err)
		}
	}
	return nil
}
