package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/settings"
)

// EventSettingsChanged is logged, and written to the journal, when a client changed settings.
const EventSettingsChanged = "settings_changed"

// current are the settings by which the daemon works. Some take effect as soon as they are changed; the others keep the value with which
// the daemon was started.
type current struct {
	mu      sync.Mutex
	started *settings.Loaded
	record  settings.Record
	daemon  settings.Daemon
	keep    settings.Retention
}

func newCurrent(s *settings.Loaded) *current {
	return &current{started: s, record: s.Record, daemon: s.Daemon, keep: s.Retention}
}

// retention is how long things are kept.
func (c *current) retention() settings.Retention {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.keep
}

// order is what is recorded where a client leaves things open.
func (c *current) order() recording.Order {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.record
	s := settings.Loaded{Settings: settings.Settings{Record: r}}
	return recording.Order{Format: formatOf(&s), Device: r.Device, OnLoss: r.OnLoss, Preroll: prerollOf(r.Preroll)}
}

// apply makes what was saved take effect, as far as that is possible without a restart.
func (c *current) apply(saved *settings.Loaded, a *activity) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record, c.daemon, c.keep = saved.Record, saved.Daemon, saved.Retention
	a.setAfter(saved.Daemon.Idle)
}

// pending are the settings whose saved value takes effect after a restart.
func (c *current) pending(saved *settings.Loaded) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	running := *c.started
	running.Record, running.Daemon, running.Retention = c.record, c.daemon, c.keep
	names := []string{}
	before := running.Values()
	for i, v := range saved.Values() {
		if v.Value != before[i].Value {
			names = append(names, v.Name)
		}
	}
	return names
}

// settings are those of the file, the environment and the flags as they are now. A file that is wrong meanwhile changes nothing: then they
// are those with which the daemon was started.
func (d *daemon) settings() v1.Settings {
	saved, err := settings.Load(d.options.Settings.Sources())
	if err != nil {
		saved = d.options.Settings
	}
	return d.settingsOf(saved)
}

// settingsOf are settings as they travel, without secrets.
func (d *daemon) settingsOf(s *settings.Loaded) v1.Settings {
	out := v1.Settings{File: s.File, Values: map[string]map[string]any{}, Origin: map[string]string{}, From: map[string]string{}, RestartRequired: d.current.pending(s)}
	for _, v := range s.Values() {
		group, name, _ := strings.Cut(v.Name, ".")
		if out.Values[group] == nil {
			out.Values[group] = map[string]any{}
		}
		out.Values[group][name] = v.Value
		kind := string(v.Origin.Kind)
		if v.Origin.Kind == settings.FromEnvironment {
			kind = "env"
		}
		out.Origin[v.Name] = kind
		if v.Origin.Kind != settings.FromDefault {
			out.From[v.Name] = v.Origin.String()
		}
	}
	return out
}

// changeSettings saves changes and makes them take effect. check is called with the settings before the change, while nobody else
// saves.
func (d *daemon) changeSettings(_ context.Context, patch map[string]any, check func(v1.Settings) error) (v1.Settings, error) {
	changes, err := changesOf(patch)
	if err != nil {
		return v1.Settings{}, err
	}
	var before *settings.Loaded
	saved, err := settings.Save(d.options.Settings.Sources(), changes, func(now *settings.Loaded) error {
		before = now
		return check(d.settingsOf(now))
	})
	if err != nil {
		return v1.Settings{}, locate(err)
	}
	d.current.apply(saved, d.activity)
	out := d.settingsOf(saved)
	var names []string
	old := before.Values()
	for i, v := range saved.Values() {
		if v.Value != old[i].Value {
			names = append(names, v.Name)
		}
	}
	if len(names) > 0 {
		d.log.Info(EventSettingsChanged, slog.String("names", strings.Join(names, " ")))
		d.history.Note(d.living, "settings.changed", "", map[string]any{"names": names, "restart_required": out.RestartRequired})
	}
	return out, nil
}

// changesOf are the changes of a merge patch: an object for each group, with a value for each setting. null takes a setting, or all of a
// group, out of the file.
func changesOf(patch map[string]any) ([]settings.Change, error) {
	var changes []settings.Change
	all := settings.Names()
	for group, value := range patch {
		members, is := value.(map[string]any)
		known := slices.ContainsFunc(all, func(name string) bool { return strings.HasPrefix(name, group+".") })
		switch {
		case !known:
			return nil, badSetting(group, "there is no group of settings %s", group)
		case value == nil:
			for _, name := range all {
				if strings.HasPrefix(name, group+".") {
					changes = append(changes, settings.Change{Name: name})
				}
			}
		case !is:
			return nil, badSetting(group, "%s is a group of settings: want an object", group)
		}
		for name, value := range members {
			changes = append(changes, settings.Change{Name: group + "." + name, Value: value})
		}
	}
	slices.SortFunc(changes, func(a, b settings.Change) int { return slices.Index(all, a.Name) - slices.Index(all, b.Name) })
	return changes, nil
}

func badSetting(name, format string, args ...any) error {
	return &v1.InputError{Location: "body." + name, Err: scout.Errorf(scout.CodeConfigInvalid, format, args...).WithHint("all settings: scout settings show")}
}

// locate says where in a request the setting stands that cannot be changed.
func locate(err error) error {
	var bad *settings.ChangeError
	if errors.As(err, &bad) {
		return &v1.InputError{Location: "body." + bad.Name, Err: bad.Err}
	}
	return err
}
