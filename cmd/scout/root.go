package main

import (
	"github.com/spf13/cobra"
)

// newRootCommand returns the tree of commands.
func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "scout",
		Short: "Record speech and turn it into text, on this machine",
		Long: `Scout records speech and turns it into text on your own machine. Nothing leaves
it: models are files on disk, and the network is used only to download them.

Results go to standard output, everything else to standard error. --json prints
one JSON value, for scripts: docs/formats/command-line.md describes each.

Exit codes: 0 done, 1 something failed, 2 wrong usage or wrong settings, 130
ended by Ctrl-C, 143 ended by a request to terminate.`,
		Example: `  scout record --transcribe
  scout transcribe meeting.m4a
  scout transcribe --format srt --output talk.srt talk.mp4
  scout models list`,
	}
	a.SetUp(root)
	root.AddCommand(
		newDictateCommand(a),
		newToggleCommand(a),
		newStartCommand(a),
		newStopCommand(a),
		newStatusCommand(a),
		newHealthCommand(a),
		newServeCommand(a),
		newRecordCommand(a),
		newRecordingsCommand(a),
		newTranscribeCommand(a),
		newTranscriptsCommand(a),
		newJobsCommand(a),
		newUploadCommand(a),
		newImportCommand(a),
		newWebhooksCommand(a),
		newDevicesCommand(a),
		newLevelCommand(a),
		newModelsCommand(a),
		newSettingsCommand(a),
		newKeysCommand(a),
		newTLSCommand(a),
		newOpenCommand(a),
		newBackupCommand(a),
		newCheckCommand(a),
		newRestoreCommand(a),
		newManualCommand(),
		newInsertCommand(a),
	)
	a.completeFlags(root)
	return root
}

// hideFlags hides flags for developers from --help. They work anyway.
func hideFlags(cmd *cobra.Command, names ...string) {
	for _, name := range names {
		cmd.Flags().Lookup(name).Hidden = true
	}
}
