package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/scout-speech/scout/internal/observe"
)

// eventSettingsNotWatched is logged where the system does not tell when the settings file is changed: the next request notices it.
const eventSettingsNotWatched = "settings_not_watched"

// settledAfter is how long a file must stay as it is before it is read: editors write in several steps.
const settledAfter = 100 * time.Millisecond

// watchSettings reads the settings file whenever a person has changed it, so that what takes effect at once does so without a request.
func (d *daemon) watchSettings(ctx context.Context) error {
	file := d.options.Settings.File
	if file == "" {
		return nil
	}
	err := watchFile(ctx, file, func() { _, _ = d.current.latest() }) // it tells what changed, and what is wrong
	if err != nil {
		d.log.Warn(eventSettingsNotWatched, slog.String(observe.KeyError, err.Error()))
	}
	return nil
}

// watchFile calls changed some time after each change of a file, until ctx ends. Neither the file nor its folder need exist. An error
// says why nothing is watched.
func watchFile(ctx context.Context, file string, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer func() { _ = watcher.Close() }() // it was only watched
	watched, err := watchAbove(watcher, "", file)
	if err != nil {
		return err
	}
	settled := time.NewTimer(settledAfter) // it may have changed before it was watched
	defer settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-watcher.Events:
			if e.Name == file || watched != filepath.Dir(file) {
				settled.Reset(settledAfter)
			}
			if now, err := watchAbove(watcher, watched, file); err == nil {
				watched = now
			}
		case err := <-watcher.Errors:
			if errors.Is(err, fsnotify.ErrClosed) {
				return err
			}
			settled.Reset(settledAfter) // events were lost
		case <-settled.C:
			changed()
		}
	}
}

// watchFolder calls changed at first, and some time after each change in a folder or in those folders in it whose names are wanted,
// until ctx ends. The folder need not exist. An error says why nothing is watched.
func watchFolder(ctx context.Context, dir string, wanted func(name string) bool, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer func() { _ = watcher.Close() }() // it was only watched
	inside := filepath.Join(dir, "inside")
	watched, err := watchAbove(watcher, "", inside)
	if err != nil {
		return err
	}
	settled := time.NewTimer(0)
	defer settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-watcher.Events:
			if watched == dir || strings.HasPrefix(dir+string(filepath.Separator), e.Name+string(filepath.Separator)) {
				settled.Reset(settledAfter)
			}
		case err := <-watcher.Errors:
			if errors.Is(err, fsnotify.ErrClosed) {
				return err
			}
			settled.Reset(settledAfter) // events were lost
		case <-settled.C:
			if now, err := watchAbove(watcher, watched, inside); err == nil {
				watched = now
			}
			if watched == dir {
				watchInside(watcher, dir, wanted)
			}
			changed()
		}
	}
}

// watchInside watches the folders in a folder whose names are wanted.
func watchInside(watcher *fsnotify.Watcher, dir string, wanted func(name string) bool) {
	entries, _ := os.ReadDir(dir) // what cannot be read cannot be watched
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); wanted(e.Name()) && isFolder(path) {
			_ = watcher.Add(path) // it may be gone
		}
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// watchAbove watches the folder of a file or, where that does not exist, the nearest one above. It returns what is watched.
func watchAbove(watcher *fsnotify.Watcher, before, file string) (string, error) {
	dir := filepath.Dir(file)
	for dir != filepath.Dir(dir) {
		if isFolder(dir) {
			break
		}
		dir = filepath.Dir(dir)
	}
	if err := watcher.Add(dir); err != nil { // also one that is watched: another folder may have taken its place
		return before, err
	}
	if before != "" && before != dir {
		_ = watcher.Remove(before) // it may be gone
	}
	return dir, nil
}
