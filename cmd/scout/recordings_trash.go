package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/recording"
)

func newRecordingsTrashCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "trash ID…",
		Short: "Move recordings to the trash",
		Long: `Moves recordings (audio and manifest) into the folder "trash" inside the folder of recordings.
"scout recordings restore" brings them back. A recording that is under way is not moved.`,
		Example: `  scout recordings trash 7f3a9c2e41d0
  scout recordings restore 7f3a9c2e41d0`,
		Args: cli.WrongArgs(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, _, err := a.lookIntoRecordings()
			if err != nil {
				return err
			}
			return a.changeRecordings(folder, args, recording.ChangeTrash)
		},
	}
}

func newRecordingsRestoreCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "restore [ID…]",
		Short: "Bring recordings back from the trash",
		Long: `Moves recordings from the trash back into the folder of recordings. Without an ID it lists what is in the
trash.`,
		Example: `  scout recordings restore
  scout recordings restore 20261124T082146123Z-7f3a9c2e41d0`,
		RunE: func(cmd *cobra.Command, args []string) error {
			folder, err := a.openRecordings()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				return a.changeRecordings(folder, args, recording.ChangeRestore)
			}
			ids, err := folder.Trashed()
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := a.Say("%s", id); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// changeRecordings moves the recordings that args name. All are found before one is moved.
func (a *app) changeRecordings(folder *recording.Folder, args []string, what recording.ChangeKind) error {
	find, done := folder.Find, "is in the trash"
	if what == recording.ChangeRestore {
		find, done = folder.FindTrashed, "is back in "+folder.Dir()
	}
	ids := make([]recording.ID, 0, len(args))
	for _, arg := range args {
		id, err := find(arg)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	for _, id := range ids {
		if err := folder.Change(id, what); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if err := a.Say("%s %s", id, done); err != nil {
			return err
		}
	}
	return nil
}
