// Package secondlook has the accurate model make the texts of recordings that only have one of the fast model, while nobody needs the
// machine. Each is a job of the lowest priority, so that people see it and can cancel it. One is under way at a time; any other work
// holds it back.
//
// It waits for events, and looks at the machine only while a recording needs a second look: without one it costs nothing.
package secondlook

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/job/transcription"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/store"
)

// Log events, listed in docs/formats/log-events.md.
const (
	eventBegun     = "second_look_begun"
	eventHeldBack  = "second_look_held_back"
	eventResumed   = "second_look_resumed"
	eventWaits     = "second_look_waits"
	eventNotLooked = "second_look_not_looked"
)

// Queue has the jobs; *job.Queue is one.
type Queue interface {
	Submit(ctx context.Context, o job.Order) (j store.Job, made bool, err error)
	Job(ctx context.Context, id string) (store.Job, error)
	Pause(ctx context.Context, id string) (store.Job, error)
	Resume(ctx context.Context, id string) (store.Job, error)
}

// Options configure a Looker.
type Options struct {
	Store store.Store
	Queue Queue
	// Work is what others do.
	Work *Work
	// Models returns the ids of the fast and the accurate model. They are the same where there is only one.
	Models func(ctx context.Context) (fast, accurate string, err error)
	// Machine returns why the machine is not idle, or not on mains power; empty if it is. The look that is under way uses the
	// processor itself: begun says that it is.
	Machine func(begun bool) (reason string)
	// Days is how old a recording may be.
	Days int
	// Quiet is how long nothing must have happened before a look begins; default 2 min. Every is how often the machine is looked at
	// while a recording needs one; default 1 min.
	Quiet, Every time.Duration
	Scope        observe.Scope
}

// Looker gives second looks.
type Looker struct {
	options Options
	log     *slog.Logger
	looks   *metric.CounterVec
	skip    map[string]bool // recordings and versions whose job has ended without a text
	paused  string          // the job that was held back here
	waits   string          // why, as it was logged last
}

// New returns a looker that does nothing until Run.
func New(o Options) *Looker {
	if o.Quiet <= 0 {
		o.Quiet = 2 * time.Minute
	}
	if o.Every <= 0 {
		o.Every = time.Minute
	}
	scope := o.Scope.Component("second_look")
	return &Looker{
		options: o, log: scope.Log(), skip: map[string]bool{},
		looks: observe.Register(scope, metric.NewCounterVec(metric.Opts{
			Name: "scout_second_looks_total", Help: "Second looks at recordings while the machine is idle: begun, held_back by other work or a battery, resumed, done, and failed ones.",
		}, []string{"outcome"})),
	}
}

// Run gives second looks until ctx ends.
func (l *Looker) Run(ctx context.Context) error {
	rung, end := l.options.Store.Listen(store.EventStream)
	defer end()
	for ctx.Err() == nil {
		if !l.quiet(ctx) {
			break
		}
		id, found, err := l.next(ctx)
		if err != nil {
			if ctx.Err() == nil {
				l.log.Warn(eventNotLooked, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
			}
			found = false // the next event
		}
		if !found {
			l.told("")
			select {
			case <-rung:
			case <-ctx.Done():
			}
			continue
		}
		l.look(ctx, id, rung)
	}
	return nil
}

// quiet waits until nobody has done anything for a while. It returns false when ctx has ended.
func (l *Looker) quiet(ctx context.Context) bool {
	for {
		idle, changed := l.options.Work.state()
		if idle >= l.options.Quiet {
			return true
		}
		var over <-chan time.Time
		timer := time.NewTimer(l.options.Quiet - idle)
		if idle >= 0 {
			over = timer.C
		}
		select {
		case <-changed:
		case <-over:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return false
		}
	}
}

// look gives one look: it begins the job, or lets the one go on that was held back, and watches it until it has ended or must be held
// back. While the machine is needed it waits.
func (l *Looker) look(ctx context.Context, c *candidate, rung <-chan struct{}) {
	if reason := l.busy(ctx, "", false); reason != "" {
		l.told(reason)
		l.wait(ctx, nil)
		return
	}
	l.told("")
	id, err := l.begin(ctx, c)
	if err != nil {
		l.log.Warn(eventNotLooked, slog.String(recording.KeyRecording, c.recording), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		l.wait(ctx, nil)
		return
	}
	for id != "" && ctx.Err() == nil {
		j, err := l.options.Queue.Job(ctx, id)
		switch {
		case err != nil: // it was forgotten, or the store is away
			return
		case j.State == store.JobSucceeded:
			l.count("done")
			return
		case j.State.Ended(): // somebody does not want it, or it cannot be done
			l.count("failed")
			l.skip[c.key()] = true
			return
		case j.State == store.JobPaused: // a person holds it back
			l.skip[c.key()] = true
			return
		}
		if reason := l.busy(ctx, id, true); reason != "" {
			l.holdBack(ctx, id, reason)
			return
		}
		l.wait(ctx, rung)
	}
}

// wait waits for other work, for an event and for the time at which to look again.
func (l *Looker) wait(ctx context.Context, rung <-chan struct{}) {
	_, changed := l.options.Work.state()
	timer := time.NewTimer(l.options.Every)
	defer timer.Stop()
	select {
	case <-changed:
	case <-rung:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// busy returns why no look may be under way; own is the job of the one that is.
func (l *Looker) busy(ctx context.Context, own string, begun bool) string {
	if idle, _ := l.options.Work.state(); idle < 0 {
		return "work"
	}
	line, err := l.options.Store.Line(ctx, mostLooked)
	if err != nil {
		return "store"
	}
	for i := range line {
		if line[i].ID != own {
			return "jobs"
		}
	}
	return l.options.Machine(begun)
}

// mostLooked is how many jobs of the line are looked at: one that is not ours is enough.
const mostLooked = 4

// told logs why nothing begins, once.
func (l *Looker) told(reason string) {
	if reason != l.waits && reason != "" {
		l.log.Debug(eventWaits, slog.String(observe.KeyReason, reason))
	}
	l.waits = reason
}

func (l *Looker) count(outcome string) { l.looks.WithLabelValues(outcome).Inc() }

// holdBack pauses a job.
func (l *Looker) holdBack(ctx context.Context, id, reason string) {
	if _, err := l.options.Queue.Pause(ctx, id); err != nil {
		return // it has ended at this moment
	}
	l.paused = id
	l.count("held_back")
	l.log.Info(eventHeldBack, slog.String("job", id), slog.String(observe.KeyReason, reason))
}

// candidate is a recording that needs a look.
type candidate struct {
	recording string
	version   int
	language  string
	length    time.Duration
	job       string // that was held back; empty for a new one
}

func (c *candidate) key() string { return (&transcriptionOf{c.recording, c.version}).String() }

// begin submits the job of a candidate, or lets it go on.
func (l *Looker) begin(ctx context.Context, c *candidate) (id string, err error) {
	if c.job != "" {
		l.paused = ""
		if _, err := l.options.Queue.Resume(ctx, c.job); err != nil {
			return "", err //nolint:wrapcheck // the queue says what is wrong
		}
		l.count("resumed")
		l.log.Info(eventResumed, slog.String("job", c.job))
		return c.job, nil
	}
	no := false
	request := transcription.Request{Language: c.language, Effort: speech.EffortThorough.String(), Progressive: &no, Improves: c.version}
	o := job.Order{Kind: job.KindTranscribe, Recording: c.recording, Priority: job.Low, Length: c.length}
	if o.Options, err = json.Marshal(request); err != nil {
		return "", scout.Errorf(scout.CodeInternal, "ask for a second look: %w", err)
	}
	if o.Key, err = request.Key(recording.ID(c.recording)); err != nil {
		return "", err //nolint:wrapcheck // it says what it was doing
	}
	j, made, err := l.options.Queue.Submit(ctx, o)
	if err != nil {
		return "", err //nolint:wrapcheck // the queue says what is wrong
	}
	if !made && (j.State.Ended() || j.State == store.JobPaused) { // it was tried before, or a person holds it back
		l.skip[c.key()] = true
		return "", nil
	}
	l.count("begun")
	l.log.Info(eventBegun, slog.String("job", j.ID), slog.String(recording.KeyRecording, c.recording))
	return j.ID, nil
}
