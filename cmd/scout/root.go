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
Nothing leaves it. Models are files on disk, and the network is used only to download them.`,
		Example: `  scout record --transcribe
  scout transcribe meeting.m4a
  scout transcribe --format srt --output talk.srt talk.mp4
  scout models list`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		PersistentPreRunE: a.prepare,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetOut(a.std.out)
	root.SetErr(a.std.err)
	root.SetIn(a.std.in)
	root.SetFlagErrorFunc(wrongFlag)
	root.Version = versionText()
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetHelpCommand(newHelpCommand())
	bindSettings(root)
	root.AddCommand(
		newRecordCommand(a),
		newRecordingsCommand(a),
		newTranscribeCommand(a),
		newDevicesCommand(a),
		newLevelCommand(a),
		newBenchCommand(a),
		newModelsCommand(a),
		newSettingsCommand(a),
		newVersionCommand(a),
		newManualCommand(),
	)
	return root
}

// prepare reads the settings and acts on those that all commands share, before one runs.
func (a *app) prepare(cmd *cobra.Command, args []string) error {
	if err := a.loadSettings(cmd); err != nil {
		return err
	}
	if err := a.checkLogFile(args); err != nil {
		return err
	}
	return a.open(cmd.Context())
}

// hideFlags takes flags for developers out of --help. They work all the same.
func hideFlags(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().Lookup(name).Hidden = true
	}
}

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  wrongArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			return a.say("%s", versionText())
		},
	}
}

// versionText names the version, or the commit of a build from a checkout, and what it was built with.
func versionText() string {
	return fmt.Sprintf("scout %s (%s, %s/%s)", release.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// newHelpCommand returns "scout help", which knows what does not exist.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND…]",
		Short: "Explain a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			found, rest, err := cmd.Root().Find(args)
			if err != nil {
				return usage(err)
			}
			if len(rest) > 0 {
				return unknownCommand(found, rest[0])
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}
