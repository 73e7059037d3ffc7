package recognize

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/model/prepare"
	"github.com/scout-speech/scout/internal/model/prepare/whisper"
	"github.com/scout-speech/scout/internal/observe"
)

// PreparedFolder is the folder of a model's prepared graphs, inside the model's own folder.
const PreparedFolder = "prepared"

// graphs are the prepared graphs of an installed model, whatever its family.
type graphs struct {
	backend string // what runs them
	// required says that nothing else runs the model. The published files of Moonshine run without their prepared graphs,
	// but slower.
	required bool
	// ensure makes the graphs unless they are there, and returns their paths by role.
	ensure func(context.Context) (files map[string]string, made bool, err error)
	// prepare makes them in any case.
	prepare func(context.Context) error
	// check reads all of them, sizes looks at names and sizes.
	check, sizes func() error
	record       func() (prepare.Record, error)
}

// graphs returns the prepared graphs of a model, which lie in dir, and false for a model that has none.
func (m *Machine) graphs(installed model.Installed, dir string) (graphs, bool) {
	folder := filepath.Join(dir, PreparedFolder)
	switch {
	case installed.Family == model.Moonshine:
		return m.moonshine(installed, folder), true
	case installed.Family == model.Whisper && installed.Files[model.RoleWeights] != "":
		return m.whisper(installed, folder), true
	}
	return graphs{}, false
}

func (m *Machine) moonshine(installed model.Installed, folder string) graphs {
	source := prepare.Source{Encoder: installed.Files[model.RoleEncoder], Decoder: installed.Files[model.RoleMergedDecoder]}
	options := prepare.Options{Variant: m.Processor.Variant()}
	return graphs{
		backend: BackendMoonshine,
		ensure: func(ctx context.Context) (map[string]string, bool, error) {
			result, made, err := prepare.Ensure(ctx, source, folder, options)
			return map[string]string{"prepared_encoder": result.Encoder, "prepared_decoder": result.Decoder}, made, err
		},
		prepare: func(ctx context.Context) error {
			_, err := prepare.Prepare(ctx, source, folder, options)
			return err
		},
		check: func() error { return prepare.Check(folder, source, options) },
		sizes: func() error { return prepare.CheckSizes(folder, source, options) },
		record: func() (prepare.Record, error) {
			manifest, err := prepare.ReadManifest(folder)
			return manifest.Record, err
		},
	}
}

func (m *Machine) whisper(installed model.Installed, folder string) graphs {
	source := whisper.Source{Dir: filepath.Dir(installed.Files[model.RoleWeights])}
	options := whisper.Options{Variant: m.Processor.Variant()}
	return graphs{
		backend: BackendWhisper, required: true,
		ensure: func(ctx context.Context) (map[string]string, bool, error) {
			result, made, err := whisper.Ensure(ctx, source, folder, options)
			return map[string]string{
				"prepared_mel": result.Mel, "prepared_encoder": result.Encoder, "prepared_decoder": result.Decoder,
			}, made, err
		},
		prepare: func(ctx context.Context) error {
			_, err := whisper.Prepare(ctx, source, folder, options)
			return err
		},
		check: func() error { return whisper.Check(folder, source, options) },
		sizes: func() error { return whisper.CheckSizes(folder, source, options) },
		record: func() (prepare.Record, error) {
			manifest, err := whisper.ReadManifest(folder)
			return manifest.Record, err
		},
	}
}

// gains reports whether a model is run by its prepared graphs on this machine, where there is a choice.
func (m *Machine) gains(g graphs) bool { return g.required || m.Processor.Gains() }

// ensured adds the paths of a model's prepared graphs to files. It makes the graphs if they are missing.
func (m *Machine) ensured(ctx context.Context, installed model.Installed, g graphs, files map[string]string) error {
	began := time.Now()
	prepared, made, err := g.ensure(ctx)
	if err != nil {
		return fmt.Errorf("prepare model %s: %w", installed.ID, err)
	}
	if made {
		m.logPrepared(installed, time.Since(began))
	}
	maps.Copy(files, prepared)
	return nil
}

func (m *Machine) logPrepared(installed model.Installed, took time.Duration) {
	m.Scope.Log().Info(eventModelPrepared, slog.String(observe.KeyModel, installed.ID), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
}

// PrepareStaged prepares a model while it is being installed. A model that cannot be prepared, but whose published files
// work, is installed anyway.
func (m *Machine) PrepareStaged(ctx context.Context, staged model.Installed) error {
	g, ok := m.graphs(staged, staged.Dir)
	if !ok || !m.gains(g) {
		return nil
	}
	err := m.ensured(ctx, staged, g, map[string]string{})
	if !g.required && errors.Is(err, prepare.ErrUnknownModel) {
		return nil
	}
	return err
}

// CheckPrepared reads the prepared graphs of a model byte by byte. It returns nil for a model without prepared graphs,
// and for graphs that the next use makes again in any case.
func (m *Machine) CheckPrepared(installed model.Installed) error {
	g, ok := m.graphs(installed, installed.Dir)
	if !ok {
		return nil
	}
	err := g.check()
	if errors.Is(err, prepare.ErrMissing) || errors.Is(err, prepare.ErrStale) {
		return nil
	}
	return err
}

// RepairPrepared makes the prepared graphs of an installed model again if they are damaged, out of date or missing.
func (m *Machine) RepairPrepared(ctx context.Context, installed model.Installed) error {
	g, ok := m.graphs(installed, installed.Dir)
	if !ok || !m.gains(g) {
		return nil
	}
	if err := g.check(); err == nil || !prepare.CanPrepare(err) {
		return err
	}
	began := time.Now()
	if err := g.prepare(ctx); !g.required && errors.Is(err, prepare.ErrUnknownModel) {
		return nil
	} else if err != nil {
		return fmt.Errorf("prepare model %s: %w", installed.ID, err)
	}
	m.logPrepared(installed, time.Since(began))
	return nil
}

// Pull installs a model, with its prepared graphs, as Store.Pull does. Of one that is in place it repairs the prepared graphs. options.Prepare
// is set here.
func (m *Machine) Pull(ctx context.Context, store *model.Store, id string, options model.PullOptions) (model.Pulled, error) {
	options.Prepare = m.PrepareStaged
	pulled, err := store.Pull(ctx, id, options)
	if err == nil && pulled.Already {
		err = m.RepairPrepared(ctx, pulled.Installed)
	}
	return pulled, err
}

// Verify reads every byte of a model, as Store.Verify does, and of its prepared graphs.
func (m *Machine) Verify(ctx context.Context, store *model.Store, id string) (model.Report, error) {
	report, err := store.Verify(ctx, id)
	if err != nil {
		return report, err
	}
	installed, err := store.Resolve(ctx, id)
	if err != nil {
		return report, err
	}
	if err := m.CheckPrepared(installed); err != nil {
		return report, scout.Errorf(scout.CodeOf(err), "model %s: %w", id, err).WithHint("prepare it again: scout models pull %s", id)
	}
	return report, nil
}
