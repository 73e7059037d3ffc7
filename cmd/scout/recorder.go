package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/capture"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording/attach"
	"github.com/scout-speech/scout/internal/recording/recorder"
)

// newRecorderCommand returns "scout recorder", the process that records. Other commands start it.
func newRecorderCommand(a *app) *cobra.Command {
	var o recorder.Options
	cmd := &cobra.Command{
		Use:    "recorder",
		Short:  "The process that records; started by scout record",
		Hidden: true,
		Long: `Holds the folder of recordings, repairs what a crash left there, and serves its socket
(docs/formats/recorder-socket.md). A signal finishes what is being recorded.`,
		Args: wrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir, err := a.recordingsDir()
			if err != nil {
				return err
			}
			if o.Dir, err = filepath.Abs(dir); err != nil {
				return fmt.Errorf("find the folder of recordings: %w", err)
			}
			// Where the program was started from must not be kept busy for as long as this process lives.
			if err := os.Chdir(string(filepath.Separator)); err != nil {
				a.scope.Log().Debug("folder_not_left", slog.String(observe.KeyError, err.Error()))
			}
			o.Version, o.Scope, o.Gatherer = version(), a.scope, a.registry
			if err := recorder.Run(cmd.Context(), o); err != nil {
				// One line and no hint: whoever started this process shows its last line.
				a.notef("%s\n", oneLine(err))
				return &reportedError{err}
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&o.IdleFor, "idle-for", idleFor, "end when there was nothing to record and nobody attached for so long")
	flags.DurationVar(&o.SyncEvery, "sync-every", 0, "rhythm in which audio is synced to the disk (default 150ms)")
	return cmd
}

const (
	// idleFor is how long a recorder process stays without anything to do: long enough that a second
	// recording begins at once.
	idleFor = 30 * time.Second
	// warmFor is the same for one that keeps the microphone open meanwhile.
	warmFor = 10 * time.Minute
)

// launchRecorder says how to start the recorder process of a folder: this program again, with settings of
// its own for what two processes cannot share.
func (a *app) launchRecorder(dir string, role attach.Options, idle time.Duration) (attach.LaunchOptions, error) {
	self, err := os.Executable()
	if err != nil {
		return attach.LaunchOptions{}, scout.Errorf(scout.CodeRecorderStart, "find this program: %w", err)
	}
	level := "info"
	if a.settings.logLevel == "debug" {
		level = a.settings.logLevel
	}
	return attach.LaunchOptions{
		Options: role, Program: self,
		Args: []string{
			"recorder", "--recordings-dir", dir, "--idle-for", idle.String(),
			"--log-level", level, "--log-format", a.settings.logFormat, "--log-file=", "--trace-endpoint=",
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
