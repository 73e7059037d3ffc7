package dictate

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/resilience"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/store"
)

// transcribe is the session's work.
func (s *session) transcribe(ctx context.Context) error {
	began := time.Now()
	if s.kept.Published {
		s.finishAgain()
		return nil
	}
	select {
	case <-s.begun:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.missing != nil {
		return s.missing
	}
	if s.sent {
		if err := s.d.options.Sent.Recovered(ctx); err != nil { // what an earlier process did not acknowledge is no sound of the recording
			return err
		}
	}
	r, language, release, err := s.d.recognizer(ctx, s.request())
	if err != nil {
		return err
	}
	defer release()
	if err := s.remember(ctx); err != nil {
		return err
	}
	s.kept.Model, s.kept.Language = r.Model, language
	s.log.Info(eventStarted, slog.String(observe.KeyModel, r.Model), slog.String("language", language))
	file := &recorded{folder: s.from.folder, id: s.id}
	defer file.close()
	live, err := speech.NewLive(s.d.options.Scope, s.d.options.Failures, r.Engine, speech.LiveOptions{
		Model: r.Model, Language: language, Trait: r.Trait, Recorded: file, From: s.kept.Live, HotWords: s.kept.Request.HotWords,
		Lanes: min(engine.DefaultSlots, runtime.NumCPU()), Ease: s.d.options.Ease,
		Partial: s.heardPartial, Committed: s.committed, Owed: s.owes,
	})
	if err != nil {
		return err
	}
	loaded := make(chan struct{})
	var again *second
	if s.d.options.BorrowAccurate != nil && s.kept.Request.Model == "" {
		again = s.hearAgain(ctx, r.Model, loaded)
		defer again.end()
	}
	s.attach(live, again)
	running, end := context.WithCancel(ctx)
	defer end()
	group, running := errgroup.WithContext(running)
	group.Go(func() error { // loads the model while the first words are spoken
		defer close(loaded)
		_, _ = r.Engine.Load(running) // the first request says what is wrong
		return nil
	})
	from := int64(0)
	if state := s.kept.Live; state != nil { // live.Run changes it
		from = state.Next.First()
	}
	group.Go(func() error { return s.feed(running, live, from) })
	group.Go(func() error { return s.promise(running) })
	group.Go(func() error {
		select {
		case <-s.calledOff:
			return errCancelled
		case <-running.Done():
			return nil
		}
	})
	var final speech.LiveFinal
	group.Go(func() (err error) {
		defer end()
		final, err = live.Run(running)
		return err
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if !s.concludes() { // somebody wants no text, and was quicker
		return errCancelled
	}
	return s.complete(ctx, final, began, again)
}

// again is the second pass, nil for none.
func (s *session) again() *second {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.second
}

func (s *session) stoppedAt() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stopped
}

// languageAuto is a language that the model finds.
const languageAuto = "auto"

// request is what the client wanted; after a restart, with the model that the text was begun with.
func (s *session) request() Request {
	r := s.kept.Request
	if s.kept.Live != nil {
		r.Model, r.Language = s.kept.Model, cmp.Or(s.kept.Language, languageAuto)
	}
	return r
}

// remember reads back the words that an earlier process has committed.
func (s *session) remember(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	const batch = 500
	for after := uint64(0); after < s.replay; {
		replay, err := s.d.options.Store.Events(ctx, store.LiveStream(string(s.id)), after, batch)
		if err != nil {
			return err
		}
		if len(replay.Events) == 0 {
			return nil
		}
		for _, stored := range replay.Events {
			if after = stored.Seq; stored.Type != event.Committed && stored.Type != event.Gap {
				continue
			}
			var e event.Event
			if err := json.Unmarshal(stored.Data, &e); err != nil {
				return scout.Errorf(scout.CodeStoreCorrupt, "continue dictation %s: %w", s.id, err)
			}
			if e.Type == event.Gap {
				s.hasTold(&e)
				continue
			}
			s.words = append(s.words, e.Spoken()...)
			s.aside = append(s.aside, e.SetAside()...)
			s.newest = e.Seq
		}
	}
	if s.replay > 0 {
		s.tellGaps()
	}
	return nil
}

// attach lets stops and ends reach the transcription, and its second pass if there is one.
func (s *session) attach(live *speech.Live, again *second) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live, s.second = live, again
	if s.limit >= 0 {
		live.End(s.limit)
		again.ended(s.limit)
	}
}

// feed gives the sound of the recording from a position on to the transcription, until the recording ends.
func (s *session) feed(ctx context.Context, live *speech.Live, from int64) error {
	in, err := openSource(s.from.folder, s.id, s.from.live, from)
	if err != nil {
		return err
	}
	defer in.close()
	var meter meter
	again := s.again()
	for {
		at, samples, err := in.read(ctx)
		switch {
		case errors.Is(err, io.EOF):
			s.endedAt(in.next)
			return nil
		case err != nil && ctx.Err() != nil:
			return nil // the text is complete, or the process ends
		case err != nil:
			return err
		}
		live.Write(at, samples)
		again.write(at, samples)
		s.reached(at+int64(len(samples)), live)
		if s.levels.Receivers() > 0 {
			meter.add(samples, func(rms, peak float32, frames uint64) {
				s.levels.Send(event.Event{Type: event.Level, RMS: &rms, Peak: &peak, Frames: frames})
			})
		}
	}
}

// reached notes how far the stream has come.
func (s *session) reached(at int64, live *speech.Live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.heard.IsZero()
	s.at, s.heard = at, time.Now()
	switch {
	case !s.stopped.IsZero():
		if first && s.limit < 0 && !s.sent { // it came before the first frame
			s.stopLive(live, s.heard)
		}
	case s.state == "":
		s.setState(event.Listening, nil) // an earlier process began it
	}
}

// finalWithin is how long after the stop the event final may wait for the text to be complete: an engine that died is back in less.
const finalWithin = 10 * time.Second

// promise tells what there is when the text is not complete long after the stop. The rest follows as a revision.
func (s *session) promise(ctx context.Context) error {
	select {
	case <-s.finish:
	case <-ctx.Done():
		return nil
	}
	if resilience.Sleep(ctx, finalWithin) != nil {
		return nil // the text is complete
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.promised = true
	text := scout.Transcript{Segments: speech.LiveSegments(s.words, s.aside)}
	took, complete := time.Since(s.stopped).Milliseconds(), false
	s.out.add(event.Event{Type: event.Final, Text: text.Text(), StopToTextMS: &took, Complete: &complete, Error: event.ProblemOf(s.owed.Err)}, nil)
	return nil
}

// heardPartial passes on text that may change.
func (s *session) heardPartial(p speech.LivePartial) {
	e := event.Event{Type: event.Partial, Text: p.Text, End: event.Seconds(p.To)}
	if len(p.Words) > 0 && p.Words[0].Start != nil {
		e.Start = event.Seconds(*p.Words[0].Start)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e.After = s.newest
	s.partial = &e
	s.passing.Send(e)
}

// committed writes words that never change.
func (s *session) committed(c speech.LiveCommitted) {
	s.kept.Live = &c.State
	data, err := json.Marshal(s.kept)
	if err != nil {
		data = nil // it always works: see kept
	}
	if c.Text == "" && len(c.Words) == 0 && len(c.SetAside) == 0 {
		s.out.save(data) // only the place to continue is new
		return
	}
	e := event.Event{Type: event.Committed, Text: c.Text, Words: event.WordsOf(c.Words), Aside: event.AsideOf(c.SetAside), End: event.Seconds(c.Through)}
	if len(c.Words) > 0 && c.Words[0].Start != nil {
		e.Start = event.Seconds(*c.Words[0].Start)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.words = append(s.words, c.Words...)
	s.aside = append(s.aside, c.SetAside...)
	s.partial = nil
	s.newest = s.out.add(e, data)
}

// owes tells that text is late, and that it is not any more.
func (s *session) owes(o speech.LiveOwed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.owed
	s.owed = o
	if o.From == o.To {
		s.behind = time.Time{}
	} else if s.behind.IsZero() {
		s.behind = time.Now()
	}
	if (was.From == was.To) == (o.From == o.To) && scout.CodeOf(was.Err) == scout.CodeOf(o.Err) {
		return // nothing new: it only grows
	}
	s.out.add(event.Event{Type: event.Behind, Start: event.Seconds(o.From), End: event.Seconds(o.To), Delay: event.Seconds(o.To - o.From), Error: event.ProblemOf(o.Err)}, nil)
}

// lateAfter is how long text may be owed before health says so.
const lateAfter = 5 * time.Second

// late is what health says about the session; empty if nothing.
func (s *session) late() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind.IsZero() || time.Since(s.behind) < lateAfter {
		return ""
	}
	if s.owed.Err != nil {
		return "text of a dictation is late: " + scout.Plain(s.owed.Err)
	}
	return "text of a dictation is late: the machine is too slow for it"
}

// complete writes the text as a version, and the end of the session.
// If a second pass is under way, the end follows that.
func (s *session) complete(ctx context.Context, final speech.LiveFinal, began time.Time, again *second) error {
	if err := s.known(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	stopped, kind, words := s.stopped, event.Final, len(s.words)
	text := scout.Transcript{
		Model: s.kept.Model, Language: s.kept.Language, Duration: final.Duration,
		Segments: speech.LiveSegments(s.words, s.aside), SetAside: s.aside, Warnings: final.Warnings,
	}
	if text.Language == "" {
		text.Language, text.LanguageProb = final.Language, final.LanguageProb
	}
	if s.promised {
		kind = event.Revised
	}
	s.mu.Unlock()
	complete := text.Complete()
	warnings := make([]string, 0, len(final.Warnings))
	for i := range final.Warnings {
		warnings = append(warnings, final.Warnings[i].Message)
	}
	first := event.Event{Type: kind, Text: text.Text(), Duration: event.Seconds(final.Duration), Complete: &complete, Warnings: warnings}
	put := func(tx store.Tx, e *event.Event) error {
		version, err := tx.PutTranscript(store.Put{Key: store.MainKey(string(s.id)), Kind: store.KindFirst, Transcript: text, Once: "live"})
		took := time.Since(stopped).Milliseconds()
		e.Version, e.Kind, e.StopToTextMS = version.Version, string(version.Kind), &took
		return err
	}
	pending := again.pending()
	var told *event.SecondPass
	switch {
	case again == nil:
		s.d.noteSecond(ErrNoSecondPass)
	case !pending:
		told = again.outcome()
		s.d.noteSecond(again.err)
	}
	if pending {
		first.SecondPass = &event.SecondPass{Outcome: event.SecondPending}
		s.out.addWith(first, s.published(), put)
	} else {
		s.out.end(func(tx store.Tx) ([]event.Event, error) {
			e := first
			err := put(tx, &e)
			return []event.Event{e, {Type: event.State, State: event.Done, SecondPass: told}}, err
		})
	}
	took := time.Since(stopped)
	s.d.metrics.dictations.WithLabelValues("done").Inc()
	s.d.metrics.text.WithLabelValues("live").Observe(took.Seconds())
	s.log.Info(eventFinished, slog.Int64(observe.KeyAudioMS, final.Duration.Milliseconds()), slog.Int("words", words),
		slog.Int64("stop_to_text_ms", took.Milliseconds()), slog.Int64(observe.KeyDurationMS, time.Since(began).Milliseconds()))
	switch {
	case pending:
		return s.publish(ctx, again, &text, first)
	case told != nil:
		s.secondOver(told, again, &speech.Revision{}, took)
	}
	return nil
}

// known makes sure that the store knows the recording.
func (s *session) known(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		_, err := s.d.options.Store.Recording(ctx, string(s.id))
		if scout.CodeOf(err) == scout.CodeRecordingNotFound {
			err = s.d.options.See(ctx, string(s.id))
		}
		if err == nil || scout.ClassOf(err) == scout.Permanent {
			return err
		}
		if err := resilience.Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// meter measures the level of a stream, twenty times a second.
type meter struct {
	sum    float64
	peak   float32
	frames int
	total  uint64
}

func (m *meter) add(samples []float32, tell func(rms, peak float32, frames uint64)) {
	const every = scout.EngineSampleRateHz / 20
	for _, v := range samples {
		m.sum += float64(v) * float64(v)
		m.peak = max(m.peak, v, -v)
		if m.frames++; m.frames == every {
			m.total += every
			tell(float32(math.Sqrt(m.sum/every)), m.peak, m.total)
			m.sum, m.peak, m.frames = 0, 0, 0
		}
	}
}
