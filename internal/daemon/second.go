package daemon

import (
	"context"
	"errors"
	"slices"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/recognize"
)

// secondPasses is borrowAccurate, nil where the settings want no second pass: a text is then the last one at once.
func (d *daemon) secondPasses() func(ctx context.Context, fast, asked string) (dictate.Accurate, func(), error) {
	if !d.wantsSecondPass() {
		return nil
	}
	return d.borrowAccurate
}

func (d *daemon) wantsSecondPass() bool {
	s := d.options.Settings
	return s.Dictation.SecondPass != "off" && s.Transcribe.Model == ""
}

// borrowAccurate lends the model for the second pass over a dictation.
func (d *daemon) borrowAccurate(ctx context.Context, fast, asked string) (dictate.Accurate, func(), error) {
	r, release, err := d.accurate(ctx, fast, asked)
	if err != nil {
		return dictate.Accurate{}, nil, err
	}
	return dictate.Accurate{
		Recognizer:  dictate.Recognizer{Model: r.Model.ID, Engine: r.Engine, Language: r.Language, Trait: r.Trait()},
		LoadQuietly: r.Engine.LoadQuietly,
	}, release, nil
}

// accurate lends the accurate model; see accurateModel.
func (d *daemon) accurate(ctx context.Context, fast, asked string) (*recognize.Recognizer, func(), error) {
	chosen, err := d.accurateModel(ctx, fast)
	if err != nil {
		return nil, nil, err
	}
	r, release, err := d.engines.Borrow(ctx, chosen.ID)
	if err != nil {
		return nil, nil, err
	}
	if _, err := r.Language(asked); err != nil {
		release()
		return nil, nil, err
	}
	return r, release, nil
}

// accurateModel returns the model for second passes. dictate.ErrNoSecondPass says that the settings want none, or that there is no other
// model than the fast one; another error says why there is none now.
func (d *daemon) accurateModel(ctx context.Context, fast string) (chosen model.Installed, err error) {
	if !d.wantsSecondPass() {
		return chosen, dictate.ErrNoSecondPass
	}
	models, err := d.models()
	if err != nil {
		return chosen, err
	}
	id, err := d.engines.Roles().Pick(models, recognize.Accurate)
	if err != nil {
		return chosen, err
	}
	if chosen, err = models.Resolve(ctx, id); err != nil { // what was chosen and is damaged is told, and no other model takes its place
		return chosen, err
	}
	if chosen.ID == fast {
		return chosen, dictate.ErrNoSecondPass
	}
	if d.loaded(chosen.ID) {
		return chosen, nil
	}
	return chosen, d.strain.room(engine.ExpectBytes(chosen.SizeBytes))
}

// loaded reports whether a process runs the model.
func (d *daemon) loaded(id string) bool {
	return slices.ContainsFunc(d.engines.Open(), func(m recognize.Model) bool { return m.ID == id && m.Running })
}

// secondPass tells whether dictations get a second pass. It loads nothing.
func (d *daemon) secondPass(ctx context.Context) v1.SecondPass {
	s := d.options.Settings
	if s.Dictation.SecondPass == "off" {
		return v1.SecondPass{State: v1.SecondPassOff}
	}
	hears, failed := d.dictations.SecondPass()
	if hears != "" {
		return v1.SecondPass{State: v1.SecondPassHears, Model: hears}
	}
	chosen, err := d.accurateModel(ctx, d.fastModel(ctx))
	state := v1.SecondPass{State: v1.SecondPassNone, Model: chosen.ID}
	switch level := d.strain.degradation(); {
	case errors.Is(err, dictate.ErrNoSecondPass):
		state.Model, state.Reason = "", "no other model than the one that writes is installed: scout models pull whisper-base"
		switch {
		case s.Transcribe.Model != "":
			state.Reason = "transcribe.model names a model for everything"
		case d.severalModels():
			state.Reason = chosen.ID + " is both the fast and the accurate model: models.accurate chooses another one"
		}
	case err != nil:
		state.Reason = scout.Plain(err)
	case level.Level > 0:
		state.Reason = "Scout does less at present: " + level.Reason
	default:
		state.State = v1.SecondPassReady
		if failed != nil {
			state.Reason = "the last dictation had none: " + scout.Plain(failed)
		}
	}
	return state
}

// severalModels reports whether more than one model is installed and whole.
func (d *daemon) severalModels() bool {
	models, err := d.models()
	if err != nil {
		return false
	}
	list, err := models.List()
	if err != nil {
		return false
	}
	whole := 0
	for i := range list {
		if list[i].Installed && list[i].Problem == "" {
			whole++
		}
	}
	return whole > 1
}

// fastModel is the model that writes what is dictated, empty if there is none.
func (d *daemon) fastModel(ctx context.Context) string {
	models, err := d.models()
	if err != nil {
		return ""
	}
	id, err := d.engines.Roles().For(models, recognize.Fast, d.options.Settings.DictationLanguage())
	if err != nil {
		return ""
	}
	writes, err := models.Resolve(ctx, id)
	if err != nil {
		return ""
	}
	return writes.ID
}

// room returns why a model that needs so much memory is not loaded beside those that are; nil if it may be.
func (s *strain) room(expect uint64) error {
	memoryMB, _ := s.limits()
	s.mu.Lock()
	defer s.mu.Unlock()
	used, most := s.last.memory+expect, softLimit(memoryMB, s.machine, s.last.engines)
	if memoryMB == 0 { // the limit grows with each model that is loaded
		most += uint64(autoFactor * float64(expect))
		if s.machine > 0 {
			most = min(most, s.machine/2)
		}
	}
	if used <= most {
		return nil
	}
	return scout.Errorf(scout.CodeOutOfMemory, "the accurate model would need %d MB beside the %d MB in use, and the limit is %d MB", expect>>20, s.last.memory>>20, most>>20).
		WithHint("raise limits.memory_mb, or switch the second pass off: dictation.second_pass")
}
