package main

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/cmd/internal/cli"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/settings"
)

func newSettingsSetCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "set NAME VALUE",
		Short: "Change a setting in the settings file",
		Long: `Checks the value and saves it in the settings file, which is made if there is
none. Comments and everything else in the file stay as they are.

If the daemon runs, settings of record and retention, daemon.idle, models.fast
and models.accurate take effect at once, and the command says if another one
needs a restart. A setting that a variable or a flag sets cannot be changed: the
file would have no effect.

You can also edit the file. The daemon uses it in the same way, and "scout
status" names the settings that need a restart.`,
		Example: `  scout settings set record.device USB
  scout settings set record.preroll 2s
  scout settings set log.level debug`,
		Args:              cli.WrongArgs(cobra.ExactArgs(2)),
		ValidArgsFunction: completeSettings,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeSetting(cmd.Context(), settings.FromText(args[0], args[1]), asJSON)
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func newSettingsUnsetCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "unset NAME",
		Short: "Remove a setting from the settings file",
		Long: `Removes a setting from the settings file, so that its default applies again.
Everything else in the file stays as it is.`,
		Example:           `  scout settings unset record.device`,
		Args:              cli.WrongArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: completeSettings,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeSetting(cmd.Context(), settings.Change{Name: args[0]}, asJSON)
		},
	}
	cli.JSONFlag(cmd, &asJSON)
	return cmd
}

func completeSettings(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return settings.Names(), cobra.ShellCompDirectiveNoFileComp
}

// changedSetting is the JSON of "scout settings set".
type changedSetting struct {
	File    string   `json:"file"`
	Name    string   `json:"name"`
	Value   any      `json:"value"`
	Origin  string   `json:"origin"`
	Restart []string `json:"restart_required"`
}

// changeSetting changes a setting: through the daemon if one with the same settings file runs, so that it takes effect there.
func (a *app) changeSetting(ctx context.Context, change settings.Change, asJSON bool) error {
	out := changedSetting{Name: change.Name, Restart: []string{}}
	now, running, err := a.changeThroughDaemon(ctx, change)
	if err != nil {
		return refusedSetting(err)
	}
	if running {
		group, name, _ := strings.Cut(change.Name, ".")
		out.File, out.Value, out.Origin, out.Restart = now.File, now.Values[group][name], now.Origin[change.Name], now.RestartRequired
	} else {
		saved, err := settings.Save(a.Settings.Sources(), []settings.Change{change}, nil)
		if err != nil {
			return refusedSetting(err)
		}
		out.File = saved.File
		for _, v := range saved.Values() {
			if v.Name == change.Name {
				out.Value, out.Origin = v.Value, string(v.Origin.Kind)
			}
		}
	}
	if asJSON {
		return cli.WriteJSON(a.Std.Out, out)
	}
	if slices.Contains(out.Restart, change.Name) {
		a.Notef("the daemon uses it when it is started again: scout serve restart\n")
	}
	if change.Value == nil {
		return a.Say("%s is not set in %s", change.Name, out.File)
	}
	return a.Say("%s = %v in %s", change.Name, out.Value, out.File)
}

// refusedSetting makes a name or a value that does not exist a wrong call, with its exit code.
func refusedSetting(err error) error {
	if scout.CodeOf(err) == scout.CodeConfigInvalid {
		return cli.Usage(err)
	}
	return err
}

// changeThroughDaemon reports running as false where no daemon with the same settings file runs.
func (a *app) changeThroughDaemon(ctx context.Context, change settings.Change) (now v1.Settings, running bool, err error) {
	c, err := a.connectRunning(ctx)
	if err != nil {
		if ctx.Err() == nil && scout.CodeOf(err) == scout.CodeDaemonUnreachable {
			return now, false, nil
		}
		return now, false, err
	}
	defer c.Close()
	if err := c.Get(ctx, "/settings", &now); err != nil {
		return now, false, err
	}
	mine, mineErr := os.Stat(a.Settings.File)
	other, otherErr := os.Stat(now.File)
	if now.File != a.Settings.File && (mineErr != nil || otherErr != nil || !os.SameFile(mine, other)) {
		return now, false, nil
	}
	group, name, found := strings.Cut(change.Name, ".")
	if !found {
		return now, false, nil // Save says what is wrong
	}
	patch := map[string]map[string]any{group: {name: change.Value}}
	err = c.Do(ctx, http.MethodPatch, "/settings", patch, &now)
	return now, true, err
}
