package backlog

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/segment"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/text"
	"github.com/scout-speech/scout/internal/transcribe"
)

// eventStream is where others tell what they did with recordings.
const eventStream = store.EventStream

// recover ends the recordings of which a crash of the machine left neither a recorder nor an end.
func (b *Backlog) recover() {
	if _, held := recording.Holder(b.options.Folder.Dir()); held {
		return
	}
	b.mu.Lock()
	n := len(b.items)
	b.mu.Unlock()
	if n == 0 {
		return
	}
	if _, err := b.options.Folder.Recover(); err != nil && scout.CodeOf(err) != scout.CodeRecordingLocked {
		b.log.Warn(eventNotRecovered, slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
}

// look sees what happened to recordings that are not worked on: they ended, they are gone, or somebody else made the
// text of one that failed here.
func (b *Backlog) look(ctx context.Context) {
	b.mu.Lock()
	idle := make(map[*item]State, len(b.items))
	for _, it := range b.items {
		if it.state == Recording && time.Since(it.lookedAt) >= lookEvery || it.state == Failed {
			it.lookedAt = time.Now()
			idle[it] = it.state
		}
	}
	b.mu.Unlock()
	for it, state := range idle {
		m, err := b.folders().Manifest(it.Recording)
		switch {
		case scout.CodeOf(err) == scout.CodeRecordingNotFound && time.Since(it.PromisedAt) > startingFor:
			_ = b.forget(ctx, it, outcomeGone) // a file that stays is looked at by the next process
		case err != nil:
		case state == Recording && m.State != recording.StateRecording:
			b.Ended(it.Recording)
		case state == Failed:
			if v, made, err := b.madeSince(ctx, it); err == nil && made {
				b.settle(ctx, it, v)
			}
		}
	}
}

// startingFor is how long a recording may take from its promise until its manifest is there.
const startingFor = time.Minute

// madeSince returns the text that was made for the recording since it was promised.
func (b *Backlog) madeSince(ctx context.Context, it *item) (version int, made bool, err error) {
	versions, err := b.options.History.Store().Versions(ctx, store.MainKey(string(it.Recording)))
	if code := scout.CodeOf(err); code == scout.CodeNotFound || code == scout.CodeRecordingNotFound {
		return 0, false, nil
	}
	for i := range versions {
		if v := &versions[i]; v.Kind != store.KindEdited && it.precedes(v) {
			return v.Version, true, nil
		}
	}
	return 0, false, err
}

// precedes reports whether a version was made after the promise.
func (p *promise) precedes(v *store.Version) bool {
	if p.After != nil {
		return v.Version > *p.After
	}
	return !v.CreatedAt.Before(p.PromisedAt.Truncate(time.Millisecond)) // of a program that did not count, or without a database
}

// newest returns the number of the newest version of a text, 0 if it has none; nil if that cannot be read.
func (b *Backlog) newest(ctx context.Context, id recording.ID) *int {
	versions, err := b.options.History.Store().Versions(ctx, store.MainKey(string(id)))
	code := scout.CodeOf(err)
	if err != nil && code != scout.CodeNotFound && code != scout.CodeRecordingNotFound {
		return nil
	}
	newest := 0
	for i := range versions {
		newest = max(newest, versions[i].Version)
	}
	return &newest
}

// attempt makes one text, or says why it cannot be made now.
func (b *Backlog) attempt(ctx context.Context, it *item) {
	ctx, span := b.options.Scope.Component("backlog").Tracer().Start(ctx, "backlog.transcribe")
	began := time.Now()
	var version int
	err := b.options.Failures.Guard("backlog", func() (err error) { // a defect costs this text and no other one
		version, err = b.text(ctx, it)
		return err
	})
	observe.EndSpan(span, err)
	cause := context.Cause(ctx) // of an interruption; nil where there was none
	b.mu.Lock()
	b.running--
	it.busy = false
	it.cancel(nil)
	b.mu.Unlock()
	switch {
	case err == nil:
		b.log.Info(eventMade, slog.String(recording.KeyRecording, string(it.Recording)), slog.Int("version", version), slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()))
		b.settle(ctx, it, version)
	case errors.Is(cause, errWithdrawn):
		b.wake(it)
	case cause != nil, scout.CodeOf(err) == scout.CodeEngineClosed: // the daemon ends: the next one continues
		b.log.Info(eventInterrupted, slog.String(recording.KeyRecording, string(it.Recording)))
		b.postpone(it, nil, 0)
	case errors.Is(err, errRecording):
		b.wait(it)
	case gone(err):
		_ = b.forget(ctx, it, outcomeGone) // a file that stays is looked at by the next process
	default:
		b.failed(ctx, it, err)
	}
}

func gone(err error) bool {
	code := scout.CodeOf(err)
	return code == scout.CodeRecordingNotFound || code == scout.CodeNotFound
}

// wake tells those who wait that the attempt is over.
func (b *Backlog) wake(it *item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tell(it)
}

// wait puts an item back whose recording goes on.
func (b *Backlog) wait(it *item) {
	b.mu.Lock()
	defer b.mu.Unlock()
	it.state, it.lookedAt = Recording, time.Now()
	b.over(it)
	b.tell(it)
}

// errRecording is a text that cannot be made yet.
var errRecording = scout.Errorf(scout.CodeRecordingInUse, "the recording has not ended")

// settle records that the text is there.
func (b *Backlog) settle(ctx context.Context, it *item, version int) {
	err := errors.Join(b.remove(it.Recording), b.dropWork(ctx, it.Recording))
	if err != nil { // the next process finds the text
		b.log.Warn(eventNotWritten, slog.String(recording.KeyRecording, string(it.Recording)), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
	b.mu.Lock()
	it.state, it.reason, it.made = Done, nil, version
	b.over(it)
	b.done = append(b.done, it.Recording)
	for len(b.done) > rememberedDone {
		if old := b.items[b.done[0]]; old != nil && old.state == Done {
			delete(b.items, b.done[0])
		}
		b.done = b.done[1:]
	}
	ended := it.dueAt
	b.tell(it)
	b.mu.Unlock()
	b.metrics.outcomes.WithLabelValues(outcomeDone).Inc()
	if !ended.IsZero() {
		b.metrics.took.Observe(time.Since(ended).Seconds())
	}
	b.note(ctx, "transcription.done", it.Recording, map[string]any{"version": version})
}

// postpone puts an item back; reason is why, nil if it was interrupted.
func (b *Backlog) postpone(it *item, reason error, in time.Duration) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := it.reason
	it.state, it.reason, it.next = Queued, reason, time.Now().Add(in)
	if reason != nil {
		it.state = Waiting
	}
	b.tell(it) // also where it waits as before: the loop may begin another one
	return reason != nil && (before == nil || before.Error() != reason.Error())
}

// failed decides what follows a failure: another attempt, or none.
func (b *Backlog) failed(ctx context.Context, it *item, err error) {
	attributes := []any{
		slog.String(recording.KeyRecording, string(it.Recording)), slog.Int("attempt", it.attempts), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()),
	}
	data := map[string]any{"code": scout.CodeOf(err), "message": scout.Plain(err), "hint": scout.HintOf(err)}
	if in, later := retryIn(err, it.attempts); later {
		if b.postpone(it, err, in) {
			_ = b.options.Failures.Count(err) // it returns its argument
			b.metrics.outcomes.WithLabelValues(outcomeWaiting).Inc()
			b.log.Warn(eventWaiting, attributes...)
			b.note(ctx, "transcription.waiting", it.Recording, data)
		}
		return
	}
	_ = b.options.Failures.Count(err) // it returns its argument
	b.mu.Lock()
	it.state, it.reason, it.Failure = Failed, err, failureOf(err)
	p := it.promise
	b.over(it)
	b.tell(it)
	b.mu.Unlock()
	b.metrics.outcomes.WithLabelValues(outcomeFailed).Inc()
	b.log.Error(eventFailed, attributes...)
	b.note(ctx, "transcription.failed", it.Recording, data)
	if err := b.write(&p); err != nil { // the next process tries again
		b.log.Warn(eventNotWritten, slog.String(recording.KeyRecording, string(it.Recording)), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
	}
}

// retryIn returns when to try again after a failure, and whether to.
func retryIn(err error, attempts int) (in time.Duration, later bool) {
	if NeedsModel(err) {
		return modelEvery, true
	}
	in = min(firstRetry<<min(attempts-1, 10), lastRetry) // a database that cannot be used is put right by a person
	return in, scout.ClassOf(err) == scout.Transient || store.IsAway(err)
}

// NeedsModel reports whether work has to wait until a person has put a model or the engine's program in its place.
func NeedsModel(err error) bool {
	switch scout.CodeOf(err) {
	case scout.CodeModelNotInstalled, scout.CodeModelUnknown, scout.CodeModelCorrupt, scout.CodeModelUnsupported, scout.CodeEngineMissing:
		return true
	}
	return false
}

// text makes the text of a recording and commits it. It returns the version.
func (b *Backlog) text(ctx context.Context, it *item) (version int, err error) {
	id := it.Recording
	if version, made, err := b.madeSince(ctx, it); made || err != nil { // without a store there is nowhere to put the text
		return version, err
	}
	m, err := b.folders().Manifest(id)
	if err != nil {
		return 0, err
	}
	if m.State == recording.StateRecording {
		return 0, errRecording
	}
	r, release, err := b.options.Engines.BorrowFor(ctx, it.Model, recognize.Accurate, it.Language)
	if err != nil {
		return 0, err
	}
	defer release()
	o := transcribe.Options{Class: schedule.Interactive, HotWords: it.HotWords, Effort: b.options.Effort}
	if o.Language, err = r.Language(it.Language); err != nil {
		return 0, err
	}
	if it.Effort != "" {
		if o.Effort, err = speech.ParseEffort(it.Effort); err != nil {
			return 0, err
		}
	}
	w, err := b.resume(ctx, id, transcribe.MakingOf(r, &o), &o)
	if err != nil {
		return 0, err
	}
	b.started(ctx, it, o.From)
	sink := &commit{history: b.options.History, text: history.Text{
		Recording: string(id), Client: it.Client, Once: it.once(),
		Also: func(tx store.Tx, _ store.Key, _ store.Version) error {
			return tx.EmptyStream(store.WorkStream(string(id)))
		},
	}}
	in := transcribe.Input{Path: b.folders().AudioPath(id)}
	watch := transcribe.Watch{Progress: func(_ int, p speech.Progress) { b.progress(ctx, it, p, m.Duration()) }}
	t := transcribe.New(b.options.Scope, b.options.Failures, r)
	err = t.Continue(ctx, in, o, sink, watch, transcribe.Leftover{
		Drop: w.drop, Committed: func() bool { return sink.committed },
		Ignored: func(err error) {
			b.log.Warn(eventWordsIgnored, slog.String(recording.KeyRecording, string(id)), slog.String(observe.KeyError, scout.Plain(err)))
		},
	})
	if sink.committed { // what is missing in it is told by its warnings
		if err != nil {
			b.log.Warn(eventIncomplete, slog.String(recording.KeyRecording, string(id)), slog.String(observe.KeyCode, string(scout.CodeOf(err))), slog.String(observe.KeyError, err.Error()))
		}
		return sink.version, nil
	}
	return 0, err
}

// started tells that there is all that the text needs, and where it begins: from is nil for the beginning.
func (b *Backlog) started(ctx context.Context, it *item, from *speech.Checkpoint) {
	begins := time.Duration(0)
	if from != nil {
		begins = segment.Duration(from.Next.Start)
	}
	b.mu.Lock()
	it.state, it.progress = Running, speech.Progress{Done: begins}
	b.tell(it)
	b.mu.Unlock()
	b.log.Info(eventBegun, slog.String(recording.KeyRecording, string(it.Recording)), slog.Int("attempt", it.attempts), slog.Int64("from_ms", begins.Milliseconds()))
	b.note(ctx, "transcription.started", it.Recording, map[string]any{"from_seconds": begins.Seconds()})
}

// progress tells how far an attempt is.
func (b *Backlog) progress(ctx context.Context, it *item, p speech.Progress, length time.Duration) {
	p.Total = cmp.Or(p.Total, length)
	b.mu.Lock()
	it.progress = p
	note := time.Since(it.notedAt) >= notedEvery
	if note {
		it.notedAt = time.Now()
	}
	b.tell(it)
	b.mu.Unlock()
	if note {
		b.note(ctx, "transcription.progress", it.Recording, map[string]any{"done_seconds": p.Done.Seconds(), "total_seconds": p.Total.Seconds()})
	}
}

// commit is a sink that puts the complete text into the history.
type commit struct {
	history   *history.History
	text      history.Text
	committed bool
	version   int
}

// Settled implements transcribe.Sink: a part of the text is kept nowhere.
func (*commit) Settled(context.Context, int, text.Document) error { return nil }

// Finish implements transcribe.Sink.
func (c *commit) Finish(ctx context.Context, _ int, doc text.Document) error {
	c.text.Transcript = doc.Transcript
	_, v, err := c.history.Keep(ctx, c.text)
	c.committed, c.version = err == nil, v.Version
	return err
}

// Abandon implements transcribe.Sink: the next attempt begins anew.
func (*commit) Abandon(context.Context, int, text.Document) (string, error) { return "", nil }

// Close implements transcribe.Sink.
func (*commit) Close(context.Context) error { return nil }
