package daemon

import (
	"context"
	"path/filepath"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/backlog"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/model/prepare"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/settings"
	"github.com/scout-speech/scout/internal/speech"
)

// startEngines makes the component that runs models. It opens no folder and starts no process: the first request does.
func (d *daemon) startEngines(context.Context) error {
	s, scope := d.options.Settings, d.options.Scope
	d.strain, d.use = d.newStrain(), newUse()
	d.machine = &recognize.Machine{Scope: scope, Processor: prepare.DetectProcessor(), Notice: recognize.LogNotices(scope)}
	d.engines = recognize.NewEngines(recognize.EnginesOptions{
		Machine: d.machine,
		Models:  d.models,
		Default: s.Transcribe.Model, Roles: rolesOf(s.Models), Program: s.Engine(), Threads: s.Transcribe.Threads, IdleUnload: s.Settings.Engine.Idle, Language: s.DictationLanguage(),
		Changed: d.noteModel,
	})
	d.current.roles = func(now settings.Models) { d.engines.Choose(rolesOf(now)) }
	return nil
}

// rolesOf are the models that settings choose for a role.
func rolesOf(s settings.Models) recognize.Roles {
	return recognize.Roles{Fast: s.Fast, Accurate: s.Accurate}
}

// noteModel writes into the journal that a model was loaded or unloaded, also at the end of the daemon.
func (d *daemon) noteModel(id string, loaded bool) {
	kind := "model.unloaded"
	if loaded {
		kind = "model.loaded"
	}
	d.strain.hurry()
	d.history.Note(context.WithoutCancel(d.living), kind, "", map[string]any{"id": id})
}

// stopEngines ends the processes that run models. Whatever waits for them has been stopped before.
func (d *daemon) stopEngines(context.Context) error {
	d.engines.Close()
	return nil
}

// openBacklog reads which texts are owed.
func (d *daemon) openBacklog(folder, sent *recording.Folder) error {
	effort, err := speech.ParseEffort(d.options.Settings.Transcribe.Effort)
	if err != nil {
		return err
	}
	d.backlog, err = backlog.Open(backlog.Options{
		Dir: filepath.Join(d.dir, backlogName), Folder: folder, Others: recording.Folders{sent}, Engines: d.engines, History: d.history, Effort: effort,
		Scope: d.options.Scope, Failures: d.options.Failures, Begin: d.activity.work.Begin,
	})
	return err
}

// backlogName is the folder of promised texts in the data folder.
const backlogName = "backlog"

// engineStatus returns the state of each open model, one that is ill first, and the state that is told where there is room for
// one only.
func (d *daemon) engineStatus() (one v1.EngineStatus, all []v1.EngineStatus) {
	open := d.engines.Open()
	all = make([]v1.EngineStatus, len(open))
	for i := range open {
		m := &open[i]
		all[i] = v1.EngineStatus{State: m.Health.Metadata["state"], Model: m.ID, Breaker: m.Breaker, Starts: m.Starts, LastSuccess: v1.TimeOf(m.LastGood)}
		if m.Health.Status != health.Healthy {
			all[i].Reason = m.Health.Reason
		}
	}
	if len(all) == 0 {
		return v1.EngineStatus{State: v1.EngineUnloaded}, all
	}
	return all[0], all
}

// report runs the checks. If a person asks for the self-test, the default model decodes a known clip first, so that
// the check of the engine tells how that went.
func (d *daemon) report(ctx context.Context, now bool) health.Report {
	if now {
		tested, cancel := context.WithTimeoutCause(ctx, selfTestWithin, scout.Errorf(scout.CodeDeadlineExceeded, "the self-test took more than %s", selfTestWithin))
		defer cancel()
		_ = d.engines.SelfTest(tested, "", schedule.Interactive) // the checks of the engine and of the model say what was wrong
	}
	return d.checker.Report(ctx, now)
}

// lookAtHealth makes the state in the metrics that of now, as long as that does not delay a scrape.
func (d *daemon) lookAtHealth(ctx context.Context) {
	done := make(chan struct{})
	go func() { // ends with the slowest check, or with the daemon
		defer close(done)
		d.checker.Report(d.living, false)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}
