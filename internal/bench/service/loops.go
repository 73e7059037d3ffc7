package service

import (
	"context"
	"math/rand/v2"
	"net/http"
	"syscall"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/bench"
	"github.com/scout-speech/scout/internal/resilience"
)

const (
	// In a loop, the daemon is killed so long after it was ready.
	shortestLoop = 2 * time.Second
	longestLoop  = 10 * time.Second
	// loopClip is how long the files are, and loopJobs how many come in each life: there is always work.
	loopClip = 20 * time.Second
	loopJobs = 5
	// badClip is the input that ends the daemon: long, so that the tool sees it run.
	badClip = 3 * time.Minute
	// mostAborts is when the tool gives up: a job that comes to a checkpoint before the daemon ends begins anew.
	mostAborts = 30
)

// loops ends the daemon again and again: innocent jobs must live through it, and one that ends the daemon itself must not go on for ever.
func loops(ctx context.Context, o Options, into *bench.Service) error {
	return in(ctx, o, func(h *house) error {
		l := &looping{house: h, clips: newClips(o.Speech)}
		found := &bench.ServiceLoops{Kills: o.Kills}
		var jobs []string
		for n := range o.Kills {
			h.tell("loops: kill %d of %d, %d jobs", n+1, o.Kills, len(jobs))
			for range loopJobs {
				made, a, err := h.owner.upload(ctx, l.clips.cut(loopClip))
				switch {
				case err != nil:
					return err
				case a.ok():
					jobs = append(jobs, made.ID)
				case a.status != http.StatusTooManyRequests: // there is enough work then
					l.errors.add(a.what())
				}
			}
			if err := resilience.Sleep(ctx, shortestLoop+rand.N(longestLoop-shortestLoop)); err != nil { // a random moment is what is measured
				return err
			}
			h.kill(syscall.SIGKILL)
			ready, err := h.start(ctx)
			if err != nil {
				return err
			}
			found.Ready = append(found.Ready, ready)
		}
		found.Jobs = len(jobs)
		h.tell("loops: waiting for %d jobs", len(jobs))
		var err error
		if found.Done, found.Dead, err = l.outcome(ctx, jobs); err != nil {
			return err
		}
		if err := l.abort(ctx, found); err != nil {
			return err
		}
		found.Errors = l.errors.all()
		into.Loops = found
		return nil
	})
}

type looping struct {
	*house
	clips  *clips
	errors tally
}

// outcome waits for jobs and counts what became of them.
func (l *looping) outcome(ctx context.Context, ids []string) (done, dead int, err error) {
	within, cancel := context.WithTimeout(ctx, resultsWithin)
	defer cancel()
	for _, id := range ids {
		j, err := l.owner.follow(within, id)
		if err != nil {
			return done, dead, err
		}
		switch j.State {
		case "succeeded":
			done++
		case "dead":
			dead++
		}
	}
	return done, dead, nil
}

// abort plays an input that ends the daemon: whenever its job runs, the daemon gets the signal that Go's runtime sends itself.
func (l *looping) abort(ctx context.Context, found *bench.ServiceLoops) error {
	bad, _, err := l.owner.insist(ctx, l.clips.cut(badClip))
	if err != nil {
		return err
	}
	if _, err := l.owner.ask(ctx, http.MethodPatch, "/jobs/"+bad.ID, map[string]any{"priority": "interactive"}, nil); err != nil {
		return err
	}
	var others []string
	for range loopJobs {
		made, _, err := l.owner.insist(ctx, l.clips.cut(clipLength))
		if err != nil {
			return err
		}
		others = append(others, made.ID)
	}
	for found.Aborts < mostAborts {
		j, err := l.untilItRuns(ctx, bad.ID)
		if err != nil {
			return err
		}
		if j.ended() {
			break
		}
		l.tell("loops: the input ends the daemon, %d", found.Aborts+1)
		l.kill(syscall.SIGABRT)
		found.Aborts++
		if _, err := l.start(ctx); err != nil {
			return err
		}
	}
	var j job
	if _, err := l.owner.ask(ctx, http.MethodGet, "/jobs/"+bad.ID, nil, &j); err != nil {
		return err
	}
	found.Code = j.State
	if j.Error != nil && j.ended() {
		found.Code = j.Error.Code
	}
	for _, id := range others {
		if _, err := l.owner.ask(ctx, http.MethodGet, "/jobs/"+id, nil, &j); err != nil {
			return err
		}
		if j.State == "succeeded" {
			found.Before++
		}
	}
	return nil
}

// untilItRuns waits until a job runs, or has ended.
func (l *looping) untilItRuns(ctx context.Context, id string) (j job, err error) {
	within, cancel := context.WithTimeout(ctx, resultsWithin)
	defer cancel()
	for within.Err() == nil {
		if _, err := l.owner.ask(within, http.MethodGet, "/jobs/"+id, nil, &j); err != nil {
			return j, err
		}
		if j.State == "running" || j.ended() {
			return j, nil
		}
	}
	return j, scout.Errorf(scout.CodeDeadlineExceeded, "job %s does not run", id)
}
