package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/scout-speech/scout/internal/capture/virtual"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// launchRecorder says how to start a recorder process.
func (a *app) launchRecorder(name string) remote.LaunchOptions {
	level := "info"
	if a.Settings.Log.Level == "debug" {
		level = a.Settings.Log.Level
	}
	return remote.LaunchOptions{
		Options: remote.Options{Name: name}, Program: a.Settings.Recorder(),
		Environment: recording.Environment{LogLevel: level, LogFormat: a.Settings.Log.Format},
	}
}

// resolveDevice makes the name of a file to record from independent of the folder that the recorder
// process is in.
func resolveDevice(device string) (string, error) {
	path, isFile := strings.CutPrefix(device, "file:")
	if !isFile || filepath.IsAbs(path) || path == "" || !virtual.Is(device) {
		return device, nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", path, err)
	}
	return "file:" + abs, nil
}
