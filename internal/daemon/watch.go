package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
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

// watchAbove watches the folder of a file or, where that does not exist, the nearest one above. It returns what is watched.
func watchAbove(watcher *fsnotify.Watcher, before, file string) (string, error) {
	dir := filepath.Dir(file)
	for dir != filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			break
		}
		dir = filepath.Dir(dir)
	}
	if dir == before {
		return dir, nil
	}
	if err := watcher.Add(dir); err != nil {
		return before, err
	}
	if before != "" {
		_ = watcher.Remove(before) // it may be gone
	}
	return dir, nil
}
