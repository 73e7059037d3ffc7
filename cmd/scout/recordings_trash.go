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
		Long: `Moves recordings into the folder "trash" inside the folder of recordings.
"scout recordings restore" brings them back. It refuses to move a recording that
is under way.`,
		Example: `  scout recordings trash 7f3a9c2e41d0
  scout recordings restore 7f3a9c2e41d0`,
		Args:              cli.WrongArgs(cobra.MinimumNArgs(1)),
		ValidArgsFunction: a.completeRecordings(anyNumber),
		RunE: func(_ *cobra.Command, args []string) error {
			folder, _, err := a.lookIntoRecordings()
			if err != nil {
				return err
			}
			ids, err := findAll(args, func(part string) (recording.ID, error) { return a.findRecording(folder, []string{part}) })
			if err != nil {
				return err
			}
			return a.changeEach("trashed", ids, asJSON, func(id string) (any, string, error) {
				return id, id + " is in the trash", folder.Change(recording.ID(id), recording.ChangeTrash)
			})
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
		Long: `Moves recordings from the trash back into the folder of recordings. Without an
ID, it lists the recordings in the trash.`,
		Example: `  scout recordings restore
  scout recordings restore 20261124T082146123Z-7f3a9c2e41d0`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeTrashed(),
		RunE: func(_ *cobra.Command, args []string) error {
			folder, err := a.openRecordings()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return a.listTrash(folder, asJSON)
			}
			ids, err := findAll(args, folder.FindTrashed)
			if err != nil {
				return err
			}
			return a.changeEach("restored", ids, asJSON, func(id string) (any, string, error) {
				return id, id + " is back in " + folder.Dir(), folder.Change(recording.ID(id), recording.ChangeRestore)
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// listTrash prints the ids of the recordings in the trash.
func (a *app) listTrash(folder *recording.Folder, asJSON bool) error {
	trashed, err := folder.Trashed()
	if err != nil {
		return err
	}
	if asJSON {
		return cli.WriteJSON(a.Std.Out, struct {
			Trash []string `json:"trash"`
		}{names(trashed)})
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

// findAll returns the ids of the recordings that args name. All are found before one is changed.
func findAll(args []string, find func(part string) (recording.ID, error)) ([]string, error) {
	ids := make([]string, len(args))
	for i, arg := range args {
		id, err := find(arg)
		if err != nil {
			return nil, err
		}
		ids[i] = string(id)
	}
	return ids, nil
}
