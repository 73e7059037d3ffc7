package cli

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/settings"
)

// ConfigFlag names the settings file.
const ConfigFlag = "config"

// settingKey is the annotation with which a flag names its setting.
const settingKey = "setting"

// BindSettings records which flags set which settings. Once a command runs, such a flag has the value of its setting.
func BindSettings(flags *pflag.FlagSet, settingOf map[string]string) {
	for name, setting := range settingOf {
		flag := flags.Lookup(name)
		if flag.Annotations == nil {
			flag.Annotations = map[string][]string{}
		}
		flag.Annotations[settingKey] = []string{setting}
	}
}

// bindShared adds the flags that every command has.
func bindShared(cmd *cobra.Command) {
	flags, preset := cmd.PersistentFlags(), settings.Default()
	flags.String(ConfigFlag, "", "settings file ($SCOUT_CONFIG; default: scout/settings.toml in the user's configuration folder)")
	flags.String("data-dir", preset.Data.Dir, "folder of everything that Scout keeps ($SCOUT_DATA; default: scout in the user's data folder)")
	flags.String("models-dir", preset.Models.Dir, "folder of installed models ($SCOUT_MODELS; default: models in the data folder; see scout models path --help)")
	flags.String("recordings-dir", preset.Recordings.Dir, "folder of recordings ($SCOUT_RECORDINGS; default: recordings in the data folder)")
	flags.String("log-level", preset.Log.Level, "debug, info, warn or error ($SCOUT_LOG_LEVEL; default: info with --log-file, else no log)")
	flags.String("log-format", preset.Log.Format, "text or json ($SCOUT_LOG_FORMAT)")
	flags.String("log-file", preset.Log.File, "append the log to this file, with rotation, instead of stderr ($SCOUT_LOG_FILE)")
	flags.String("trace-endpoint", preset.Trace.Endpoint, "send OpenTelemetry traces to this OTLP/HTTP address ($SCOUT_TRACE_ENDPOINT)")
	BindSettings(flags, map[string]string{
		"data-dir": "data.dir", "models-dir": "models.dir", "recordings-dir": "recordings.dir", "log-level": "log.level",
		"log-format": "log.format", "log-file": "log.file", "trace-endpoint": "trace.endpoint",
	})
}

// LoadSettings reads the settings and passes them to the flags of cmd. If one is wrong, only commands that explain run.
func (a *App) LoadSettings(cmd *cobra.Command) error {
	sources := settings.Sources{Environment: os.Environ()}
	if folder, err := settings.ProgramFolder(); err == nil {
		sources.Program = folder
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		switch setting := f.Annotations[settingKey]; {
		case !f.Changed:
		case f.Name == ConfigFlag:
			sources.File = f.Value.String()
		case len(setting) > 0:
			sources.Flags = append(sources.Flags, settings.Flag{Setting: setting[0], Name: "--" + f.Name, Value: f.Value.String()})
		}
	})
	loaded, err := settings.Load(sources)
	a.Settings = loaded
	if err != nil {
		if a.WrongSettings = Usage(err); !onlyExplains(cmd) || flagIsWrong(err) {
			return a.WrongSettings
		}
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if setting := f.Annotations[settingKey]; len(setting) > 0 && err == nil {
			err = f.Value.Set(loaded.Text(setting[0]))
		}
	})
	if a.WrongSettings != nil {
		return nil //nolint:nilerr // reported when the command runs; help, version and settings work anyway
	}
	return err
}

// SureOfRecordings reports whether no wrong setting could mean another folder of recordings.
func (a *App) SureOfRecordings() bool {
	var invalid *settings.InvalidError
	if a.WrongSettings == nil {
		return true
	}
	if kind := a.Settings.Origin("recordings.dir").Kind; kind == settings.FromFlag {
		return true
	}
	harmless := func(name string) bool { // it names something else
		group, _, _ := strings.Cut(name, ".")
		return group != "" && group != "recordings" && group != "data"
	}
	return errors.As(a.WrongSettings, &invalid) && !slices.ContainsFunc(invalid.Problems, func(p settings.Problem) bool {
		return !harmless(p.Setting) && !harmless(p.Meant)
	})
}

// flagIsWrong reports whether the command line itself has a wrong value.
func flagIsWrong(err error) bool {
	var invalid *settings.InvalidError
	return errors.As(err, &invalid) && slices.ContainsFunc(invalid.Problems, func(p settings.Problem) bool { return p.Origin.Kind == settings.FromFlag })
}

// Explains marks a command that runs even if a setting is wrong.
func Explains(cmd *cobra.Command) {
	if cmd.Annotations == nil {
		cmd.Annotations = map[string]string{}
	}
	cmd.Annotations[settingKey] = "explains"
}

// onlyExplains reports whether a command must run even if a setting is wrong: it uses no setting, or it helps to
// correct it.
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

// CheckNamedFolder refuses a folder that a flag names and that does not exist: an empty answer about a misspelt folder
// would look true. A folder from the settings file, the environment or the defaults is created when it is first needed.
//
//	setting  models.dir or recordings.dir; dir is its value, below that of data.dir where it is not set
func (a *App) CheckNamedFolder(setting, dir string) error {
	origin := a.Settings.Origin(setting)
	if origin.Kind == settings.FromDefault {
		origin, dir = a.Settings.Origin("data.dir"), a.Settings.Data.Dir
	}
	if origin.Kind != settings.FromFlag {
		return nil
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil // opening it tells what else is wrong
	}
	return Usage(scout.Errorf(scout.CodeFileNotFound, "%s does not exist", dir).WithHint("correct %s, or leave it out", origin))
}
