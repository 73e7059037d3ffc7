package recognize

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/model/prepare"
	"github.com/scout-speech/scout/internal/observe"
)

// PreparedFolder is the folder of a model's prepared graphs, inside the model's own folder.
const PreparedFolder = "prepared"

// prepared returns the published files of a Moonshine model, the folder of its prepared graphs, which lies in dir, and
// the options for this machine.
func (m *Machine) prepared(installed model.Installed, dir string) (prepare.Source, string, prepare.Options) {
	source := prepare.Source{Encoder: installed.Files[model.RoleEncoder], Decoder: installed.Files[model.RoleMergedDecoder]}
	return source, filepath.Join(dir, PreparedFolder), prepare.Options{Variant: m.Processor.Variant()}
}

// Prepare returns the prepared graphs of a Moonshine model in dir. It makes them if they are missing.
func (m *Machine) Prepare(ctx context.Context, installed model.Installed, dir string) (prepare.Result, error) {
	source, folder, options := m.prepared(installed, dir)
	began := time.Now()
	result, made, err := prepare.Ensure(ctx, source, folder, options)
	if err != nil {
		return result, fmt.Errorf("prepare model %s: %w", installed.ID, err)
	}
	if made {
		m.logPrepared(installed, time.Since(began))
	}
	return result, nil
}

func (m *Machine) logPrepared(installed model.Installed, took time.Duration) {
	m.Scope.Log().Info(eventModelPrepared, slog.String(observe.KeyModel, installed.ID), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
}

// PrepareStaged prepares a model while it is being installed. A model that cannot be prepared is installed anyway: the
// published files work, but slower.
func (m *Machine) PrepareStaged(ctx context.Context, staged model.Installed) error {
	if staged.Family != model.Moonshine || !m.Processor.Gains() {
		return nil
	}
	_, err := m.Prepare(ctx, staged, staged.Dir)
	if errors.Is(err, prepare.ErrUnknownModel) {
		return nil
	}
	return err
}

// CheckPrepared reads the prepared graphs of a model byte by byte. It returns nil for a model without prepared graphs,
// and for graphs that the next use makes again in any case.
func (m *Machine) CheckPrepared(installed model.Installed) error {
	if installed.Family != model.Moonshine {
		return nil
	}
	source, folder, options := m.prepared(installed, installed.Dir)
	err := prepare.Check(folder, source, options)
	if errors.Is(err, prepare.ErrMissing) || errors.Is(err, prepare.ErrStale) {
		return nil
	}
	return err
}

// RepairPrepared makes the prepared graphs of an installed model again if they are damaged, out of date or missing.
func (m *Machine) RepairPrepared(ctx context.Context, installed model.Installed) error {
	if installed.Family != model.Moonshine || !m.Processor.Gains() {
		return nil
	}
	source, folder, options := m.prepared(installed, installed.Dir)
	if err := prepare.Check(folder, source, options); err == nil || !prepare.CanPrepare(err) {
		return err
	}
	began := time.Now()
	if _, err := prepare.Prepare(ctx, source, folder, options); errors.Is(err, prepare.ErrUnknownModel) {
		return nil
	} else if err != nil {
		return fmt.Errorf("prepare model %s: %w", installed.ID, err)
	}
	m.logPrepared(installed, time.Since(began))
	return nil
}
