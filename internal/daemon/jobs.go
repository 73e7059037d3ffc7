package daemon

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
)

// eventCrashNotWatched is logged where it cannot be found out why a daemon ended: a job that ends it again and again is then found only
// if it does so in its first moments.
const eventCrashNotWatched = "daemon_crash_not_watched"

// startCrashWatch finds out how the daemon before ended. A failure keeps nothing from working.
func (d *daemon) startCrashWatch() {
	byItself, end, err := watchCrash(d.dir, d.log)
	if err != nil {
		d.log.Warn(eventCrashNotWatched, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
	if end == nil {
		end = func() error { return nil }
	}
	d.byItself, d.endCrashWatch = byItself, end
}

// openJobs makes the queue of jobs.
func (d *daemon) openJobs(folders recording.Folders) error {
	effort, err := speech.ParseEffort(d.options.Settings.Transcribe.Effort)
	if err != nil {
		return err
	}
	d.texts = transcription.New(transcription.Options{
		Folder: folders, Engines: d.engines, History: d.history, Effort: effort, Scope: d.options.Scope, Failures: d.options.Failures,
		Vote: d.options.Settings.Transcribe.Vote != "off", Progressive: d.options.Settings.Transcribe.Progressive == "on",
		MostAudio: time.Duration(d.options.Settings.Limits.AudioSeconds) * time.Second, Heard: d.heard,
	})
	d.jobs = job.New(job.Options{
		Store: d.store, Kinds: map[string]job.Work{job.KindTranscribe: d.texts.Do, job.KindModelPull: d.installations().Do, job.KindImport: d.imports.Do, job.KindExport: d.exports.Do}, ByItself: d.byItself, Ahead: 1,
		Scope: d.options.Scope, Failures: d.options.Failures, Begin: d.activity.Begin,
	})
	return nil
}

// startTexts begins to make the texts that are owed, and to do the jobs. It does not wait for them.
func (d *daemon) startTexts(context.Context) error {
	d.components.run("backlog", d.backlog.Run)
	d.components.run("jobs", d.jobs.Run)
	d.startSecondLooks()
	return nil
}

// drainTexts gives what is under way a moment, and interrupts it then: the next daemon continues.
func (d *daemon) drainTexts(ctx context.Context) error {
	jobs := make(chan error, 1)
	go func() { jobs <- d.jobs.Drain(ctx, textsPatience) }() // waited for below
	return errors.Join(d.backlog.Drain(ctx, textsPatience), <-jobs)
}
