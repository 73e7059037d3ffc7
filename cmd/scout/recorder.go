package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/recording/remote"
)

const (
	// idleFor is how long a recorder process stays without anything to do: long enough that a second
	// recording begins at once.
	idleFor = 30 * time.Second
	// warmFor is the same for one that keeps the microphone open meanwhile.
	warmFor = 10 * time.Minute
)

// launchRecorder says how to start the recorder process of a folder: scout-recorder is what $SCOUT_RECORDER
// says, else beside this program.
func (a *app) launchRecorder(dir string, role remote.Options, idle time.Duration) (remote.LaunchOptions, error) {
	program, err := programBeside("scout-recorder", "SCOUT_RECORDER")
	if err != nil {
		return remote.LaunchOptions{}, scout.Errorf(scout.CodeRecorderMissing, "find scout-recorder: %w", err)
	}
	level := "info"
	if a.settings.logLevel == "debug" {
		level = a.settings.logLevel
	}
	return remote.LaunchOptions{
		Options: role, Program: program,
		Args: []string{
			"--recordings-dir", dir, "--idle-for", idle.String(), "--log-level", level, "--log-format", a.settings.logFormat,
		},
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
