package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/recognize"
)

// newModelsCommand returns "scout models" and its subcommands.
func newModelsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List, install, select and check speech models",
		Long: `Models are folders of files on this machine. Scout uses the network only to download them.
The default model, moonshine-tiny-en, understands English only.

To add a model of your own, put its folder with a model.toml below the models folder: see docs/formats/model-toml.md.`,
		Example: `  scout models list
  scout models pull moonshine-tiny-en
  scout models pull whisper-small --from /media/usb/whisper-small
  scout models use whisper-small`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newModelsListCommand(a), newModelsPullCommand(a), newModelsUseCommand(a),
		newModelsVerifyCommand(a), newModelsRemoveCommand(a), newModelsPathCommand(a),
	)
	return cmd
}

func newModelsListCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List known, installed and your own models",
		Long: `Lists the models of the catalogue and those of your own.

State: "installed" is on this machine, "selected" is used when no model is named, "default" is used when
none is selected, "untested" was never run by the project, "yours" is a model of your own. A size with a
tilde is the publisher's figure.

Backend: what runs the model on this machine, and the recipe and variant of its prepared graphs, if it has any
(docs/formats/prepared-model.md).`,
		Example: `  scout models list
  scout models list --json | jq -r '.models[] | select(.installed) | .id'`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.OpenModels()
			if err != nil {
				return err
			}
			list, err := a.listModels(cmd.Context(), store)
			if err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(a.Std.Out, struct {
					Dir    string        `json:"models_dir"`
					Models []listedModel `json:"models"`
				}{store.Dir(), list})
			}
			return writeTable(a.Std.Out, modelRows(list))
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// listedModel is a line of the list, with what runs the model here. Both name the same backend.
type listedModel struct {
	model.Listed
	recognize.Served
}

func (a *app) listModels(ctx context.Context, store *model.Store) ([]listedModel, error) {
	known, err := store.List()
	if err != nil {
		return nil, err
	}
	list := make([]listedModel, len(known))
	for i, l := range known {
		list[i] = listedModel{l, recognize.Served{Backend: l.Backend}}
		if !l.Installed || l.Problem != "" {
			continue
		}
		installed, err := store.Resolve(ctx, l.ID)
		if ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			list[i].Problem = cli.OneLine(err)
			continue
		}
		list[i].Served = a.Machine().Served(installed, l.Backend)
		list[i].Listed.Backend = list[i].Served.Backend
	}
	return list, nil
}

func modelRows(list []listedModel) [][]string {
	rows := [][]string{{"ID", "SIZE", "LANGUAGES", "LICENCE", "STATE", "BACKEND"}}
	for _, l := range list {
		size := sizeText(l.SizeBytes)
		if !l.SizeExact {
			size = "~" + size
		}
		rows = append(rows, []string{l.ID, size, languagesText(l.Languages), l.Licence, stateText(l.Listed), l.String()})
	}
	return rows
}

// languagesText names up to three languages and counts the others.
func languagesText(languages []string) string {
	const most = 3
	switch {
	case len(languages) == 0:
		return "unknown"
	case len(languages) <= most:
		return strings.Join(languages, " ")
	}
	return fmt.Sprintf("%d languages", len(languages))
}

func stateText(l model.Listed) string {
	var states []string
	add := func(is bool, state string) {
		if is {
			states = append(states, state)
		}
	}
	add(l.Own, "yours")
	add(l.Installed && !l.Own, "installed")
	add(l.Selected && l.Installed, "selected")
	add(l.Default, "default")
	add(!l.Tested && !l.Own, "untested")
	add(l.Problem != "", "damaged: "+l.Problem)
	return strings.Join(states, ", ")
}

// sizeText writes a number of bytes in a suitable unit, decimal as publishers do.
func sizeText(bytes int64) string {
	switch {
	case bytes >= 1_000_000_000:
		return fmt.Sprintf("%.2f GB", float64(bytes)/1e9)
	case bytes >= 1_000_000:
		return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
	}
	return fmt.Sprintf("%.1f kB", float64(bytes)/1e3)
}

func newModelsUseCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "use MODEL",
		Short: "Select the model to use when none is named",
		Long: `Selects an installed model. Scout uses, in this order:
--model, $SCOUT_MODEL, the selected model, the default model.`,
		Example: `  scout models use moonshine-tiny-en`,
		Args:    cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.OpenModels()
			if err != nil {
				return err
			}
			m, err := store.Use(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.Say("%s is selected%s", m.ID, languageNote(m.Languages))
		},
	}
}

// languageNote says if a model knows only one language.
func languageNote(languages []string) string {
	if model.EnglishOnly(languages) {
		return "; it knows English only"
	}
	return ""
}

func newModelsRemoveCommand(a *app) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "remove MODEL",
		Short: "Delete an installed model and the remains of an interrupted pull",
		Example: `  scout models remove whisper-small
  scout models remove --force moonshine-tiny-en   # also the one in use`,
		Args: cli.WrongArgs(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.OpenModels()
			if err != nil {
				return err
			}
			if err := store.Remove(cmd.Context(), args[0], force); err != nil {
				return err
			}
			return a.Say("%s is removed", args[0])
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "remove it even if it is in use")
	return cmd
}

func newModelsPathCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "path [MODEL]",
		Short: "Print the models folder, or that of one installed model",
		Long: `Prints the folder of installed models: what the setting models.dir says (--models-dir, $SCOUT_MODELS), else models/ in the
folder that data.dir names (--data-dir, $SCOUT_DATA), else var/models of the checkout in which scout was built, else
$XDG_DATA_HOME/scout/models (~/.local/share/scout/models).

An installed scout also reads PREFIX/share/scout/models, where make install puts the default model for everybody.`,
		Example: `  scout models path
  ls "$(scout models path moonshine-tiny-en)"`,
		Args: cli.WrongArgs(cobra.MaximumNArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			store, err := a.OpenModels()
			if err != nil {
				return err
			}
			path := store.Dir()
			if len(args) == 1 {
				if path, err = store.Path(args[0]); err != nil {
					return err
				}
			}
			return a.Say("%s", path)
		},
	}
}

// verified is the result for one model in the JSON of "scout models verify".
type verified struct {
	model.Report
	Intact bool `json:"intact"`
	failure
}

// failure says why something is not intact, in JSON; empty if it is.
type failure struct {
	Code  scout.Code `json:"code,omitempty"`
	Error string     `json:"error,omitempty"`
	Hint  string     `json:"hint,omitempty"`
}

func failureOf(err error) failure {
	return failure{scout.CodeOf(err), cli.OneLine(err), scout.HintOf(err)}
}

func newModelsVerifyCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify [MODEL…]",
		Short: "Check every byte of installed models against the recorded checksums",
		Long: `Reads every byte of the named models, or of all installed ones. Their files are compared with the SHA-256 sums of
the catalogue or of the first pull, and their prepared graphs with the sums from when they were written. The exit
code is 1 when a model is damaged; the hint names the repair.`,
		Example: `  scout models verify
  scout models verify --json moonshine-tiny-en`,
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.OpenModels()
			if err != nil {
				return err
			}
			return a.verifyModels(cmd.Context(), store, args, asJSON)
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func (a *app) verifyModels(ctx context.Context, store *model.Store, ids []string, asJSON bool) error {
	if len(ids) == 0 {
		list, err := store.List()
		if err != nil {
			return err
		}
		for _, l := range list {
			if l.Installed {
				ids = append(ids, l.ID)
			}
		}
	}
	if len(ids) == 0 && !asJSON {
		return a.Say("no model is installed in %s", store.Dir())
	}
	results := make([]verified, 0, len(ids))
	var failed error
	for _, id := range ids {
		report, err := store.Verify(ctx, id)
		if err == nil {
			err = a.verifyPrepared(ctx, store, id)
		}
		if ctx.Err() != nil {
			return err
		}
		v := verified{Report: report, Intact: err == nil}
		if err != nil {
			v.failure = failureOf(err)
			a.Complain("", err)
			failed = cli.Reported(err)
		} else if !asJSON {
			var size int64
			for _, f := range report.Files {
				size += f.SizeBytes
			}
			if err := a.Say("%s is intact: %d files, %s", id, len(report.Files), sizeText(size)); err != nil {
				return err
			}
		}
		results = append(results, v)
	}
	if asJSON {
		if err := cli.WriteJSON(a.Std.Out, struct {
			Models []verified `json:"models"`
		}{results}); err != nil {
			return err
		}
	}
	return failed
}

// verifyPrepared checks the prepared graphs of an intact model.
func (a *app) verifyPrepared(ctx context.Context, store *model.Store, id string) error {
	installed, err := store.Resolve(ctx, id)
	if err != nil {
		return err
	}
	if err := a.Machine().CheckPrepared(installed); err != nil {
		return scout.Errorf(scout.CodeOf(err), "model %s: %w", id, err).WithHint("prepare it again: scout models pull %s", id)
	}
	return nil
}
