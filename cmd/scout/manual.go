package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/release"
)

// newManualCommand writes the manual pages, for make install. It is hidden.
func newManualCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "manual FOLDER",
		Short:  "Write the manual pages into a folder",
		Hidden: true,
		Args:   cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			root.DisableAutoGenTag = true // no line about how the pages were made
			header := &doc.GenManHeader{Section: "1", Source: "Scout " + release.Version(), Manual: "Scout"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return scout.FileError(scout.CodeWriteFailed, fmt.Sprintf("write the manual into %s", args[0]), err)
			}
			return nil
		},
	}
}
