package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/settings"
	"github.com/scout-speech/scout/internal/spelling"
)

func newSettingsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Show, check and change settings",
		Long: `A setting has a name, such as log.level. You can set it in three places:
  - the settings file: level = "debug" below a line [log]
  - the environment: SCOUT_LOG__LEVEL=debug
  - a flag, where a command has one: --log-level debug

A flag overrides the environment, and both override the file. Some variables
have a second, older name, such as SCOUT_LOG_LEVEL. docs/formats/settings.md
lists all settings.`,
		Example: `  scout settings show
  scout settings set record.device USB
  scout settings check`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	show, path, check := newSettingsShowCommand(a), newSettingsPathCommand(a), newSettingsCheckCommand(a)
	for _, c := range []*cobra.Command{cmd, show, path, check} {
		cli.Explains(c)
	}
	cmd.AddCommand(show, path, check, newSettingsSetCommand(a), newSettingsUnsetCommand(a))
	return cmd
}

func newSettingsShowCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [NAME…]",
		Short: "Print settings, their values and where they come from",
		Long: `Prints all settings, or those with these names or in these groups. If a setting
has no value, the table shows in parentheses what Scout uses instead. Secrets
are hidden.

If a setting is wrong, it is named on standard error, and the exit code is 2.`,
		Example: `  scout settings show
  scout settings show log models.dir
  scout settings show --json | jq -r '.settings[] | select(.origin.kind != "default") | .name'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.completeSettings(),
		RunE: func(_ *cobra.Command, args []string) error {
			values, err := chosen(a.Settings.Values(), args)
			if err != nil {
				return err
			}
			if asJSON {
				err = cli.WriteJSON(a.Std.Out, struct {
					File     string           `json:"file"`
					Found    bool             `json:"file_found"`
					Settings []settings.Value `json:"settings"`
				}{a.Settings.File, a.Settings.FileFound, values})
			} else {
				err = writeTable(a.Std.Out, settingRows(values))
			}
			if err != nil {
				return err
			}
			return a.tellWrongSettings()
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// chosen returns the settings with these names or in these groups; all if none are given.
func chosen(values []settings.Value, names []string) ([]settings.Value, error) {
	if len(names) == 0 {
		return values, nil
	}
	var found []settings.Value
	var known []string
	for _, v := range values {
		group, _, _ := strings.Cut(v.Name, ".")
		known = append(known, v.Name, group)
		if slices.Contains(names, v.Name) || slices.Contains(names, group) {
			found = append(found, v)
		}
	}
	for _, name := range names {
		if slices.Contains(known, name) {
			continue
		}
		hint := "all settings: scout settings show"
		if meant := spelling.Closest(name, known); meant != "" {
			hint = fmt.Sprintf("did you mean %s? All settings: scout settings show", meant)
		}
		return nil, cli.Misuse(hint, "there is no setting %s", name)
	}
	return found, nil
}

func settingRows(values []settings.Value) [][]string {
	rows := [][]string{{"NAME", "VALUE", "FROM", "WHAT IT IS"}}
	for _, v := range values {
		value := fmt.Sprint(v.Value)
		if value == "" {
			value = "(" + v.Unset + ")"
		}
		rows = append(rows, []string{v.Name, value, v.Origin.String(), v.About})
	}
	return rows
}

func newSettingsPathCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "path",
		Short: "Print the path of the settings file",
		Long: `Prints the path of the settings file, whether the file exists or not. It is what
--config or $SCOUT_CONFIG names, otherwise $XDG_CONFIG_HOME/scout/settings.toml
(usually ~/.config/scout/settings.toml).`,
		Example: `  $EDITOR "$(scout settings path)"`,
		Args:    cli.WrongArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if a.Settings.File == "" {
				return scout.Errorf(scout.CodeConfigInvalid, "$HOME is not set, so there is no settings file").WithHint("name one with --config or $SCOUT_CONFIG")
			}
			return a.Say("%s", a.Settings.File)
		},
	}
}

// checkedSettings is the outcome of a check, in JSON.
type checkedSettings struct {
	Valid    bool           `json:"valid"`
	File     string         `json:"file"`
	Found    bool           `json:"file_found"`
	Problems []wrongSetting `json:"problems"`
}

// wrongSetting is one thing that is wrong with the settings, in JSON.
type wrongSetting struct {
	Setting string `json:"setting,omitempty"`
	From    string `json:"from,omitempty"`
	failure
}

func newSettingsCheckCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the settings file and the environment",
		Long: `Reads all settings, and prints a line on standard error for each that is wrong.

Exit codes: 0 all settings are valid, 2 something is wrong.`,
		Example: `  scout settings check
  scout settings check --config new.toml`,
		Args: cli.WrongArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			wrong := a.tellWrongSettings()
			switch {
			case asJSON:
				checked := checkedSettings{wrong == nil, a.Settings.File, a.Settings.FileFound, a.wrongSettings()}
				return errors.Join(cli.WriteJSON(a.Std.Out, checked), wrong)
			case wrong != nil:
				return wrong
			case a.Settings.FileFound:
				return a.Say("all settings are valid; %s was read", a.Settings.File)
			case a.Settings.File == "":
				return a.Say("all settings are valid; there is no settings file, since $HOME is not set")
			}
			return a.Say("all settings are valid; there is no file %s", a.Settings.File)
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

// wrongSettings returns what is wrong with the settings, for JSON.
func (a *app) wrongSettings() []wrongSetting {
	all := []wrongSetting{}
	var invalid *settings.InvalidError
	if !errors.As(a.WrongSettings, &invalid) {
		return all
	}
	for _, p := range invalid.Problems {
		all = append(all, wrongSetting{p.Setting, p.Origin.String(), failure{scout.CodeConfigInvalid, p.Text, p.Hint}})
	}
	return all
}

// tellWrongSettings prints a line for each wrong setting, and returns an error that counts as reported.
func (a *app) tellWrongSettings() error {
	var invalid *settings.InvalidError
	if !errors.As(a.WrongSettings, &invalid) {
		return a.WrongSettings
	}
	for _, problem := range invalid.Problems {
		line := problem.String()
		if problem.Hint != "" {
			line += "; " + problem.Hint
		}
		a.Notef("scout: %s\n", printable.Line(line))
	}
	_ = a.Failures.Count(a.WrongSettings) // it returns its argument
	return cli.Reported(a.WrongSettings)
}
