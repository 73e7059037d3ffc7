package dictate_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/speech/speechtest"
	"github.com/scout-speech/scout/internal/store"
)

// better is a model that hears what is said, and writes one word in another way.
type better struct {
	speechtest.Model
	fault func(ctx context.Context) error // nil for none
	same  bool                            // it writes that word as the other model does
	word  string                          // what it writes in its place; empty for betterWord
}

// betterWord is what it writes in the place of the word with number 3.
const betterWord = "third"

func (b *better) Transcribe(ctx context.Context, request engine.Request) (*scout.Hypothesis, error) {
	if b.fault != nil {
		if err := b.fault(ctx); err != nil {
			return nil, err
		}
	}
	h, err := b.Model.Transcribe(ctx, request)
	if err != nil {
		return nil, err
	}
	for i := range h.Words {
		sure := -0.01
		if h.Words[i].LogProb = &sure; h.Words[i].Text == speechtest.Word(3) && !b.same {
			h.Words[i].Text = cmp.Or(b.word, betterWord)
		}
	}
	return h, nil
}

func (b *better) lend() (dictate.Accurate, error) {
	return dictate.Accurate{
		Recognizer:  dictate.Recognizer{Model: "b", Engine: b, Language: func(string) (string, error) { return "en", nil }},
		LoadQuietly: func(context.Context) error { return nil },
	}, nil
}

const secondWords = 40

// dictated is a dictation that got a second pass, up to its last event. between is called when its first text is there; nil for nothing.
func (s *studio) dictated(between func(recording.ID)) (id recording.ID, all []event.Event) {
	s.Helper()
	s.model.sure = -1
	id = s.start()
	s.until(id, is(event.Listening))
	s.say(secondWords)
	s.stop(id)
	if between != nil {
		s.until(id, is(event.Final))
		between(id)
	}
	return id, s.until(id, is(event.Done))
}

func ofType(all []event.Event, kind string) (found []event.Event) {
	for _, e := range all {
		if e.Type == kind {
			found = append(found, e)
		}
	}
	return found
}

// The better text comes once, as a version, after the first one, which stays.
func TestASecondPassIsPublished(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.accurate = (&better{}).lend
	id, all := s.dictated(nil)
	final, revised, last := ofType(all, event.Final), ofType(all, event.Revised), all[len(all)-1]
	want := strings.ReplaceAll(script(secondWords), speechtest.Word(3), betterWord)
	if len(final) != 1 || final[0].Text != script(secondWords) || final[0].Version != 1 || final[0].SecondPass == nil || final[0].SecondPass.Outcome != event.SecondPending {
		t.Errorf("final is %+v", final)
	}
	if len(revised) != 1 || revised[0].Text != want || revised[0].Version != 2 || revised[0].Kind != string(store.KindSecondPass) {
		t.Errorf("revised is %+v", revised)
	}
	if p := last.SecondPass; p == nil || p.Outcome != event.SecondPublished || p.Model != "b" {
		t.Errorf("the last event is %+v", last)
	}
	key := store.MainKey(string(id))
	for version, text := range map[int]string{0: want, 1: script(secondWords), 2: want} {
		if got, err := s.store.Transcript(s.Context(), key, version); err != nil || got.Text() != text {
			t.Errorf("version %d: %q, %v", version, got.Text(), err)
		}
	}
	if model, failed := s.SecondPass(); model != "" || failed != nil {
		t.Errorf("afterwards %q, %v", model, failed)
	}
}

// A text that is there before the recorder has completed the file is not called unfinished after that, while the second pass goes on.
func TestNothingIsFinishedAfterTheText(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.model.sure = -1
	waits, slow := make(chan struct{}), make(chan struct{})
	s.recorder.slow = slow
	s.accurate = (&better{fault: func(context.Context) error { <-waits; return nil }}).lend
	id := s.start()
	s.until(id, is(event.Listening))
	s.say(secondWords)
	for s.Reached(id) < int64(s.said)*scout.EngineSampleRateHz/rate {
		time.Sleep(time.Millisecond) //nolint:forbidigo // the stream is asked
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if _, err := s.Stop(t.Context(), id); err != nil {
			t.Error(err)
		}
	}()
	s.until(id, is(event.Final))
	close(slow)
	<-stopped
	close(waits)
	all := s.until(id, is(event.Done))
	final := slices.IndexFunc(all, is(event.Final))
	if after := slices.IndexFunc(all[final:], func(e event.Event) bool { return e.State == event.Finishing }); after >= 0 {
		t.Errorf("%+v comes after the text", all[final+after])
	}
}

// Where there is no second pass, the first one is as without, and the last event says why.
func TestWithoutASecondPass(t *testing.T) {
	t.Parallel()
	damaged := scout.Errorf(scout.CodeModelCorrupt, "a file of the model is damaged")
	for situation, c := range map[string]struct {
		prepare func(s *studio)
		outcome string
		code    scout.Code
		health  string
	}{
		"nobody wants one":     {func(*studio) {}, event.SecondNone, "", ""},
		"it heard the same":    {func(s *studio) { s.accurate = (&better{same: true}).lend }, event.SecondSame, "", ""},
		"the model is missing": {func(s *studio) { s.accurate = func() (dictate.Accurate, error) { return dictate.Accurate{}, damaged } }, event.SecondNone, scout.CodeModelCorrupt, "is damaged"},
		"the model does not know the language": {func(s *studio) {
			s.accurate = func() (dictate.Accurate, error) {
				return dictate.Accurate{}, scout.Errorf(scout.CodeModelLanguage, "English alone")
			}
		}, event.SecondNone, scout.CodeModelLanguage, ""},
		"it cannot be loaded": {func(s *studio) {
			s.accurate = func() (dictate.Accurate, error) {
				a, err := (&better{}).lend()
				a.LoadQuietly = func(context.Context) error { return damaged }
				return a, err
			}
		}, event.SecondFailed, scout.CodeModelCorrupt, "is damaged"},
		"loading takes too long beside others": {func(s *studio) {
			s.accurate = func() (dictate.Accurate, error) {
				a, err := (&better{}).lend()
				a.LoadQuietly = func(context.Context) error { return scout.Errorf(scout.CodeEngineLoadTimeout, "not ready within 60 s") }
				return a, err
			}
		}, event.SecondNone, scout.CodeTooSlow, ""},
		"it fails at each piece": {func(s *studio) {
			s.accurate = (&better{fault: func(context.Context) error { return damaged }}).lend
		}, event.SecondFailed, scout.CodeModelCorrupt, "is damaged"},
		"its text can never be stored": {func(s *studio) {
			s.accurate = (&better{word: "thi\x00rd"}).lend
		}, event.SecondFailed, scout.CodeInvalidArgument, "text of a segment"},
		"it panics": {func(s *studio) {
			s.accurate = (&better{fault: func(context.Context) error { panic("index out of range") }}).lend
		}, event.SecondFailed, scout.CodeInternal, "index out of range"},
		"the machine has too much to do": {func(s *studio) { s.level.Store(1); s.accurate = (&better{}).lend }, event.SecondNone, scout.CodeUnavailable, ""},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t)
			c.prepare(s)
			id, all := s.dictated(nil)
			last := all[len(all)-1].SecondPass
			if final := ofType(all, event.Final); len(final) != 1 || final[0].Text != script(secondWords) || len(ofType(all, event.Revised)) > 0 {
				t.Errorf("final is %+v", final)
			}
			if last == nil || last.Outcome != c.outcome || (last.Error == nil) != (c.code == "") || last.Error != nil && last.Error.Code != c.code {
				t.Errorf("it ends with %+v", last)
			}
			if versions, err := s.store.Versions(s.Context(), store.MainKey(string(id))); err != nil || len(versions) != 1 {
				t.Errorf("versions %+v, %v", versions, err)
			}
			if reason := s.Health().Probe(s.Context()).Reason; (reason == "") != (c.health == "") || !strings.Contains(reason, c.health) {
				t.Errorf("health says %q", reason)
			}
		})
	}
}

// Health tells of the last dictation: where no second pass is wanted any more, nothing is wrong.
func TestHealthWithoutASecondPass(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	var err error = scout.Errorf(scout.CodeModelCorrupt, "a file of the model is damaged")
	s.accurate = func() (dictate.Accurate, error) { return dictate.Accurate{}, err }
	s.dictated(nil)
	if got := s.Health().Probe(t.Context()); got.Status != health.Degraded {
		t.Errorf("with a damaged model: %+v", got)
	}
	started, failed := s.Start(t.Context(), recording.Order{}, dictate.Request{Model: "a"}, nil)
	if failed != nil {
		t.Fatal(failed)
	}
	s.until(started.ID, is(event.Listening))
	s.say(secondWords)
	s.stop(started.ID)
	s.until(started.ID, is(event.Done))
	if got := s.Health().Probe(t.Context()); got.Status != health.Healthy {
		t.Errorf("with a model that was named: %+v", got)
	}
	s.dictated(nil)
	err = dictate.ErrNoSecondPass
	s.dictated(nil)
	if got := s.Health().Probe(t.Context()); got.Status != health.Healthy {
		t.Errorf("without one: %+v", got)
	}
}

// A second pass that is under way gives way: to a person's change, to the end of the process, to a machine that gets busy. The first text
// stays.
func TestASecondPassGivesWay(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		meanwhile func(s *studio, id recording.ID, goOn func())
		outcome   string
		kind      store.Kind // of the text in the end
	}{
		"to an edit": {func(s *studio, id recording.ID, goOn func()) {
			err := s.store.Update(s.Context(), func(tx store.Tx) error {
				_, err := tx.Edit(store.EditRequest{Key: store.MainKey(string(id)), Edits: []store.Edit{{Segment: 0, Text: "mine"}}, IfVersion: 1})
				return err
			})
			if err != nil {
				s.Fatal(err)
			}
			goOn()
		}, event.SecondEdited, store.KindEdited},
		"to the trash": {func(s *studio, id recording.ID, goOn func()) {
			if err := s.store.Update(s.Context(), func(tx store.Tx) error { _, err := tx.Delete(string(id)); return err }); err != nil {
				s.Fatal(err)
			}
			goOn()
		}, event.SecondEdited, store.KindFirst},
		"to the end of the process": {func(s *studio, _ recording.ID, _ func()) { s.again() }, "", store.KindFirst},
		"to a busy machine":         {func(s *studio, _ recording.ID, _ func()) { s.level.Store(1); s.TellDegradation() }, event.SecondNone, store.KindFirst},
		"to a machine that is busy for a moment": {func(s *studio, _ recording.ID, _ func()) {
			s.moment.Store(true)
			s.level.Store(1)
			s.TellDegradation()
		}, event.SecondNone, store.KindFirst},
		"to whoever throws it away": {func(s *studio, id recording.ID, _ func()) { s.Discarded(id) }, event.SecondNone, store.KindFirst},
		"to a purge": {func(s *studio, id recording.ID, _ func()) {
			s.Conclude(s.Context(), id)
			if open, err := s.store.LiveSessions(s.Context()); err != nil || len(open) > 0 {
				s.Errorf("still open: %+v, %v", open, err)
			}
		}, event.SecondNone, store.KindFirst},
		"not to a cancel that is late": {func(s *studio, id recording.ID, goOn func()) {
			if _, err := s.Cancel(s.Context(), id); scout.CodeOf(err) != scout.CodeNotFound {
				s.Errorf("a dictation with a text was cancelled: %v", err)
			}
			goOn()
		}, event.SecondPublished, store.KindSecondPass},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t)
			waits := make(chan struct{})
			s.accurate = (&better{fault: func(ctx context.Context) error {
				select {
				case <-waits:
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}}).lend
			id, all := s.dictated(func(id recording.ID) { c.meanwhile(s, id, sync.OnceFunc(func() { close(waits) })) })
			last := all[len(all)-1]
			if p := last.SecondPass; c.outcome == "" && p != nil || c.outcome != "" && (p == nil || p.Outcome != c.outcome) {
				t.Errorf("it ends with %+v", p)
			} else if strings.Contains(situation, "busy") && p.Error.Code != scout.CodeUnavailable {
				t.Errorf("it was left out for %+v", p.Error)
			}
			text, err := s.store.Transcript(s.Context(), store.MainKey(string(id)), 0)
			if err != nil || text.Kind != c.kind {
				t.Errorf("the text is %v of kind %q, %v", text.Text(), text.Kind, err)
			}
		})
	}
}

// A dictation whose text is not there yet goes on when somebody wants to remove it: the purge is refused.
func TestConcludeLeavesADictationAlone(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.accurate = (&better{}).lend
	s.model.sure = -1
	id := s.start()
	s.until(id, is(event.Listening))
	s.Conclude(s.Context(), id)
	s.say(secondWords)
	s.stop(id)
	if all := s.until(id, is(event.Done)); len(ofType(all, event.Revised)) != 1 {
		t.Errorf("events %+v", all)
	}
}
