package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/settings"
)

// Log events.
const (
	EventSettingsChanged = "settings_changed" // by a client, or in the file
	eventSettingsRefused = "settings_refused" // the file is wrong
)

// current are the settings by which the daemon works. Some take effect as soon as they are changed, by a client or in the
// file; the others keep the value with which the daemon was started.
type current struct {
	started *settings.Loaded
	idle    func(time.Duration)   // told of daemon.idle
	roles   func(settings.Models) // told of the models that are chosen for a role
	changed func(names []string)  // told of settings that have other values now; it does not wait
	broken  func(err error)       // told once of a file that cannot be used

	mu    sync.Mutex       // held while the file is read, so that the newest is what stays
	saved *settings.Loaded // the newest that are valid
	err   error            // why the file as it is now cannot be used; nil if it can
}

func newCurrent(s *settings.Loaded) *current {
	return &current{started: s, saved: s, idle: func(time.Duration) {}, roles: func(settings.Models) {}, changed: func([]string) {}, broken: func(error) {}}
}

// atOnce reports whether a setting takes effect as soon as it is changed.
func atOnce(name string) bool {
	return strings.HasPrefix(name, "record.") || strings.HasPrefix(name, "retention.") || name == "daemon.idle" || roleOf(name) != ""
}

// roleOf is the role whose model a setting names; empty for other settings.
func roleOf(name string) recognize.Role {
	role, err := recognize.ParseRole(strings.TrimPrefix(name, "models."))
	if err != nil || !strings.HasPrefix(name, "models.") {
		return ""
	}
	return role
}

// read reads the file, the environment and the flags again, makes what they say take effect as far as that is possible
// without a restart, and returns the names of what has changed. If the file is wrong, the settings stay as they were, and
// the error says what is wrong.
func (c *current) read() (saved *settings.Loaded, names []string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	saved, err = settings.Load(c.started.Sources())
	if err != nil {
		if c.err == nil || c.err.Error() != err.Error() {
			c.broken(err)
		}
		c.err = err
		return c.saved, nil, err
	}
	names = differing(c.saved, saved)
	c.saved, c.err = saved, nil
	if len(names) > 0 {
		c.idle(saved.Daemon.Idle)
		c.roles(saved.Models)
	}
	return saved, names, nil
}

// latest are the settings as they are now, or the last valid ones and what is wrong with the file.
func (c *current) latest() (*settings.Loaded, error) {
	saved, names, err := c.read()
	if len(names) > 0 {
		c.changed(names)
	}
	return saved, err
}

// differing returns the names of the settings that have other values.
func differing(before, after *settings.Loaded) []string {
	names := []string{}
	old := before.Values()
	for i, v := range after.Values() {
		if v.Value != old[i].Value {
			names = append(names, v.Name)
		}
	}
	return names
}

// pending are the settings whose saved value takes effect after a restart.
func (c *current) pending(saved *settings.Loaded) []string {
	return slices.DeleteFunc(differing(c.started, saved), atOnce)
}

// retention is how long things are kept.
func (c *current) retention() settings.Retention {
	s, _ := c.latest() // a file that is wrong is reported where the settings are
	return s.Retention
}

// order is what is recorded where a client leaves things open.
func (c *current) order() recording.Order {
	s, _ := c.latest() // see above
	r := s.Record
	return recording.Order{Format: formatOf(s), Device: r.Device, OnLoss: r.OnLoss, Preroll: prerollOf(r.Preroll)}
}

// check reports a settings file that cannot be used, and settings that wait for a restart.
func (c *current) check() health.Check {
	return health.Check{Name: "settings", Probe: func(context.Context) health.Result {
		saved, err := c.latest()
		if err != nil {
			result := health.Failed(err)
			result.Status, result.Reason = health.Degraded, "the daemon works with the settings of before: "+result.Reason
			return result
		}
		result := health.Result{Status: health.Healthy}
		if names := c.pending(saved); len(names) > 0 {
			result.Metadata = map[string]string{"restart_required": strings.Join(names, " ")}
		}
		return result
	}}
}

// noteSettings logs changes of settings and writes them to the journal.
func (d *daemon) noteSettings(ctx context.Context, names []string) {
	d.log.Info(EventSettingsChanged, slog.String("names", strings.Join(names, " ")))
	saved, _ := d.current.latest() // they were read at this moment
	d.history.Note(ctx, "settings.changed", "", map[string]any{"names": names, "restart_required": d.current.pending(saved)})
	for _, name := range names {
		if role, id := roleOf(name), saved.Text(name); role != "" && id != "" {
			d.history.Note(ctx, eventModelSelected, "", map[string]any{"id": id, "role": role})
		}
	}
}

// noteBroken logs that the settings file cannot be used.
func (d *daemon) noteBroken(err error) {
	d.log.Warn(eventSettingsRefused, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
}

// settings are those of the file, the environment and the flags as they are now. If the file is wrong, they are the last
// that were valid, and Error says what is wrong.
func (d *daemon) settings() v1.Settings {
	saved, err := d.current.latest()
	out := d.settingsOf(saved)
	if err != nil {
		_, body := v1.ErrorOf(err)
		out.Error = &body.Error
	}
	return out
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
	_, err = settings.Save(d.options.Settings.Sources(), changes, func(now *settings.Loaded) error {
		return check(d.settingsOf(now))
	})
	if err != nil {
		return v1.Settings{}, locate(err)
	}
	saved, names, err := d.current.read()
	if err != nil {
		return v1.Settings{}, err // somebody changed it at this moment
	}
	if len(names) > 0 {
		d.noteSettings(d.living, names)
	}
	return d.settingsOf(saved), nil
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
