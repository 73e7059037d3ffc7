package main

import (
	"fmt"
	"os"
	"os/exec"
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
		Options: remote.Options{Name: name}, Program: a.Settings.Recorder(), Through: ownScope(),
		Environment: recording.Environment{LogLevel: level, LogFormat: a.Settings.Log.Format},
	}
}

// ownScope is the program that starts another in a control group of its own, where this one runs in a unit of systemd: neither a
// stop of the unit nor one of its limits ends a recorder then. Nil where there is no unit.
func ownScope() []string {
	if os.Getenv("INVOCATION_ID") == "" {
		return nil
	}
	if _, err := os.Stat(filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "systemd", "private")); err != nil {
		return nil // there is no manager to ask
	}
	program, err := exec.LookPath("systemd-run")
	if err != nil {
		return nil
	}
	return []string{program, "--user", "--scope", "--quiet", "--collect", "--"}
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
