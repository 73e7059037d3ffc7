package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/internal/release"
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
		PersistentPreRunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkLogFile(args); err != nil {
				return err
			}
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
		newVersionCommand(a),
		newManualCommand(),
	)
	return root
}

// needArgs wants at least one argument, and says which.
func needArgs(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage(fmt.Errorf("name %s", what))
		}
		return nil
	}
}

// hideFlags takes flags for developers out of --help. They work all the same.
func hideFlags(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().Lookup(name).Hidden = true
	}
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
			_, err := fmt.Fprintf(a.std.out, "scout %s (%s, %s/%s)\n", release.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
