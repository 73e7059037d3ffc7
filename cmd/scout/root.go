package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// newRootCommand returns the tree of commands.
func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "scout",
		Short: "Record speech and turn it into text, on this machine",
		Long: `Scout records speech and turns it into text on your own machine.
Nothing leaves it: models are files on disk, and no network is used except to fetch them.`,
		Example: `  scout record --transcribe
  scout transcribe meeting.m4a
  scout transcribe --format srt --output talk.srt talk.mp4
  scout models list`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.open(cmd.Context())
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("unknown command %q", args[0]))
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetOut(a.std.out)
	root.SetErr(a.std.err)
	root.SetIn(a.std.in)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage(err) })
	a.bindSettings(root)
	root.AddCommand(
		newRecordCommand(a),
		newRecordingsCommand(a),
		newTranscribeCommand(a),
		newDevicesCommand(a),
		newLevelCommand(a),
		newBenchCommand(a),
		newModelsCommand(a),
		newRecorderCommand(a),
		newVersionCommand(a),
	)
	return root
}

// wrongArgs turns what cobra says about the number of arguments into a usage error.
func wrongArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return usage(check(cmd, args)) }
}

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  wrongArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.std.out, "scout %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// release is set by the linker for released builds.
var release string // -ldflags -X main.release=…

// version is the released version, else the revision the program was built from.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, changed := "unknown", ""
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision" && len(setting.Value) >= 12:
			revision = setting.Value[:12]
		case setting.Key == "vcs.modified" && setting.Value == "true":
			changed = "+changes"
		}
	}
	return revision + changed
}
