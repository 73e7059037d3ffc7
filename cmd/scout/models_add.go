package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/model"
)

func newModelsAddCommand(a *app) *cobra.Command {
	var options model.AddOptions
	var quiet, asJSON bool
	cmd := &cobra.Command{
		Use:   "add FOLDER",
		Short: "Install a Whisper model that you have",
		Long: `Installs a Whisper model of your own: a folder as faster-whisper uses it, with
model.bin, config.json and tokenizer.json (docs/formats/ct2.md), or the folder
of such a model in the cache of Hugging Face. "scout models find" lists those.

Every byte is verified first. The model is then copied, and gets the name of its
folder as its id. FOLDER is only read and may be deleted afterwards; with --link
nothing is copied, and FOLDER must stay.`,
		Example: `  scout models add ~/models/faster-whisper-small-german
  scout models add --id court-reporter ./whisper-medium-ft
  scout models add ~/.cache/huggingface/hub/models--Systran--faster-whisper-medium`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.MakeModels()
			if err != nil {
				return err
			}
			show := newPullProgress(cli.NewConsole(a.Std.Err, quiet))
			options.Progress, options.Prepare = show.update, a.Machine().PrepareStaged
			added, err := store.Add(cmd.Context(), args[0], options)
			show.end()
			if err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(a.Std.Out, installedModelOf(added))
			}
			if err := a.sayInstalled(added, "installed"); err != nil {
				return err
			}
			return a.sayHowToUse(added.ID)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&options.ID, "id", "", "id that the model gets (default: the name of its folder)")
	flags.BoolVar(&options.Link, "link", false, "refer to the files where they are, and copy none")
	flags.BoolVar(&options.Force, "force", false, "replace a model that was added under the same id")
	flags.BoolVarP(&quiet, "quiet", "q", false, "no progress")
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func newModelsFindCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "find [CACHE…]",
		Short: "Find Whisper models that other programs have downloaded",
		Long: `Looks for models of faster-whisper in the cache of Hugging Face and says how to
install them without another download. The cache is the first of these:
  - $HF_HUB_CACHE or $HUGGINGFACE_HUB_CACHE
  - $HF_HOME/hub
  - $XDG_CACHE_HOME/huggingface/hub
  - ~/.cache/huggingface/hub

CACHE names others, such as the download_root of a program.`,
		Example: `  scout models find
  scout models find --json | jq -r '.found[] | select(.code == null) | .dir'`,
		Args: cobra.ArbitraryArgs,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.OpenModels()
			if err != nil {
				return err
			}
			caches := args
			if len(caches) == 0 {
				caches = model.Caches(os.Getenv)
			}
			found, err := store.Find(cmd.Context(), caches)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(a.Std.Out, struct {
					Caches []string      `json:"caches"`
					Found  []model.Found `json:"found"`
				}{caches, found})
			}
			if len(found) == 0 {
				return a.Say("no Whisper model in %s", strings.Join(caches, ", "))
			}
			for _, f := range found {
				if err := a.sayFound(f); err != nil {
					return err
				}
			}
			return nil
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// sayFound describes a copy and says how it is installed.
func (a *app) sayFound(f model.Found) error {
	switch {
	case f.Problem != "":
		return a.Say("%s cannot be used: %s", f.ID, f.Problem)
	case f.Installed != "":
		return a.Say("%s (%s, %s) is installed as %s", f.ID, sizeText(f.SizeBytes), languagesText(f.Languages), f.Installed)
	}
	return a.Say("%s (%s, %s): scout models add %s", f.ID, sizeText(f.SizeBytes), languagesText(f.Languages), model.ShellWord(f.Dir))
}

// figureTexts returns the columns WER, SPEED and MEMORY of the list.
func figureTexts(f *model.Figures) []string {
	if f == nil {
		return []string{"untested", "", ""}
	}
	return []string{fmt.Sprintf("%.1f %%", 100*f.WER), fmt.Sprintf("%.0fx", f.Speed), fmt.Sprintf("%.0f MB", float64(f.MemoryBytes)/1e6)}
}
