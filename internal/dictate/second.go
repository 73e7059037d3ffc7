package dictate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/store"
)

// Accurate is a model for a second pass.
type Accurate struct {
	Recognizer
	// LoadQuietly loads the model in the lowest class, ahead of the first request.
	LoadQuietly func(ctx context.Context) error
}

// ErrNoSecondPass is why there is no second pass where none was wanted: nothing is told.
var ErrNoSecondPass = errors.New("no second pass is wanted")

// secondWithin is how long after the event final a dictation waits for its second pass.
const secondWithin = 15 * time.Second

// second is the second pass over a dictation. It begins when the fast model is loaded, and nothing of the first pass waits for it:
// docs/adr/0111-second-pass.md.
type second struct {
	session *session
	cancel  context.CancelCauseFunc
	over    chan struct{} // closed when text and err are set

	text speech.SecondText
	err  error

	mu     sync.Mutex
	model  string         // empty before one was chosen
	hears  *speech.Second // nil before there is one
	stopAt int64          // -1 before the stop
	endAt  int64          // -1 before the end
}

// hearAgain begins a second pass, which ends with ctx.
//
//	loaded  closed when the fast model is loaded, or is not going to be
func (s *session) hearAgain(ctx context.Context, fast string, loaded <-chan struct{}) *second {
	ctx, cancel := context.WithCancelCause(ctx)
	p := &second{session: s, cancel: cancel, over: make(chan struct{}), stopAt: -1, endAt: -1}
	asked := cmp.Or(s.kept.Request.Language, s.d.options.Language)
	o := speech.SecondOptions{HotWords: s.kept.Request.HotWords}
	if s.sent {
		o.Client = string(s.id)
	}
	if s.kept.Live != nil {
		o.From = s.kept.Live.Next.First()
	}
	go func() { // its owner waits: see end
		defer close(p.over)
		p.err = s.d.options.Failures.Guard("dictate", func() error { return p.run(ctx, asked, fast, o, loaded) })
	}()
	return p
}

// run chooses the model, loads it and hears the recording.
func (p *second) run(ctx context.Context, asked, fast string, o speech.SecondOptions, loaded <-chan struct{}) error {
	select {
	case <-loaded: // before, it would only delay that
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	d := p.session.d
	if err := d.fullQuality(); err != nil {
		return err
	}
	accurate, release, err := d.options.BorrowAccurate(ctx, fast, asked)
	if err != nil {
		return err
	}
	defer release()
	p.mu.Lock()
	p.model = accurate.Model
	p.mu.Unlock()
	o.Model, o.Trait = accurate.Model, accurate.Trait
	if o.Language, err = accurate.Language(asked); err != nil {
		return err
	}
	file := &recorded{folder: p.session.from.folder, id: p.session.id}
	defer file.close()
	o.Recorded = file
	hears, err := speech.NewSecond(d.options.Scope, d.options.Failures, accurate.Engine, o)
	if err != nil {
		return err
	}
	p.attach(hears)
	if err = accurate.LoadQuietly(ctx); err == nil {
		p.text, err = hears.Run(ctx)
	}
	if scout.CodeOf(err) == scout.CodeEngineLoadTimeout { // for a piece too: a process that has ended is loaded again
		return scout.Errorf(scout.CodeTooSlow, "load the model for a second pass: %s", scout.Plain(err))
	}
	return err
}

// fullQuality returns why there is no second pass at present: the machine is too busy.
func (d *Dictations) fullQuality() error {
	if level := d.degradation(); level > 0 {
		return doesLess(level)
	}
	return nil
}

// doesLess is why there is no second pass at a level of degradation.
func doesLess(level int) error {
	return scout.Errorf(scout.CodeUnavailable, "Scout does less at present (level %d)", level).WithHint("scout status says why")
}

// attach lets sound and the stop reach the pass.
func (p *second) attach(hears *speech.Second) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hears = hears
	if p.stopAt >= 0 {
		hears.Stop(p.stopAt)
	}
	if p.endAt >= 0 {
		hears.End(p.endAt)
	}
}

// write, stopped and ended are those of speech.Second. They may be called on nil.
func (p *second) write(at int64, samples []float32) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hears != nil {
		p.hears.Write(at, samples)
	}
}

func (p *second) stopped(at int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopAt = at; p.hears != nil {
		p.hears.Stop(at)
	}
}

func (p *second) ended(at int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.endAt = at; p.hears != nil {
		p.hears.End(at)
	}
}

// abandon ends the pass for a reason.
func (p *second) abandon(why error) {
	if p != nil {
		p.cancel(why)
	}
}

// end ends the pass and waits for that.
func (p *second) end() {
	if p != nil {
		p.cancel(errSessionOver)
		<-p.over
	}
}

var errSessionOver = scout.Errorf(scout.CodeCancelled, "the dictation is over")

// pending reports whether the pass may still revise the text.
func (p *second) pending() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.over:
		return p.err == nil
	default:
		return true
	}
}

// outcome is what became of a pass that is over without a text.
func (p *second) outcome() *event.SecondPass {
	switch {
	case errors.Is(p.err, ErrNoSecondPass):
		return &event.SecondPass{Outcome: event.SecondNone}
	case p.model == "" || leavesOut(p.err) || scout.ClassOf(p.err) == scout.Cancelled:
		return &event.SecondPass{Outcome: event.SecondNone, Model: p.model, Error: event.ProblemOf(p.err)}
	}
	return &event.SecondPass{Outcome: event.SecondFailed, Model: p.model, Error: event.ProblemOf(p.err)}
}

// publish waits for the second pass and writes what it knows better as a version, and the end of the session. final is the first pass.
func (s *session) publish(ctx context.Context, p *second, first *scout.Transcript, final event.Event) error {
	late := time.AfterFunc(secondWithin, func() { p.abandon(errSecondLate) })
	defer late.Stop()
	select {
	case <-p.over:
	case <-ctx.Done():
		return context.Cause(ctx) // the next process ends the session
	}
	var revised speech.Revision
	text := *first
	if p.err == nil {
		p.err = s.d.options.Failures.Guard("dictate", func() error {
			s.mu.Lock()
			words := slices.Clone(s.words)
			s.mu.Unlock() // an hour of words takes long enough for the next dictation to notice
			revised = speech.Revise(words, &p.text, s.kept.Request.HotWords)
			text.Model, text.Segments = p.model, speech.LiveSegments(revised.Words, text.SetAside)
			return nil
		})
	}
	s.d.noteSecond(p.err) // whoever sees the last event and asks is told
	took := time.Since(s.stoppedAt())
	var told event.SecondPass // by the last attempt
	var refused error         // why the better text can never be stored
	s.out.end(func(tx store.Tx) ([]event.Event, error) {
		told = event.SecondPass{Outcome: event.SecondSame, Model: p.model}
		var events []event.Event
		switch {
		case p.err != nil:
			told = *p.outcome()
		case refused != nil:
			told.Outcome, told.Error = event.SecondFailed, event.ProblemOf(refused)
		case !revised.Changed:
		default:
			version, edited, err := replace(tx, store.MainKey(string(s.id)), text)
			if err != nil {
				if scout.ClassOf(err) == scout.Permanent && scout.CodeOf(err) != scout.CodeConflict {
					refused = err // the next attempt, in a transaction that this text has not touched, ends the session without it
					s.d.noteSecond(err)
				}
				return nil, err
			}
			if told.Outcome = event.SecondEdited; !edited {
				told.Outcome = event.SecondPublished
				e := final
				millis := took.Milliseconds()
				e.Type, e.Text, e.Version, e.Kind, e.StopToTextMS, e.SecondPass = event.Revised, text.Text(), version.Version, string(version.Kind), &millis, nil
				events = append(events, e)
			}
		}
		copied := told
		return append(events, event.Event{Type: event.State, State: event.Done, SecondPass: &copied}), nil
	})
	if s.out.wait(ctx) {
		s.secondOver(&told, p, &revised, took)
	}
	return nil
}

// Conclude ends the second pass over a dictation whose text is there, because something of it is to be removed, and waits until that
// dictation is over, for a short time at most. It leaves one alone whose text is not there yet.
func (d *Dictations) Conclude(ctx context.Context, id recording.ID) {
	s := d.find(id)
	if s == nil || id == "" || !s.isConcluded() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, concludeWithin)
	defer cancel()
	s.again().abandon(errRemoved)
	s.out.wait(ctx)
}

// concludeWithin is how long Conclude waits: an answer of the store, with time to spare.
const concludeWithin = 5 * time.Second

// errRemoved is why there is no second version of a text that is to be removed.
var errRemoved = scout.Errorf(scout.CodeCancelled, "the text is to be removed")

// errSecondLate is why there is no second version of a dictation whose second pass took too long.
var errSecondLate = scout.Errorf(scout.CodeTooSlow, "the second pass was not complete %s after the stop", secondWithin)

// replace adds the text of the second pass, if that of the first is still the current one: nobody has changed, restored or removed it.
func replace(tx store.Tx, key store.Key, text scout.Transcript) (version store.Version, edited bool, err error) {
	current, err := tx.Transcript(key, 0)
	switch {
	case scout.CodeOf(err) == scout.CodeNotFound, scout.CodeOf(err) == scout.CodeRecordingNotFound: // purged
		return version, true, nil
	case err != nil:
		return version, false, err
	case current.Kind != store.KindFirst || current.Held() || !current.DeletedAt.IsZero():
		return version, true, nil
	}
	version, err = tx.PutTranscript(store.Put{Key: key, Kind: store.KindSecondPass, Transcript: text, Once: "second"})
	return version, false, err
}

// secondOver counts and logs what became of a second pass.
func (s *session) secondOver(told *event.SecondPass, p *second, r *speech.Revision, took time.Duration) {
	if errors.Is(p.err, ErrNoSecondPass) {
		return
	}
	m := s.d.metrics
	m.second.WithLabelValues(told.Outcome).Inc()
	log := s.log.With(slog.String("outcome", told.Outcome), slog.String(observe.KeyModel, p.model), slog.Int("pieces", p.text.Pieces),
		slog.Int("replaced", r.Replaced), slog.Int("kept", r.Kept), slog.Int64("stop_to_second_ms", took.Milliseconds()), slog.Int64("decoding_ms", p.text.Decoding.Milliseconds()))
	if told.Outcome == event.SecondFailed {
		code := string(told.Error.Code)
		m.secondErrors.WithLabelValues(code).Inc()
		log.Warn(eventSecondFailed, slog.String(observe.KeyCode, code), slog.String(observe.KeyError, told.Error.Message))
		return
	}
	if told.Error != nil {
		log = log.With(slog.String(observe.KeyCode, string(told.Error.Code)), slog.String(observe.KeyError, told.Error.Message))
	}
	if p.err == nil {
		m.secondText.Observe(took.Seconds())
	}
	log.Info(eventSecond)
}

// leavesOut reports whether a second pass was left out for the machine's sake, or because the model does not know the language: nothing is
// wrong then.
func leavesOut(err error) bool {
	switch scout.CodeOf(err) {
	case scout.CodeUnavailable, scout.CodeOutOfMemory, scout.CodeTooSlow, scout.CodeModelLanguage:
		return true
	}
	return false
}

// noteSecond notes how the last second pass went.
func (d *Dictations) noteSecond(err error) {
	switch {
	case errors.Is(err, ErrNoSecondPass):
		err = nil // nothing is wrong with the last dictation
	case scout.ClassOf(err) == scout.Cancelled:
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.secondErr = err
}

// SecondPass tells whether a second pass is being made, and why the last one failed.
func (d *Dictations) SecondPass() (model string, failed error) {
	for _, s := range d.sessions() {
		if p := s.again(); p != nil {
			p.mu.Lock()
			select {
			case <-p.over:
			default:
				if p.hears != nil {
					model = p.model
				}
			}
			p.mu.Unlock()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return model, d.secondErr
}

// finishAgain ends a session whose text an earlier process has published.
func (s *session) finishAgain() {
	s.out.end(func(store.Tx) ([]event.Event, error) {
		return []event.Event{{Type: event.State, State: event.Done}}, nil
	})
}

// published is the state from which the next process knows that the text is there.
func (s *session) published() json.RawMessage {
	s.kept.Published, s.kept.Live = true, nil
	data, err := json.Marshal(s.kept)
	if err != nil {
		return nil // it always works: see kept
	}
	return data
}
