package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

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

// answersWithin is how long the user's service manager may take to accept a connection.
const answersWithin = 200 * time.Millisecond

// ownScope is the program that starts another in a control group of its own, where a manager of this user's services answers. The
// groups are those of terminals, sessions and units: when one of them is stopped, killed or short of memory, its recorder is not. Nil
// where no manager answers.
func ownScope() []string {
	runtime := os.Getenv("XDG_RUNTIME_DIR")
	if runtime == "" {
		return nil // systemd-run would not find the manager
	}
	manager, err := net.DialTimeout("unix", filepath.Join(runtime, "systemd", "private"), answersWithin)
	if err != nil {
		return nil
	}
	_ = manager.Close() // it was only asked whether it is there
	program, err := exec.LookPath("systemd-run")
	if err != nil {
		return nil
	}
	return []string{program, "--user", "--scope", "--quiet", "--collect", "--"}
}

// resolveDevice makes the path of a file to record from absolute, because the recorder process runs in another folder.
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
