package daemon

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/freespace"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/installation"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/settings"
	"github.com/scout-speech/scout/internal/store"
)

// modelKeeper changes the models of the daemon's machine. It is an api.Models.
type modelKeeper struct {
	*daemon
	reserve func() int64 // what must stay free for the recorder
}

func (d *daemon) keepModels() modelKeeper { return modelKeeper{d, d.newReserve()} }

// installations returns what does the jobs that install models.
func (d *daemon) installations() *installation.Worker {
	return installation.New(installation.Options{
		Store: d.store, Scope: d.options.Scope,
		Pull: func(ctx context.Context, id string, options model.PullOptions) (model.Pulled, error) {
			models, err := d.models()
			if err != nil {
				return model.Pulled{}, err
			}
			return d.machine.Pull(ctx, models, id, options)
		},
	})
}

// pulls are the jobs that install models and have not ended, by the id of the model.
func (d *daemon) pulls(ctx context.Context) (map[string]string, error) {
	found := make(map[string]string)
	err := d.unended(ctx, job.KindModelPull, func(j *store.Job) { // one that is tried again may have no key any more
		var request installation.Request
		if json.Unmarshal(j.Options, &request) == nil {
			found[request.Model] = j.ID
		}
	})
	return found, err
}

// unended passes on the jobs of a kind that have not ended.
func (d *daemon) unended(ctx context.Context, kind string, visit func(*store.Job)) error {
	for _, state := range store.JobStates() {
		if state.Ended() {
			continue
		}
		filter, page := store.JobFilter{State: state, Kind: kind}, store.Page{Limit: 200}
		for {
			list, err := d.jobs.Jobs(ctx, filter, page)
			if err != nil {
				return err
			}
			for i := range list.Data {
				visit(&list.Data[i])
			}
			if page.Cursor = list.Next; page.Cursor == "" {
				break
			}
		}
	}
	return nil
}

// wanted refuses to take away a model that jobs name which have not ended: they would fail.
func (d *daemon) wanted(ctx context.Context, id string) error {
	var one string
	err := d.unended(ctx, job.KindTranscribe, func(j *store.Job) {
		if request, err := transcription.RequestOf(j); err == nil && request.Model == id {
			one = j.ID
		}
	})
	if err != nil || one == "" {
		return err
	}
	return scout.Errorf(scout.CodeModelInUse, "job %s, which has not ended, names model %s", one, id).
		WithHint("wait for it: scout jobs wait %s; or cancel it: scout jobs cancel %s", one, one)
}

// List implements api.Models.
func (k modelKeeper) List(ctx context.Context) ([]v1.Model, error) { return k.listModels(ctx) }

// Pullable implements api.Models.
func (k modelKeeper) Pullable(ctx context.Context, id, from string) (installed bool, err error) {
	if err := checkFrom(from); err != nil {
		return false, err
	}
	models, err := k.models()
	if err != nil {
		return false, err
	}
	present, found, bytes, err := models.Pullable(ctx, id)
	if err != nil {
		return false, err
	}
	if found && k.machine.CheckPrepared(present) == nil {
		return true, nil
	}
	return false, k.room(models.Dir(), bytes)
}

// checkFrom refuses a source that cannot be used from here. A relative path would be one of the daemon's working folder, which nobody sees.
func checkFrom(from string) error {
	bad := func(format string, args ...any) error {
		return &v1.InputError{Location: "body.from", Err: scout.Errorf(scout.CodeInvalidArgument, format, args...)}
	}
	scheme, _, isURL := strings.Cut(from, "://")
	switch {
	case from == "":
		return nil
	case isURL && scheme != "http" && scheme != "https":
		return bad("%s is no address of a mirror: want http or https", model.SourceLabel(from))
	case !isURL && !filepath.IsAbs(from):
		return bad("%s is no whole path on this machine", from)
	}
	if err := model.CheckSource(from); err != nil {
		return bad("%s", scout.Plain(err))
	}
	return nil
}

// room refuses a pull that would leave the recorder too little. What is pulled to another disk leaves it as much as before.
func (k modelKeeper) room(dir string, bytes int64) error {
	for !isFolder(dir) && dir != filepath.Dir(dir) { // the first pull makes it
		dir = filepath.Dir(dir)
	}
	reserve := func() int64 { return 0 }
	if shared, err := freespace.Shared(dir, k.recorder.Folder().Dir()); err == nil && shared {
		reserve = k.reserve
	}
	grant := freespace.NewBudget(dir, reserve).New()
	defer grant.Close() // the pull looks again, and takes it
	return grant.Room(bytes, bytes)
}

// Use implements api.Models.
func (k modelKeeper) Use(ctx context.Context, id, name string) error {
	role, err := recognize.ParseRole(name)
	if err != nil {
		return err
	}
	if all := k.options.Settings.Transcribe.Model; all != "" {
		return scout.Errorf(scout.CodeConflict, "the setting transcribe.model names model %s for everything", all).
			WithHint("take it back first: scout settings unset transcribe.model; then scout serve restart")
	}
	models, err := k.models()
	if err != nil {
		return err
	}
	if _, err := models.Resolve(ctx, id); err != nil {
		return err
	}
	_, err = k.changeSettings(ctx, map[string]any{"models": map[string]any{string(role): id}}, func(v1.Settings) error { return nil })
	return err
}

// Load implements api.Models.
func (k modelKeeper) Load(ctx context.Context, id string) error { return k.engines.Load(ctx, id) }

// Unload implements api.Models.
func (k modelKeeper) Unload(_ context.Context, id string) error { return k.engines.Unload(id) }

// Verify implements api.Models.
func (k modelKeeper) Verify(ctx context.Context, id string) (problem string, err error) {
	models, err := k.models()
	if err != nil {
		return "", err
	}
	if _, err = k.machine.Verify(ctx, models, id); scout.CodeOf(err) == scout.CodeModelCorrupt {
		return scout.Plain(err), nil
	}
	return "", err
}

// Remove implements api.Models.
func (k modelKeeper) Remove(ctx context.Context, id string) error {
	pulls, err := k.pulls(ctx)
	if err != nil {
		return err
	}
	if j := pulls[id]; j != "" {
		return scout.Errorf(scout.CodeModelInUse, "job %s installs model %s", j, id).WithHint("cancel it first: scout jobs cancel %s", j)
	}
	if err := k.wanted(ctx, id); err != nil {
		return err
	}
	saved, _ := k.current.latest() // a file that is wrong is reported where the settings are
	for _, s := range []*settings.Loaded{saved, k.options.Settings} {
		if name := s.Naming(id); name != "" && (s == saved || !atOnce(name)) {
			return model.InUse(id, name)
		}
	}
	models, err := k.models()
	if err != nil {
		return err
	}
	return k.engines.Remove(ctx, id, func() error {
		err := models.Remove(ctx, id, false)
		if scout.CodeOf(err) == scout.CodeModelDownload { // another program has its lock
			return scout.Errorf(scout.CodeModelInUse, "%w", err).WithHint("%s", scout.HintOf(err))
		}
		return err
	})
}
