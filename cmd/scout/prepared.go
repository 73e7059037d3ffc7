package main

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

// preparedFolder is where a model's prepared graphs are, below its own folder.
const preparedFolder = "prepared"

// preparedIn returns the published files of a Moonshine model, the folder of its prepared graphs, which lies in
// dir, and how they are prepared on this machine.
func (a *app) preparedIn(installed model.Installed, dir string) (prepare.Source, string, prepare.Options) {
	source := prepare.Source{Encoder: installed.Files[model.RoleEncoder], Decoder: installed.Files[model.RoleMergedDecoder]}
	return source, filepath.Join(dir, preparedFolder), prepare.Options{Variant: a.processor.Variant()}
}

// prepareModel returns the prepared graphs of a Moonshine model in dir, made now where they are missing.
func (a *app) prepareModel(ctx context.Context, installed model.Installed, dir string) (prepare.Result, error) {
	source, folder, options := a.preparedIn(installed, dir)
	began := time.Now()
	result, made, err := prepare.Ensure(ctx, source, folder, options)
	if err != nil {
		return result, fmt.Errorf("prepare model %s: %w", installed.ID, err)
	}
	if made {
		a.notePrepared(installed, time.Since(began))
	}
	return result, nil
}

func (a *app) notePrepared(installed model.Installed, took time.Duration) {
	a.scope.Log().Info(observe.EventModelPrepared, slog.String(observe.KeyModel, installed.ID), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
}

// prepareStaged prepares a model while it is being installed. A model that cannot be prepared is installed
// all the same: the published files work, only slower.
func (a *app) prepareStaged(ctx context.Context, staged model.Installed) error {
	if staged.Family != model.Moonshine || !a.processor.Gains() {
		return nil
	}
	_, err := a.prepareModel(ctx, staged, staged.Dir)
	if errors.Is(err, prepare.ErrUnknownModel) {
		return nil
	}
	return err
}

// checkPrepared reads the prepared graphs of a model byte by byte. It returns nil for a model without any, and
// for ones that are made anew at the next use in any case.
func (a *app) checkPrepared(installed model.Installed) error {
	if installed.Family != model.Moonshine {
		return nil
	}
	source, folder, options := a.preparedIn(installed, installed.Dir)
	err := prepare.Check(folder, source, options)
	if errors.Is(err, prepare.ErrMissing) || errors.Is(err, prepare.ErrStale) {
		return nil
	}
	return err
}

// repairPrepared makes the prepared graphs of an installed model anew where they are damaged, out of date or missing.
func (a *app) repairPrepared(ctx context.Context, installed model.Installed) error {
	if installed.Family != model.Moonshine || !a.processor.Gains() {
		return nil
	}
	source, folder, options := a.preparedIn(installed, installed.Dir)
	if err := prepare.Check(folder, source, options); err == nil || !prepare.CanPrepare(err) {
		return err
	}
	began := time.Now()
	if _, err := prepare.Prepare(ctx, source, folder, options); errors.Is(err, prepare.ErrUnknownModel) {
		return nil
	} else if err != nil {
		return fmt.Errorf("prepare model %s: %w", installed.ID, err)
	}
	a.notePrepared(installed, time.Since(began))
	return nil
}

// served is what runs a model on this machine.
type served struct {
	Backend string `json:"-"`
	// Recipe and Variant are those of the prepared graphs, absent where the published ones run.
	Recipe  int             `json:"recipe,omitempty"`
	Variant prepare.Variant `json:"variant,omitempty"`
	// Note says what is not as it could be.
	Note string `json:"backend_note,omitempty"`
}

// servedBy tells what would run an installed model now, by names and sizes alone.
func (a *app) servedBy(installed model.Installed, preferred string) served {
	if installed.Family != model.Moonshine {
		return served{Backend: backendSherpa}
	}
	if !a.processor.Gains() {
		return served{Backend: backendSherpa, Note: "this processor has no AVX2"}
	}
	source, folder, options := a.preparedIn(installed, installed.Dir)
	switch err := prepare.CheckSizes(folder, source, options); {
	case err == nil:
		manifest, err := prepare.ReadManifest(folder)
		if err == nil {
			return served{Backend: backendMoonshine, Recipe: manifest.Recipe, Variant: manifest.Variant}
		}
	case prepare.CanPrepare(err) && preferred == backendMoonshine:
		return served{Backend: backendMoonshine, Note: "prepared at its next use"}
	}
	return served{Backend: backendSherpa}
}

// String is the cell of a table.
func (s served) String() string {
	text := s.Backend
	if s.Recipe > 0 {
		text += fmt.Sprintf(", recipe %d %s", s.Recipe, s.Variant)
	}
	if s.Note != "" {
		text += " (" + s.Note + ")"
	}
	return text
}
