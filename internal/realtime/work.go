package realtime

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/speech"
)

// Recognizer is a model that turns the speech of an item into text.
type Recognizer struct {
	// Model is its id.
	Model  string
	Engine Engine
	// Language is the code of what is spoken, empty if the model finds it.
	Language string
	// Known is the code of the only language that the model knows, empty if there are several.
	Known string
	Trait speech.Trait
	// HotWords are those that it prefers.
	HotWords []string
	// CountsTokens says that the client named a model whose usage is counted in tokens.
	CountsTokens bool
}

// Engine runs a model; *engine.Engine is one.
type Engine interface {
	speech.Recognizer
	Load(ctx context.Context) (engine.Facts, error)
}

const (
	// usualPatience is that of Options.
	usualPatience = 2 * time.Minute
	// firstPause and longPause bound the wait before a model is asked for again.
	firstPause, longPause = 250 * time.Millisecond, 5 * time.Second
	// readFrames is how much sound is read at a time.
	readFrames = scout.EngineSampleRateHz / 2
	// lateAfter is how long text may be owed before health says so.
	lateAfter = 5 * time.Second
)

// errDropped ends the transcription of an item that nobody wants any more.
var errDropped = errors.New("the item was dropped")

// work transcribes one item after the other until ctx ends.
func (s *Session) work(ctx context.Context) {
	for {
		it := s.next(ctx)
		if it == nil {
			return
		}
		err := s.of.options.Failures.Guard("realtime", func() error { s.transcribe(ctx, it); return nil })
		if err != nil && s.awaitEnd(ctx, it) { // a panic; it was counted
			s.failed(it, err)
		}
	}
}

// next waits for an item of which there is sound; nil when ctx ends.
func (s *Session) next(ctx context.Context) *Item {
	for ctx.Err() == nil {
		s.mu.Lock()
		it, news := s.machine.Next(), s.news
		s.mu.Unlock()
		if it != nil {
			return it
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// transcribe makes the text of an item, or tells that there will be none.
func (s *Session) transcribe(ctx context.Context, it *Item) {
	s.mu.Lock()
	s.turn = time.Now()
	s.mu.Unlock()
	defer s.owes(speech.LiveOwed{}) // of this item
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		err := s.attempt(ctx, it)
		switch {
		case err == nil, errors.Is(err, errDropped), ctx.Err() != nil:
			return
		}
		s.note(err)
		if scout.ClassOf(err) == scout.Permanent || s.overdue(it) {
			if s.awaitEnd(ctx, it) {
				s.failed(it, err)
			}
			return
		}
		if resilience.Sleep(ctx, pause) != nil {
			return
		}
	}
}

// overdue reports whether an item waits for too long.
func (s *Session) overdue(it *Item) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !it.Committed.IsZero() && !time.Now().Before(s.deadline(it))
}

// deadline is when an item fails if the engine still does: it counts from the latest of its commit, its turn at the engine, and the failure
// since which nothing was heard. The caller holds the lock.
func (s *Session) deadline(it *Item) time.Time {
	from := it.Committed
	for _, at := range []time.Time{s.turn, s.failing} {
		if at.After(from) {
			from = at
		}
	}
	return from.Add(s.of.options.Patience)
}

// awaitEnd waits for the end of an item; it returns false if nobody wants it any more.
func (s *Session) awaitEnd(ctx context.Context, it *Item) bool {
	for {
		s.mu.Lock()
		if told := len(s.events); it.End < 0 && !it.Dropped { // nobody hears it: turns end by levels
			if s.machine.Hear(it, durationOf(s.machine.Until(it)-it.Origin), time.Now()); len(s.events) > told {
				s.changed()
			}
		}
		dropped, ended, news := it.Dropped, it.End >= 0, s.news
		s.mu.Unlock()
		if dropped || ended {
			return !dropped
		}
		select {
		case <-news:
		case <-ctx.Done():
			return false
		}
	}
}

// attempt makes the text of an item. Failures of the engine do not end it, as long as it is not overdue.
func (s *Session) attempt(ctx context.Context, it *Item) error {
	r, release, err := s.of.options.Borrow(ctx, it.Ask)
	if err != nil {
		return err
	}
	defer release()
	s.lent()
	counted := s.counts(it, &r)
	before := s.said.before(it, &r)
	options := speech.LiveOptions{
		Model: r.Model, Language: r.Language, Trait: r.Trait, HotWords: r.HotWords, Tokens: it.Ask.LogProbs || it.Counts, Recorded: stretch{s.tape, it.Origin}, Client: cmp.Or(s.client, "owner"),
		From:    it.state, // what is text stays, and nothing is said twice
		Context: before,
		Ease:    s.of.options.Ease,
		Partial: func(p speech.LivePartial) {
			s.with(func(m *Machine) { m.Guess(it, p.Words, p.To, time.Now()) })
		},
		Committed: func(c speech.LiveCommitted) {
			// Where the model found no words although it should have, nobody can tell what was said; audio that ends the engine is another matter.
			it.broke = it.broke || slices.ContainsFunc(c.SetAside, func(a scout.SetAside) bool { return a.Code != scout.CodeTextLost })
			it.state = &c.State
			s.said.add(it, c.Words)
			s.with(func(m *Machine) {
				m.Through(it, c.Through)
				m.Add(it, c.Text, c.Words, c.Through, time.Now())
			})
			s.tape.drop(it.Origin + min(framesOf(c.Through)-contextFrames, c.State.Next.First()))
		},
		Heard: func(to time.Duration) {
			s.works()
			s.with(func(m *Machine) { m.Hear(it, to, time.Now()) })
		},
		Owed: func(o speech.LiveOwed) { s.owes(o) },
	}
	if it.Delay > 0 {
		options.CommitByAge(it.Delay)
	}
	live, err := speech.NewLive(s.of.options.Scope, s.of.options.Failures, r.Engine, options)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { // while the first words are spoken
		_, _ = r.Engine.Load(running) // the first request says what is wrong
		return nil
	})
	at := it.Origin
	if it.state != nil {
		at += it.state.Next.First()
	}
	group.Go(func() error { return s.feed(running, live, it, at) })
	var final speech.LiveFinal
	group.Go(func() (err error) {
		final, err = live.Run(running)
		end(nil)
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	s.said.end(it, &r)
	s.completed(it, cmp.Or(final.Language, r.Language, r.Known), final.Words == 0 && it.broke, counted)
	return nil
}

// feed gives the sound of an item from a position on to its transcription, until that ends.
func (s *Session) feed(ctx context.Context, live *speech.Live, it *Item, at int64) error {
	samples := make([]float32, readFrames)
	ended := false
	for {
		s.mu.Lock()
		until, end, dropped, news := s.machine.Until(it), it.End, it.Dropped, s.news
		patience, why := s.patience(it)
		s.mu.Unlock()
		switch {
		case dropped:
			return errDropped
		case patience == 0:
			return why
		case at < until:
			n, err := s.tape.read(samples[:min(readFrames, until-at)], at)
			if err != nil {
				return err
			}
			live.Write(at-it.Origin, samples[:n])
			at += int64(n)
			continue
		case end >= 0 && !ended:
			live.End(end - it.Origin)
			ended = true
		}
		timer := time.NewTimer(patience)
		select {
		case <-news:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
		timer.Stop()
	}
}

// patience is how long an item may still wait for its text, 0 for no longer, and why. The caller holds the lock.
func (s *Session) patience(it *Item) (time.Duration, error) {
	if s.owed == nil || it.Committed.IsZero() {
		return s.of.options.Patience, nil
	}
	return max(0, time.Until(s.deadline(it))), s.owed
}

// owes notes that text is late, and why.
func (s *Session) owes(o speech.LiveOwed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.owed = o.Err; {
	case o.Err == nil:
		s.failing = time.Time{}
	case s.failing.IsZero():
		s.failing = time.Now()
	}
	switch {
	case o.From == o.To:
		s.behind = time.Time{}
	case s.behind.IsZero():
		s.behind = time.Now()
	}
	s.tellLate()
	s.changed()
}

// note keeps why there is no text at the moment.
func (s *Session) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed = err
	if s.failing.IsZero() {
		s.failing = time.Now()
	}
	if s.behind.IsZero() {
		s.behind = s.failing
	}
	s.tellLate()
}

// lent notes that there is an engine: what kept an attempt from beginning is over. Whether the engine works is not known yet.
func (s *Session) lent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed, s.behind = nil, time.Time{}
	s.tellLate()
}

// works notes that the engine heard something.
func (s *Session) works() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = time.Time{}
}

// lateness is since when text of a session is late, and why.
type lateness struct {
	since time.Time
	why   error
}

// tellLate has health see whether text is late. The caller holds the lock.
func (s *Session) tellLate() { s.lateness.Store(&lateness{s.behind, s.owed}) }

// late is what health says about the session; empty if nothing. It waits for nobody: a disk that hangs keeps a session, and not health.
func (s *Session) late() string {
	l := s.lateness.Load()
	switch {
	case l == nil || l.since.IsZero() || time.Since(l.since) < lateAfter:
		return ""
	case l.why != nil:
		return "text of a realtime session is late: " + scout.Plain(l.why)
	}
	return "text of a realtime session is late: the machine is too slow for it"
}
