package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/recording/remote"
)

// launchRecorder says how to start a recorder process: scout-recorder is what $SCOUT_RECORDER says, else beside this
// program.
func (a *app) launchRecorder(name string) (remote.LaunchOptions, error) {
	program, err := programBeside("scout-recorder", "SCOUT_RECORDER")
	if err != nil {
		return remote.LaunchOptions{}, scout.Errorf(scout.CodeRecorderMissing, "find scout-recorder: %w", err)
	}
	level := "info"
	if a.settings.logLevel == "debug" {
		level = a.settings.logLevel
	}
	return remote.LaunchOptions{
		Options: remote.Options{Name: name}, Program: program,
		Environment: recording.Environment{LogLevel: level, LogFormat: a.settings.logFormat},
	}, nil
}

// resolveDevice makes the name of a file to record from independent of the folder that the recorder
// process is in.
func resolveDevice(device string) (string, error) {
	path, isFile := strings.CutPrefix(device, "file:")
	if !isFile || filepath.IsAbs(path) || path == "" || !capture.IsVirtual(device) {
		return device, nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", path, err)
	}
	return "file:" + abs, nil
}
