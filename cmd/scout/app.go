package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store/sqlite"
)

// app is shared by the commands.
type app struct {
	*cli.App
	// server is the URL of another Scout, empty for the one of this machine, key the key for it, and ca a file with its CA.
	server, key, ca string
	// addresses are those that a new daemon gets which takes the place of another one; empty for those of the settings.
	addresses string
}

// recordingsDir returns the folder of recordings.
func (a *app) recordingsDir() (string, error) { return a.Settings.RecordingsDir() }

// modelsDir returns the folder of installed models.
func (a *app) modelsDir() (string, error) {
	own, _, err := a.Settings.ModelsDir()
	return own, err
}

// ownFile reports whether a path is one of Scout's own files: anything in the folders of recordings and models, the
// database, and the files of the daemon.
func (a *app) ownFile(path string) bool {
	abs, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	for _, folder := range []func() (string, error){a.recordingsDir, a.modelsDir} {
		if dir, ok := resolved(folder()); ok && strings.HasPrefix(abs, dir+string(filepath.Separator)) {
			return true
		}
	}
	dir, ok := resolved(a.Settings.DataDir())
	if ok {
		sent, err := recording.FindFolders("", dir)
		if err == nil && slices.ContainsFunc(sent, func(f *recording.Folder) bool { return strings.HasPrefix(abs, f.Dir()+string(filepath.Separator)) }) {
			return true
		}
	}
	name := filepath.Base(abs)
	return ok && filepath.Dir(abs) == dir && slices.ContainsFunc([]string{sqlite.FileName, daemon.SocketName, daemon.LogName, daemon.LockName, daemon.OutputName}, func(own string) bool {
		return strings.HasPrefix(name, own) // the database's log lies beside it
	})
}

// resolved returns the absolute path of a folder, with all links followed.
func resolved(dir string, err error) (string, bool) {
	if err != nil {
		return "", false
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	dir, err = filepath.Abs(dir)
	return dir, err == nil
}
