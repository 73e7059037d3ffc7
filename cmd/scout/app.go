package main

import (
	"path/filepath"
	"strings"

	"github.com/scout-speech/scout/cmd/internal/cli"
)

// app is what the commands share.
type app struct{ *cli.App }

func newApp(std cli.Streams) *app { return &app{App: cli.New(programName, std)} }

// recordingsDir is where recordings are kept.
func (a *app) recordingsDir() (string, error) { return a.Settings.RecordingsDir() }

// modelsDir is where models are installed.
func (a *app) modelsDir() (string, error) {
	own, _, err := a.Settings.ModelsDir()
	return own, err
}

// ownFile tells whether a path lies in a folder that Scout keeps for itself: recordings and models.
func (a *app) ownFile(path string) bool {
	for _, folder := range []func() (string, error){a.recordingsDir, a.modelsDir} {
		dir, err := folder()
		if err != nil {
			continue
		}
		if resolved, err := filepath.EvalSymlinks(dir); err == nil {
			dir = resolved
		}
		if dir, err = filepath.Abs(dir); err != nil {
			continue
		}
		if abs, err := filepath.Abs(path); err == nil && strings.HasPrefix(abs, dir+string(filepath.Separator)) {
			return true
		}
	}
	return false
}
