package main

import (
	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/recording"
)

func newRecordingsTrashCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "trash ID…",
		Short: "Move recordings to the trash",
		Long: `Moves recordings into the folder "trash" inside the folder in which they lie.
"scout recordings restore" brings them back. It refuses to move a recording that
is under way.`,
		Example: `  scout recordings trash 7f3a9c2e41d0
  scout recordings restore 7f3a9c2e41d0`,
		Args:              cli.WrongArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeRecordings(anyNumber),
		RunE: func(cmd *cobra.Command, args []string) error {
			folders, _, err := a.lookIntoRecordings(cmd.Context())
			if err != nil {
				return err
			}
			places, err := findRecordings(args, func(part string) (recording.Place, error) { return a.findRecording(folders, []string{part}) })
			if err != nil {
				return err
			}
			return a.changeRecordings(cmd.Context(), places, recording.ChangeTrash, "trashed", asJSON, func(p recording.Place) string { return string(p.ID) + " is in the trash" })
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func newRecordingsRestoreCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "restore [ID…]",
		Short: "Bring recordings back from the trash",
		Long: `Moves recordings from the trash back into their folder. Without an ID, it lists
the recordings in the trash.`,
		Example: `  scout recordings restore
  scout recordings restore 20261124T082146123Z-7f3a9c2e41d0`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTrashed(),
		RunE: func(cmd *cobra.Command, args []string) error {
			folders, err := a.folders()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return a.listTrash(folders, asJSON)
			}
			places, err := findRecordings(args, folders.FindTrashed)
			if err != nil {
				return err
			}
			return a.changeRecordings(cmd.Context(), places, recording.ChangeRestore, "restored", asJSON, func(p recording.Place) string {
				return string(p.ID) + " is back in " + p.Folder.Dir()
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// listTrash prints the ids of the recordings in the trash.
func (a *app) listTrash(folders recording.Folders, asJSON bool) error {
	trashed, err := folders.Trashed()
	if err != nil {
		return err
	}
	if asJSON {
		return cli.WriteJSON(a.Std.Out, struct {
			Trash []recording.ID `json:"trash"`
		}{append([]recording.ID{}, trashed...)})
	}
	if len(trashed) == 0 {
		a.Notef("the trash is empty\n")
	}
	for _, id := range trashed {
		if err := a.Say("%s", id); err != nil {
			return err
		}
	}
	return nil
}
