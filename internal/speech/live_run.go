package speech

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech/segment"
)

// Run transcribes until everything up to the stop is text, and returns a nil error then. It returns the cause of ctx
// when that ends first: the last LiveCommitted.State is where to continue. A failure of the engine or of reading the
// recording does not end it: it tries again, after 0.25 to 5 s, as long as ctx lives. Call it once.
func (l *Live) Run(ctx context.Context) (final LiveFinal, err error) {
	ctx, span := l.scope.Tracer().Start(ctx, "speech.live", trace.WithAttributes(attribute.String("model", l.options.Model)))
	began := time.Now()
	l.scope.Log().Info(eventTranscriptionStarted, slog.String(observe.KeyModel, l.options.Model), slog.String("kind", kindLive))
	defer func() {
		l.record(final, time.Since(began), err)
		observe.EndSpan(span, err)
	}()
	ctx, cancel := context.WithCancel(ctx)
	d := &driver{Live: l}
	defer func() {
		cancel()
		for d.working > 0 { // tasks end soon after their context
			<-d.results
			d.working--
		}
	}()
	d.results = make(chan finished)
	err = l.failures.Guard("speech", func() error {
		final, err = d.run(ctx)
		return err
	})
	return final, err
}

// driver runs a growth on the clock of the machine.
type driver struct {
	*Live
	results chan finished
	working int // tasks that will send a result
	current *task
	cancel  context.CancelFunc // of current
	heard   int64              // what LiveOptions.Heard was told
}

// finished is a task with its outcome.
type finished struct {
	task    *task
	outcome outcome
}

// lookEvery is how often the driver looks at what is owed while nothing else happens.
const lookEvery = time.Second

func (d *driver) run(ctx context.Context) (LiveFinal, error) {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	for {
		now := time.Now()
		missing, wake, err := d.growth.feed(d.intake, now)
		if err != nil {
			return LiveFinal{}, err
		}
		d.behind.Store(int64(d.growth.behind(d.intake)))
		d.pass(d.growth.due(d.intake))
		if d.current != nil && d.growth.supersedes(d.current, d.intake, now) {
			d.cancel()
			d.growth.abandon(d.current)
			d.metrics.decodes.WithLabelValues("abandoned").Inc()
			d.current = nil
		}
		d.tellHeard()
		if d.current == nil {
			if d.growth.finished() {
				if d.options.Client == "" { // it is the promise of a dictation
					d.metrics.stopToText.Observe(now.Sub(d.intake.stoppedAt()).Seconds())
				}
				d.tellOwed(now)
				return d.growth.final(), nil
			}
			next, later := d.growth.plan(d.intake, missing, now)
			if next != nil {
				d.start(ctx, next)
			} else {
				wake = earlier(wake, later)
			}
		}
		d.tellHeard()
		d.tellOwed(now)
		timer.Reset(time.Until(earlier(wake, now.Add(d.growth.patience(d.current, d.intake, now)))))
		select {
		case <-d.intake.wake:
		case <-timer.C:
		case r := <-d.results:
			d.working--
			if r.task != d.current {
				continue // it was abandoned
			}
			d.cancel()
			d.current = nil
			if err := d.finish(r); err != nil {
				return LiveFinal{}, err
			}
		case <-ctx.Done():
			return LiveFinal{}, context.Cause(ctx)
		}
	}
}

// start begins a task. Run waits for its result.
func (d *driver) start(ctx context.Context, t *task) {
	ctx, d.cancel = context.WithCancel(ctx)
	d.current = t
	d.working++
	go func() {
		var o outcome
		err := d.failures.Guard("speech", func() error {
			o = t.perform(ctx, d.decoder, d.options.Recorded)
			return nil
		})
		if err != nil {
			o = outcome{err: err}
		}
		d.results <- finished{t, o}
	}()
}

// finish passes on what a task gave.
func (l *Live) finish(r finished) error {
	l.metrics.decodes.WithLabelValues(r.outcome.result(r.task)).Inc()
	said, err := l.growth.done(r.task, r.outcome, time.Now())
	if err != nil {
		return err
	}
	l.pass(said)
	return nil
}

// pass calls the callbacks.
func (l *Live) pass(s said) {
	if k := s.kept; k.To > k.From {
		l.scope.Log().Info(eventTextKept, slog.Int64("start_ms", k.From.Milliseconds()), slog.Int64("end_ms", k.To.Milliseconds()))
	}
	if s.closed != nil {
		l.decoder.tellLost(s.closed)
	}
	if n := s.tongue; n != nil {
		l.scope.Log().Info(eventLanguageChanged, slog.String("from", n.from), slog.String("to", n.to),
			slog.Int64("start_ms", n.at.Milliseconds()), slog.Float64("probability", n.prob))
	}
	if c := s.committed; c != nil {
		l.metrics.words.Add(float64(len(c.Words)))
		l.late(c.Words)
		if l.options.Committed != nil {
			l.options.Committed(*c)
		}
	}
	if s.partial != nil && l.options.Partial != nil {
		l.options.Partial(*s.partial)
	}
}

// late counts how long words took to become final.
func (l *Live) late(words []scout.Word) {
	come := segment.Duration(l.intake.come())
	for i := range words {
		if end := words[i].End; end != nil {
			l.metrics.delay.Observe(max(0, come-*end).Seconds())
		}
	}
}

// tellHeard says up to where the audio was heard, if that is news.
func (d *driver) tellHeard() {
	if to := d.growth.peekedTo; to > d.heard {
		d.heard = to
		if d.options.Heard != nil {
			d.options.Heard(segment.Duration(to))
		}
	}
}

// tellOwed says what is owed, if that is news.
func (l *Live) tellOwed(now time.Time) {
	before := l.growth.owed
	owed, news := l.growth.owing(l.intake, now)
	if !news {
		return
	}
	l.owes((owed.To - owed.From).Seconds())
	switch {
	case owed.From == owed.To:
		l.scope.Log().Info(eventLiveCaughtUp, slog.Int64("start_ms", owed.From.Milliseconds()), slog.Int64("end_ms", owed.To.Milliseconds()))
	case before == LiveOwed{}:
		code, reason := "", ""
		if owed.Err != nil {
			code, reason = string(scout.CodeOf(owed.Err)), scout.Plain(owed.Err)
		}
		l.scope.Log().Warn(eventLiveBehind, slog.Int64("start_ms", owed.From.Milliseconds()), slog.Int64("end_ms", owed.To.Milliseconds()),
			slog.String(observe.KeyCode, code), slog.String(observe.KeyError, reason))
	}
	if l.options.Owed != nil {
		l.options.Owed(owed)
	}
}

// kindLive labels the metrics of package speech.
const kindLive = "live"

// owes tells how much audio is owed: the gauge is the sum of all transcriptions. It is called by Run alone.
func (l *Live) owes(seconds float64) {
	l.metrics.owed.Add(seconds - l.told)
	l.told = seconds
}

// record counts and logs the end.
func (l *Live) record(final LiveFinal, took time.Duration, err error) {
	l.owes(0)
	if err != nil {
		code := string(scout.CodeOf(err))
		l.decoder.metrics.errors.WithLabelValues(kindLive, code).Inc()
		l.scope.Log().Warn(eventTranscriptionFailed, slog.String("kind", kindLive), slog.String(observe.KeyModel, l.options.Model),
			slog.String(observe.KeyCode, code), slog.String(observe.KeyError, scout.Plain(err)), slog.Int64(observe.KeyDurationMS, took.Milliseconds()))
		return
	}
	l.decoder.metrics.duration.WithLabelValues(kindLive, l.options.Model).Observe(took.Seconds())
	l.decoder.metrics.audio.WithLabelValues(kindLive).Add(max(0, final.Duration-l.options.Context.length()).Seconds())
	for _, w := range final.Warnings {
		l.decoder.metrics.warnings.WithLabelValues(string(w.Code)).Inc()
	}
	l.scope.Log().Info(eventTranscriptionFinished, slog.String("kind", kindLive), slog.String(observe.KeyModel, l.options.Model),
		slog.Int64(observe.KeyAudioMS, final.Duration.Milliseconds()), slog.Int64(observe.KeyDurationMS, took.Milliseconds()),
		slog.Int("words", final.Words), slog.Int("set_aside", l.growth.heard.SetAside), slog.Int("warnings", len(final.Warnings)))
}

// result labels an outcome in the metrics.
func (o *outcome) result(t *task) string {
	switch {
	case o.err != nil:
		return "failed"
	case t.kind == taskRead:
		return "read"
	case o.doubt != "":
		return "doubted"
	case t.kind == taskPeek:
		return "partial"
	case t.kind == taskAsk:
		return "language"
	case t.kind == taskReady:
		return "ready"
	}
	return "closed"
}

// finished reports whether everything up to the stop is text.
func (g *growth) finished() bool { return g.closed && len(g.queue) == 0 }

// supersedes reports whether a running task is given up: a peek when the stop has come, and a closed piece that has
// kept the person waiting who has stopped since, so that it is sent again as urgent.
func (g *growth) supersedes(t *task, in *intake, now time.Time) bool {
	switch {
	case !g.stopped:
		return false
	case t.kind == taskAsk:
		return true
	case t.kind == taskReady || t.kind == taskPeek && (t.from != nil || t.piece.HeardTo()-t.piece.HeardFrom() <= g.ends().Whole):
		return g.closed && (!g.awaits(t) || g.isReady())
	case t.kind == taskPeek:
		return g.closed || len(g.queue) > 0
	case t.kind == taskClose && g.closed && len(g.queue) > 0 && g.queue[0].End() != t.piece.End():
		return true // it is finished together with the open piece
	}
	return t.kind == taskClose && t.how.Class != g.options.stopClass() && now.Sub(in.stoppedAt()) >= stopPatience
}

// awaits reports whether a task will give the text of the last piece, because nobody spoke after the audio that it has.
func (g *growth) awaits(t *task) bool {
	h := hypothesis{start: t.piece.Start, to: t.piece.End()}
	return len(g.queue) > 0 && h.covers(g.queue[0])
}

// isReady reports whether the text of the last piece is there, because nobody spoke since it was made ready.
func (g *growth) isReady() bool {
	return len(g.queue) > 0 && g.ready.final && g.ready.covers(g.queue[0])
}

// patience is how long to wait before the next look, with t running.
func (g *growth) patience(t *task, in *intake, now time.Time) time.Duration {
	if t != nil && t.kind == taskClose && g.stopped && t.how.Class != g.options.stopClass() {
		return max(0, stopPatience-now.Sub(in.stoppedAt()))
	}
	return lookEvery
}

// earlier returns the earlier of two times, of which a zero one does not count.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
