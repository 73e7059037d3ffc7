package recorder

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
)

// diskLook is how often the free space is checked while recording.
const diskLook = 10 * time.Second

// rules is the goroutine that enforces the rules of recordings, as far as other goroutines see it.
type rules struct {
	turn   atomic.Uint64 // identifies the goroutine that has the work; a replaced one that continues late sees that it lost it
	round  atomic.Uint64
	rests  atomic.Bool // it waits for an event: no round is running
	silent atomic.Bool // it hangs, or did so until now
}

// watch enforces the rules of recordings until the recorder is to end, and returns why. A panic or a failure in it is
// counted and logged, and it starts again. If it hangs, another goroutine takes its place. A current recording is not
// affected.
func (r *Recorder) watch(ctx context.Context) (reason string) {
	ended := make(chan string, mostRestarts+2) // no late goroutine is blocked
	begin := func() {
		r.rules.rests.Store(false)
		turn := r.rules.turn.Add(1)
		go r.followRules(ctx, turn, ended) // ends with ctx or shutdown; one that hangs is not waited for
	}
	begin()
	ticker := time.NewTicker(stuckAfter)
	defer ticker.Stop()
	last, replaced := uint64(0), 0
	for {
		select {
		case reason := <-ended:
			return reason
		case <-ctx.Done():
			return "stopped"
		case <-r.shutdown:
			return "shutdown"
		case <-ticker.C:
		}
		round, rests := r.rules.round.Load(), r.rules.rests.Load()
		switch {
		case rests:
			replaced = 0
			r.rules.silent.Store(false)
		case round == last && replaced < mostRestarts: // the same as one tick ago, and not because the machine paused
			replaced++
			r.rules.silent.Store(true)
			r.stuck(GoroutineRules)
			begin()
		}
		last = round
	}
}

// stuck records that a goroutine of the recorder hangs.
func (r *Recorder) stuck(goroutine string) {
	r.metrics.Failed(scout.Errorf(scout.CodeInternal, "%s hangs", goroutine))
	r.log.Error(eventGoroutineStuck, slog.String("goroutine", goroutine))
	r.events.Send(recording.Event{Kind: recording.KindStuck, At: r.options.Now(), Goroutine: goroutine})
}

// followRules is one goroutine of watch.
func (r *Recorder) followRules(ctx context.Context, turn uint64, ended chan<- string) {
	for r.rules.turn.Load() == turn {
		var reason string
		err := r.failures.Guard(GoroutineRules, func() (err error) {
			reason, err = r.watchOnce(ctx, turn)
			return err
		})
		switch {
		case errors.Is(err, errReplaced):
			return
		case err == nil:
			ended <- reason
			return
		}
		_ = r.failures.Count(err) // a panic logs itself
		select {                  // a failure that repeats at once must not become a tight loop
		case <-ctx.Done():
			return
		case <-r.shutdown:
			return
		case <-time.After(rulesPause):
		}
	}
}

// rulesPause is the time between a failure of the rules and their next check.
const rulesPause = 100 * time.Millisecond

// watchOnce enforces the rules and returns why the process is to end.
func (r *Recorder) watchOnce(ctx context.Context, turn uint64) (string, error) {
	disk := time.NewTicker(diskLook)
	defer disk.Stop()
	idleSince, ownerlessSince := r.options.Now(), r.options.Now()
	for {
		r.rules.round.Add(1)
		if err := r.options.Faults.At(GoroutineRules); err != nil {
			return "", err
		}
		if r.rules.turn.Load() != turn {
			return "", errReplaced
		}
		r.mu.Lock()
		t, clients, resuming, idleFor := r.take, r.clients, r.resuming != nil, r.options.IdleFor
		owners := 0
		if t != nil {
			owners = r.owners[t.writer.ID()]
		}
		if r.device != nil && r.device.key.warm && !r.device.over() && idleFor > 0 {
			idleFor = max(idleFor, r.options.WarmFor)
		}
		r.mu.Unlock()
		now := r.options.Now()
		if owners > 0 {
			ownerlessSince = now
		}
		if t != nil || clients > 0 || resuming {
			idleSince = now
		}
		next := time.Hour
		if t != nil {
			t.revive(context.WithoutCancel(ctx))
			r.lookAfterPlace(ctx)
			next = min(placeEvery, r.enforce(ctx, t, now, max(0, now.Sub(ownerlessSince)), owners))
		} else if idleFor > 0 && clients == 0 && !resuming {
			left := idleFor - now.Sub(idleSince)
			if left <= 0 {
				return "idle", nil
			}
			next = min(next, left)
		}
		timer := time.NewTimer(next)
		r.rules.rests.Store(true)
		select {
		case <-ctx.Done():
			timer.Stop()
			return "stopped", nil
		case <-r.shutdown:
			timer.Stop()
			return "shutdown", nil
		case <-disk.C:
			r.lookAtDisk() // waits for the disk at most roomWait
		case <-r.touched:
			if t == nil { // a new take counts its time without an owner from its start
				ownerlessSince = r.options.Now()
			}
		case <-timer.C:
		}
		timer.Stop()
		if r.rules.turn.Load() != turn {
			return "", errReplaced
		}
		r.rules.rests.Store(false)
	}
}

// enforce ends the take if one of its rules says so, and returns when to check again.
func (r *Recorder) enforce(ctx context.Context, t *take, now time.Time, ownerless time.Duration, owners int) time.Duration {
	next := time.Hour
	if limit := t.order.Rules.MaxDuration; limit > 0 {
		left := limit - t.length(now)
		if left <= 0 {
			t.requestStopSoon(ctx, recording.EndMaxDuration)
			return time.Second
		}
		next = min(next, max(left, time.Millisecond))
	}
	if limit := t.order.Rules.NoOwnerFor; limit > 0 && owners == 0 {
		left := limit - ownerless
		if left <= 0 {
			t.requestStopSoon(ctx, recording.EndNoOwner)
			return time.Second
		}
		next = min(next, left)
	}
	return next
}

// length returns the present length of the recording, in all processes that made it: by the device's frames, gaps
// included, and by the clock while the device delivers nothing.
func (t *take) length(now time.Time) time.Duration {
	format := t.writer.Format()
	s := t.current.Load()
	length := format.Duration(s.pump.Delivered())
	if s.device.session.Status().Outage == "" && s.device.session.Err() == nil {
		return length
	}
	return max(length, format.Duration(t.first)+now.Sub(t.began))
}

// lookAtDisk warns once when the disk becomes low while recording.
func (r *Recorder) lookAtDisk() {
	r.mu.Lock()
	t, was := r.take, r.diskLow
	r.mu.Unlock()
	if t == nil {
		return
	}
	space, err := r.room.latest(r.askSpace)
	if err != nil {
		r.log.Warn(recording.EventRecordingProblem, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		return
	}
	r.noteSpace(t.writer.ID(), space.Left(t.writer.Format()), was)
}

// noteSpace records how much more recording fits, and warns if that became little.
func (r *Recorder) noteSpace(id recording.ID, left time.Duration, was bool) {
	low := r.options.Limits.Low(left)
	r.mu.Lock()
	r.diskLow = low
	r.mu.Unlock()
	if low && !was {
		r.log.Warn(recording.EventDiskLow, slog.String(recording.KeyRecording, string(id)), slog.Float64("minutes_left", left.Minutes()))
		r.events.Send(recording.Event{Kind: recording.KindDiskLow, At: r.options.Now(), ID: id, Left: left})
	}
}
