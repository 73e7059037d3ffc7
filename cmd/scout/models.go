package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/settings"
	"github.com/scout-speech/scout/internal/spelling"
)

// newModelsCommand returns "scout models" and its subcommands.
func newModelsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "List, install, select and check speech models",
		Long: `A model is a folder of files on this machine. Scout uses the network only to
download it. The default model, moonshine-tiny-en, understands English only.

To use a Whisper model that you have: scout models add FOLDER. For any other
kind, put its folder, with a model.toml, into the models folder: see
docs/formats/model-toml.md.`,
		Example: `  scout models list
  scout models pull moonshine-tiny-en
  scout models pull whisper-small --from /media/usb/whisper-small
  scout models use whisper-small`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newModelsListCommand(a), newModelsPullCommand(a), newModelsAddCommand(a), newModelsFindCommand(a), newModelsUseCommand(a),
		newModelsLoadCommand(a), newModelsUnloadCommand(a), newModelsVerifyCommand(a), newModelsRemoveCommand(a), newModelsPathCommand(a),
	)
	return cmd
}

func newModelsListCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List known, installed and your own models",
		Long: `Lists the models of the catalogue and your own.

SIZE     with a tilde, the size that the publisher gives
LANG     the language, or the number of languages
WER      wrong words of a hundred; SPEED: seconds of audio transcribed in a
         second of one processor; MEMORY: of the engine. All three were measured
         with these very files. untested: they were not
STATE    fast: it writes while one speaks; accurate: it makes the text of files;
         selected: it was chosen, but has neither role; installed: it is on
         this machine; default: it is used if none is selected; yours: a model
         of your own; and why it is not as fast as it could be

--json has more: licences, all languages, what runs the model here, and how its
figures were measured.`,
		Example: `  scout models list
  scout models list --server http://192.168.1.5:7268 --key KEY
  scout models list --json | jq -r '.models[] | select(.installed) | .id'`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.server != "" {
				return a.listModelsThere(cmd.Context(), asJSON)
			}
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
	a.serverFlags(cmd)
	return cmd
}

// listModelsThere lists the models of another machine.
func (a *app) listModelsThere(ctx context.Context, asJSON bool) error {
	return a.withDaemon(ctx, func(ctx context.Context, c *client.Client) error {
		var there v1.Models
		if err := c.Get(ctx, "/models", &there); err != nil {
			return err
		}
		if asJSON {
			return cli.WriteJSON(a.Std.Out, struct {
				Models []v1.Model `json:"models"`
			}{there.Data})
		}
		list := make([]listedModel, len(there.Data))
		for i := range there.Data {
			m := &there.Data[i]
			l := &list[i]
			l.Listed = model.Listed{ID: m.ID, SizeBytes: m.SizeBytes, SizeExact: m.SizeExact, Languages: m.Languages, Installed: m.State != v1.ModelAvailable, Default: m.Default, Own: m.Own, Problem: m.Problem}
			if m.State == v1.ModelCorrupt && m.Problem == "" {
				l.Problem = "its owner is told why"
			}
			if m.Measured != nil {
				l.Figures = &model.Figures{WER: m.Measured.WER, Speed: m.Measured.Speed, MemoryBytes: m.Measured.Memory}
			}
			for _, role := range m.Roles {
				l.Roles = append(l.Roles, recognize.Role(role))
			}
		}
		return writeTable(a.Std.Out, modelRows(list))
	})
}

// listedModel is a model in the list, with what runs it here. Both parts name the same backend.
type listedModel struct {
	model.Listed
	recognize.Served
	// Roles are what it is used for now.
	Roles []recognize.Role `json:"roles,omitempty"`
}

func (a *app) listModels(ctx context.Context, store *model.Store) ([]listedModel, error) {
	known, err := store.List()
	if err != nil {
		return nil, err
	}
	used := map[recognize.Role]string{}
	for _, role := range []recognize.Role{recognize.Fast, recognize.Accurate} {
		if used[role] = a.Settings.Transcribe.Model; used[role] == "" {
			if used[role], err = a.Roles().Pick(store, role); err != nil {
				return nil, err
			}
		}
	}
	list := make([]listedModel, len(known))
	for i, l := range known {
		list[i] = listedModel{Listed: l, Served: recognize.Served{Backend: l.Backend}}
		for _, role := range []recognize.Role{recognize.Fast, recognize.Accurate} {
			if used[role] == l.ID || used[role] == "" && l.Selected {
				list[i].Roles = append(list[i].Roles, role)
			}
		}
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
	rows := [][]string{{"ID", "SIZE", "LANG", "WER", "SPEED", "MEMORY", "STATE"}}
	for _, l := range list {
		size := shortSize(l.SizeBytes)
		if !l.SizeExact {
			size = "~" + size
		}
		rows = append(rows, slices.Concat([]string{l.ID, size, languageText(l.Languages)}, figureTexts(l.Figures), []string{stateText(l)}))
	}
	return rows
}

// languageText returns a language, or the number of languages.
func languageText(languages []string) string {
	if len(languages) == 1 {
		return languages[0]
	}
	return strconv.Itoa(len(languages))
}

// languagesText returns up to three languages, or their number.
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

func stateText(l listedModel) string {
	var states []string
	add := func(is bool, state string) {
		if is {
			states = append(states, state)
		}
	}
	add(l.Own, "yours")
	var roles []string
	for _, role := range l.Roles {
		roles = append(roles, string(role))
	}
	add(l.Installed && len(roles) > 0, strings.Join(roles, "+")) // short: the list has 80 columns
	add(l.Selected && l.Installed && len(l.Roles) == 0, "selected")
	add(l.Installed && len(states) == 0, "installed")
	add(l.Default && !l.Installed, "default")
	add(l.Note != "", l.Note)
	add(l.Problem != "", "damaged: "+l.Problem)
	return strings.Join(states, ", ")
}

// shortSize writes a number of bytes for a narrow column.
func shortSize(bytes int64) string {
	if bytes >= 1_000_000_000 {
		return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
	}
	return fmt.Sprintf("%.0f MB", float64(bytes)/1e6)
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

// usedModel is a model that was selected or whose folder was asked for, in JSON.
type usedModel struct {
	ID        string   `json:"id"`
	Dir       string   `json:"dir"`
	Languages []string `json:"languages"`
}

func newModelsUseCommand(a *app) *cobra.Command {
	var asJSON bool
	var role string
	cmd := &cobra.Command{
		Use:   "use MODEL",
		Short: "Select the model to use if none is named",
		Long: `Selects an installed model: for everything, or for one role.

The fast model writes while one speaks. The accurate model makes the text of
files, and of languages that the fast one does not know. Scout uses the first of
these:
  - --model, $SCOUT_MODEL (the setting transcribe.model), for any role
  - the model of the role: --role here, or the setting models.fast or
    models.accurate
  - the model that was selected without --role
  - for accurate, whisper-base where it is installed
  - the default model

A daemon that runs uses it from the next text on. For another machine
(--server), name the role.`,
		Example: `  scout models use moonshine-tiny-en
  scout models use whisper-base --role accurate`,
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeModels(1, true),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.server != "" {
				return a.useThere(cmd.Context(), args[0], role, asJSON)
			}
			store, err := a.OpenModels()
			if err != nil {
				return err
			}
			if cmd.Flags().Changed("role") {
				return a.useForRole(cmd.Context(), store, args[0], role, asJSON)
			}
			m, err := store.Use(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return cli.WriteJSON(a.Std.Out, usedModel{m.ID, m.Dir, m.Languages})
			}
			return a.Say("%s is selected%s", m.ID, languageNote(m.Languages))
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	cmd.Flags().StringVar(&role, "role", "", "use it for one role only: fast or accurate (in the settings file)")
	a.serverFlags(cmd)
	return cmd
}

// useForRole makes an installed model that of a role, in the settings file.
func (a *app) useForRole(ctx context.Context, store *model.Store, id, name string, asJSON bool) error {
	role, err := recognize.ParseRole(name)
	if err != nil {
		return cli.Usage(err)
	}
	m, err := store.Resolve(ctx, id)
	if err != nil {
		return err
	}
	return a.changeSetting(ctx, settings.FromText("models."+string(role), m.ID), asJSON)
}

// useThere makes an installed model of another machine that of a role.
func (a *app) useThere(ctx context.Context, id, name string, asJSON bool) error {
	role, err := recognize.ParseRole(name)
	if err != nil {
		return cli.Usage(err)
	}
	return a.changeModelThere(ctx, id, "use", v1.UseModel{Role: string(role)}, asJSON, func(m *v1.Model) string {
		return m.ID + " is the " + string(role) + " model there" + languageNote(m.Languages)
	})
}

// languageNote returns a note for a model that knows only English.
func languageNote(languages []string) string {
	if model.EnglishOnly(languages) {
		return "; it knows English only"
	}
	return ""
}

func newModelsRemoveCommand(a *app) *cobra.Command {
	var force, asJSON bool
	cmd := &cobra.Command{
		Use:   "remove MODEL",
		Short: "Delete an installed model",
		Long: `Deletes an installed model, and what an interrupted download left of it. A model
that is in use is deleted only with --force. Another machine (--server) deletes
none that is in use.`,
		Example: `  scout models remove whisper-small
  scout models remove --force moonshine-tiny-en`,
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: a.completeModels(1, true),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.server != "" {
				if err := a.onlyHere(cmd, "force"); err != nil {
					return err
				}
				return a.removeThere(cmd.Context(), args, asJSON)
			}
			store, err := a.OpenModels()
			if err != nil {
				return err
			}
			return a.changeEach("removed", args, asJSON, func(id string) (any, string, error) {
				if force {
					return id, id + " is removed", store.Remove(cmd.Context(), id, true)
				}
				if !cmd.Flags().Changed("models-dir") { // the daemon's models are those of the settings
					if err := a.namedByJob(cmd.Context(), id); err != nil {
						return id, "", err
					}
				}
				if err := model.InUse(id, a.Settings.Naming(id)); err != nil {
					return id, "", err
				}
				return id, id + " is removed", store.Remove(cmd.Context(), id, false)
			})
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	cmd.Flags().BoolVar(&force, "force", false, "remove it even if it is in use")
	a.serverFlags(cmd)
	return cmd
}

func newModelsPathCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "path [MODEL]",
		Short: "Print the folder of models, or of one model",
		Long: `Prints the folder of installed models, or that of one of them. The folder is the
first of these:
  - the setting models.dir (--models-dir, $SCOUT_MODELS)
  - models/ in the data folder (--data-dir, $SCOUT_DATA)
  - var/models in the checkout in which scout was built
  - $XDG_DATA_HOME/scout/models (usually ~/.local/share/scout/models)

If scout was installed with "make install", it also reads
PREFIX/share/scout/models, which has models for all users.`,
		Example: `  scout models path
  ls "$(scout models path moonshine-tiny-en)"`,
		Args:              cli.WrongArgs(cobra.MaximumNArgs(1)),
		ValidArgsFunction: a.completeModels(1, true),
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

func newModelsVerifyCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify [MODEL…]",
		Short: "Compare every byte of models with their checksums",
		Long: `Reads every byte of these models, or of all that are installed. It compares
their files with the SHA-256 checksums of the catalogue or of the first
download, and their prepared graphs with those from when they were made. The
exit code is 1 if a model is damaged; the hint names the repair.`,
		Example: `  scout models verify
  scout models verify --json moonshine-tiny-en`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeModels(anyNumber, true),
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.server != "" {
				return a.verifyThere(cmd.Context(), args, asJSON)
			}
			store, err := a.OpenModels()
			if err != nil {
				return err
			}
			return a.verifyModels(cmd.Context(), store, args, asJSON)
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	a.serverFlags(cmd)
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
		report, err := a.Machine().Verify(ctx, store, id)
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
			if err := a.Say("%s is intact: %s, %s", id, spelling.Count(len(report.Files), "file"), sizeText(size)); err != nil {
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
