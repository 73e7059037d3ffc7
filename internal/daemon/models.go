package daemon

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
)

// eventModelsNotWatched is logged where nobody tells when a model is installed or removed. Requests find it nevertheless.
const eventModelsNotWatched = "models_not_watched"

// eventModelSelected is the event for a model that was chosen, for everything or for a role.
const eventModelSelected = "model.selected"

// models opens the folders of models.
func (d *daemon) models() (*model.Store, error) {
	dir, shared, err := d.options.Settings.ModelsDir()
	if err != nil {
		return nil, err
	}
	return model.Open(dir, d.options.Scope, model.WithShared(shared...))
}

// listModels tells which models there are, what they are used for, and which are loaded.
func (d *daemon) listModels(ctx context.Context) ([]v1.Model, error) {
	models, err := d.models()
	if err != nil {
		return nil, err
	}
	known, err := models.List()
	if err != nil {
		return nil, err
	}
	used, roles := map[recognize.Role]string{}, d.engines.Roles()
	for _, role := range []recognize.Role{recognize.Fast, recognize.Accurate} {
		if used[role] = d.options.Settings.Transcribe.Model; used[role] == "" {
			if used[role], err = roles.Pick(models, role); err != nil {
				return nil, err
			}
		}
	}
	open := make(map[string]recognize.Model)
	for _, m := range d.engines.Open() {
		open[m.ID] = m
	}
	pulls, _ := d.pulls(ctx) // without a store no job installs anything
	list := make([]v1.Model, len(known))
	for i := range known {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		k := &known[i]
		m := v1.Model{
			ID: k.ID, Name: k.Name, Family: string(k.Family), Backend: k.Backend, Languages: append([]string{}, k.Languages...), Licence: k.Licence, SizeBytes: k.SizeBytes, SizeExact: k.SizeExact,
			State: v1.ModelAvailable, Default: k.Default, Roles: []string{}, Tested: k.Tested, Own: k.Own, Problem: k.Problem,
		}
		m.JobID = pulls[k.ID]
		switch {
		case (!k.Installed || k.Problem != "") && (m.JobID != "" || models.Changing(k.ID)): // a command may pull it, too
			m.State = v1.ModelPulling
		case k.Problem != "":
			m.State = v1.ModelCorrupt
		case k.Installed:
			m.State = v1.ModelInstalled
		}
		for _, role := range []recognize.Role{recognize.Fast, recognize.Accurate} {
			if used[role] == k.ID || used[role] == "" && k.Selected {
				m.Roles = append(m.Roles, string(role))
			}
		}
		if k.Figures != nil {
			m.Measured = &v1.ModelMeasured{Speed: k.Figures.Speed, WER: k.Figures.WER, Memory: k.Figures.MemoryBytes}
		}
		if o, is := open[k.ID]; is {
			m.Backend, m.LastUsedAt = o.Backend, v1.TimeOf(o.LastGood)
			if o.Running {
				m.Loaded, m.Memory = true, o.ResidentBytes
			}
		}
		list[i] = m
	}
	return list, nil
}

// watchModels writes into the journal which models are installed, removed and selected while the daemon runs, by whichever program.
func (d *daemon) watchModels(ctx context.Context) error {
	dir, shared, err := d.options.Settings.ModelsDir()
	if err != nil {
		return nil //nolint:nilerr // the check of the models says it
	}
	known := &knownModels{note: func(kind, id string) { d.history.Note(ctx, kind, "", map[string]any{"id": id}) }}
	var wait sync.WaitGroup
	for _, folder := range append([]string{dir}, shared...) {
		wait.Go(func() { // ended by ctx
			err := watchFolder(ctx, folder, model.ValidID, func() {
				known.look(d.models)
				d.engines.Wake()
			})
			if err != nil {
				d.log.Warn(eventModelsNotWatched, slog.String(observe.KeyError, err.Error()))
			}
		})
	}
	wait.Wait()
	return nil
}

// knownModels are the models that were there when somebody looked last.
type knownModels struct {
	note func(kind, id string)

	mu        sync.Mutex
	looked    bool
	installed map[string]bool
	selected  string
}

// look compares the models with those that were there the last time, and notes the differences. The first time it only looks. If
// the models cannot be listed, nothing is known to have changed.
func (k *knownModels) look(open func() (*model.Store, error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	store, err := open()
	if err != nil {
		return
	}
	list, err := store.List()
	if err != nil {
		return
	}
	before, selectedBefore, looked := k.installed, k.selected, k.looked
	k.installed, k.selected, k.looked = make(map[string]bool), "", true
	for i := range list {
		if m := &list[i]; m.Installed && m.Problem == "" {
			k.installed[m.ID] = true
		}
		if list[i].Selected {
			k.selected = list[i].ID
		}
	}
	if !looked {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(k.installed)) {
		if !before[id] {
			k.note("model.installed", id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if !k.installed[id] {
			k.note("model.removed", id)
		}
	}
	if k.selected != selectedBefore && k.selected != "" {
		k.note(eventModelSelected, k.selected)
	}
}
