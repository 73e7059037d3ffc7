package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/printable"
	"github.com/scout-speech/scout/internal/settings"
	"github.com/scout-speech/scout/internal/spelling"
)

// configFlag names the settings file.
const configFlag = "config"

// settingKey is under which a flag notes which setting it is for.
const settingKey = "setting"

// sets notes which flags are for which settings. Such a flag has the value of its setting once a command runs.
func sets(flags *pflag.FlagSet, settingOf map[string]string) {
	for name, setting := range settingOf {
		flag := flags.Lookup(name)
		if flag.Annotations == nil {
			flag.Annotations = map[string][]string{}
		}
		flag.Annotations[settingKey] = []string{setting}
	}
}

// bindSettings adds the flags that every command has.
func bindSettings(cmd *cobra.Command) {
	flags, preset := cmd.PersistentFlags(), settings.Default()
	flags.String(configFlag, "", "settings file ($SCOUT_CONFIG; default: scout/settings.toml in the user's configuration folder)")
	flags.String("data-dir", preset.Data.Dir, "folder of everything that Scout keeps ($SCOUT_DATA; default: scout in the user's data folder)")
	flags.String("models-dir", preset.Models.Dir, "folder of installed models ($SCOUT_MODELS; default: models in the data folder; see scout models path --help)")
	flags.String("recordings-dir", preset.Recordings.Dir, "folder of recordings ($SCOUT_RECORDINGS; default: recordings in the data folder)")
	flags.String("log-level", preset.Log.Level, "debug, info, warn or error ($SCOUT_LOG_LEVEL; default: info with --log-file, else no log)")
	flags.String("log-format", preset.Log.Format, "text or json ($SCOUT_LOG_FORMAT)")
	flags.String("log-file", preset.Log.File, "append the log to this file, with rotation, instead of stderr ($SCOUT_LOG_FILE)")
	flags.String("trace-endpoint", preset.Trace.Endpoint, "send OpenTelemetry traces to this OTLP/HTTP address ($SCOUT_TRACE_ENDPOINT)")
	sets(flags, map[string]string{
		"data-dir": "data.dir", "models-dir": "models.dir", "recordings-dir": "recordings.dir", "log-level": "log.level",
		"log-format": "log.format", "log-file": "log.file", "trace-endpoint": "trace.endpoint",
	})
}

// loadSettings reads the settings and gives them to the flags of cmd. Where one is wrong no command runs but those
// that only explain.
func (a *app) loadSettings(cmd *cobra.Command) error {
	sources := settings.Sources{Environment: os.Environ()}
	if folder, err := settings.ProgramFolder(); err == nil {
		sources.Program = folder
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		switch setting := f.Annotations[settingKey]; {
		case !f.Changed:
		case f.Name == configFlag:
			sources.File = f.Value.String()
		case len(setting) > 0:
			sources.Flags = append(sources.Flags, settings.Flag{Setting: setting[0], Name: "--" + f.Name, Value: f.Value.String()})
		}
	})
	loaded, err := settings.Load(sources)
	a.settings = loaded
	if err != nil {
		if a.wrongSettings = usage(err); !onlyExplains(cmd) || flagIsWrong(err) {
			return a.wrongSettings
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if setting := f.Annotations[settingKey]; len(setting) > 0 && err == nil {
			err = f.Value.Set(loaded.Text(setting[0]))
		}
	})
	if a.wrongSettings != nil {
		return nil //nolint:nilerr // told when the command runs: help, version and settings work all the same
	}
	return err
}

// sureOfRecordings is true where nothing that is wrong can mean another folder of recordings.
func (a *app) sureOfRecordings() bool {
	var invalid *settings.InvalidError
	if a.wrongSettings == nil {
		return true
	}
	if kind := a.settings.Origin("recordings.dir").Kind; kind == settings.FromFlag {
		return true
	}
	return errors.As(a.wrongSettings, &invalid) && !slices.ContainsFunc(invalid.Problems, func(p settings.Problem) bool {
		return p.Setting == "" || p.Setting == "recordings.dir" || p.Setting == "data.dir"
	})
}

// flagIsWrong is true where the command line itself has a wrong value.
func flagIsWrong(err error) bool {
	var invalid *settings.InvalidError
	return errors.As(err, &invalid) && slices.ContainsFunc(invalid.Problems, func(p settings.Problem) bool { return p.Origin.Kind == settings.FromFlag })
}

// onlyExplains is true for commands that must run although a setting is wrong: they do not act on any, or they are
// what helps.
func onlyExplains(cmd *cobra.Command) bool {
	if !cmd.HasParent() || cmd.Annotations[settingKey] != "" {
		return true
	}
	for c := cmd; c != nil; c = c.Parent() {
		if slices.Contains([]string{"help", "version", "manual", "completion", cobra.ShellCompRequestCmd, cobra.ShellCompNoDescRequestCmd}, c.Name()) {
			return true
		}
	}
	return false
}

func newSettingsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "settings",
		Short: "Show and check what is set",
		Long: `A setting has a name such as log.level. It comes, with rising weight, from its default, from the settings file
(a line level = "debug" below a line [log]), from the environment (SCOUT_LOG__LEVEL), or from a flag (--log-level).
Some variables have an older name besides, such as SCOUT_LOG_LEVEL. All are listed in docs/formats/settings.md.`,
		Example: `  scout settings show
  scout settings check`,
		Args: wrongArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	show, path, check := newSettingsShowCommand(a), newSettingsPathCommand(a), newSettingsCheckCommand(a)
	for _, c := range []*cobra.Command{cmd, show, path, check} {
		c.Annotations = map[string]string{settingKey: "explains"}
	}
	cmd.AddCommand(show, path, check)
	return cmd
}

func newSettingsShowCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [NAME…]",
		Short: "Print settings, their values and where they come from",
		Long: `Prints all settings, or those of the names or groups that are given. In parentheses stands what holds where nothing is
set. Secrets are hidden. A setting that is wrong is left out of the values, named on standard error, and the exit code is 2.`,
		Example: `  scout settings show
  scout settings show log models.dir
  scout settings show --json | jq -r '.settings[] | select(.origin.kind != "default") | .name'`,
		RunE: func(_ *cobra.Command, args []string) error {
			values, err := chosen(a.settings.Values(), args)
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(a.std.out, struct {
					File     string           `json:"file"`
					Found    bool             `json:"file_found"`
					Settings []settings.Value `json:"settings"`
				}{a.settings.File, a.settings.FileFound, values})
			} else {
				err = writeTable(a.std.out, settingRows(values))
			}
			if err != nil {
				return err
			}
			return a.tellWrongSettings()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// chosen are the settings of those names and groups; all where none are given.
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
		return nil, misuse(hint, "there is no setting %s", name)
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
		Short: "Print where the settings file is",
		Long: `Prints the settings file, whether there is one or not: --config or $SCOUT_CONFIG, else
$XDG_CONFIG_HOME/scout/settings.toml (~/.config/scout/settings.toml).`,
		Example: `  $EDITOR "$(scout settings path)"`,
		Args:    wrongArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if a.settings.File == "" {
				return scout.Errorf(scout.CodeConfigInvalid, "$HOME is not set, so there is no settings file").WithHint("name one with --config or $SCOUT_CONFIG")
			}
			return a.say("%s", a.settings.File)
		},
	}
}

func newSettingsCheckCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Check the settings file and the environment",
		Long: `Reads all settings and prints a line for everything that is wrong, on standard error.

Exit codes: 0 all is well, 2 something is wrong.`,
		Example: `  scout settings check
  scout settings check --config new.toml`,
		Args: wrongArgs(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			if err := a.tellWrongSettings(); err != nil {
				return err
			}
			if !a.settings.FileFound {
				return a.say("all settings are well; there is no file %s", a.settings.File)
			}
			return a.say("all settings are well; %s was read", a.settings.File)
		},
	}
}

// tellWrongSettings writes a line for each setting that is wrong, and returns their error, which is told with that.
func (a *app) tellWrongSettings() error {
	var invalid *settings.InvalidError
	if !errors.As(a.wrongSettings, &invalid) {
		return a.wrongSettings
	}
	for _, problem := range invalid.Problems {
		line := problem.String()
		if problem.Hint != "" {
			line += "; " + problem.Hint
		}
		a.notef("scout: %s\n", printable.Line(line))
	}
	_ = a.failures.Count(a.wrongSettings) // it returns its argument
	return &reportedError{a.wrongSettings}
}
