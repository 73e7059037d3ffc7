package dictate_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/dictate"
	"github.com/scout-speech/scout/internal/dictate/event"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store"
)

// Whatever happens during a dictation, its text has every word that was said before the stop, once and in order.
func TestEveryWordIsInTheText(t *testing.T) {
	t.Parallel()
	const words = 40
	committed := func(s *studio, id recording.ID) { // somebody speaks until words are committed
		for s.lastCommitted(id) == 0 {
			s.say(0.25)
			time.Sleep(20 * time.Millisecond) //nolint:forbidigo // speech takes time
		}
	}
	crash := scout.Errorf(scout.CodeEngineCrashed, "the engine crashed")
	full := scout.Errorf(scout.CodeDiskFull, "the disk is full")
	for situation, speak := range map[string]func(s *studio, id recording.ID){
		"nothing happens": func(s *studio, id recording.ID) {
			s.say(words)
			s.stop(id)
		},
		"it comes a little at a time": func(s *studio, id recording.ID) {
			for range 4 * words {
				s.say(0.25)
			}
			s.stop(id)
		},
		"the process ends after the first words": func(s *studio, id recording.ID) {
			s.say(words / 2)
			committed(s, id)
			s.again()
			s.say(words / 2)
			s.stop(id)
		},
		"the process ends, and the stop comes before the next one has heard anything": func(s *studio, id recording.ID) {
			s.model.fail(func() error { return crash })
			s.say(words)
			s.again()
			s.model.fail(nil)
			s.stop(id)
		},
		"the process ends again and again": func(s *studio, id recording.ID) {
			for range 5 {
				s.say(words / 5)
				s.again()
			}
			s.stop(id)
		},
		"the process ends, and the recording before the next one": func(s *studio, id recording.ID) {
			s.say(words)
			s.end()
			if _, err := s.recorder.Stop(s.Context(), id); err != nil {
				s.Fatal(err)
			}
			s.begin()
		},
		"the engine is dead for a while": func(s *studio, id recording.ID) {
			s.model.fail(func() error { return crash })
			s.say(words)
			s.until(id, is(event.Behind))
			s.model.fail(nil)
			s.stop(id)
		},
		"the recording ends by itself": func(s *studio, id recording.ID) {
			s.say(words)
			if _, err := s.recorder.Stop(s.Context(), id); err != nil {
				s.Fatal(err)
			}
		},
		"the disk is full when the words come": func(s *studio, id recording.ID) {
			s.until(id, is(event.Listening))
			s.store.fail(full)
			s.say(words)
			for s.Health().Probe(s.Context()).Status != health.Degraded {
				time.Sleep(time.Millisecond) //nolint:forbidigo // the health is asked for
			}
			s.store.fail(nil)
			s.stop(id)
		},
		"the disk is full at the stop": func(s *studio, id recording.ID) {
			s.say(words)
			committed(s, id)
			s.store.fail(full)
			s.stop(id)
			for s.Health().Probe(s.Context()).Status != health.Degraded {
				time.Sleep(time.Millisecond) //nolint:forbidigo // the health is asked for
			}
			s.store.fail(nil)
		},
		"answers of the database get lost": func(s *studio, id recording.ID) {
			s.until(id, is(event.Listening))
			s.store.lose(true)
			for range words / 4 {
				s.say(4)
				s.until(id, func(e event.Event) bool { return e.Type == event.Committed || e.State == event.Listening })
			}
			s.stop(id)
			s.until(id, is(event.Stopping))
			s.store.lose(false)
		},
		"a listener never reads": func(s *studio, id recording.ID) {
			l := s.Listen(id, true)
			defer l.Close()
			for range 8 * words {
				s.say(0.125)
			}
			s.stop(id)
			s.until(id, is(event.Final))
		},
		"Scout reduces its work, and comes back": func(s *studio, id recording.ID) {
			s.until(id, is(event.Listening))
			for _, level := range []int32{1, 2, 3, 4, 0} {
				s.level.Store(level)
				s.TellDegradation()
				s.say(words / 5)
				s.until(id, func(e event.Event) bool {
					return e.State == event.Listening && e.Degradation != nil && *e.Degradation == int(level)
				})
			}
			s.stop(id)
		},
		"the stop comes while Scout makes no live text": func(s *studio, id recording.ID) {
			s.level.Store(3)
			s.say(words)
			s.stop(id)
		},
		"two stop it at once": func(s *studio, id recording.ID) {
			s.say(words)
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() { s.stop(id) })
			}
			both.Wait()
		},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t)
			id := s.start()
			speak(s, id)
			if got := s.text(id); got != script(s.said/wordFrames) || s.said < words*wordFrames {
				t.Errorf("text %q of %d words", got, s.said/wordFrames)
			}
			s.end()
			if open, done := s.counted("scout_dictations_open"), s.counted("scout_dictations_total"); open != 0 || done != 1 {
				t.Errorf("%v dictations are open, %v ended", open, done)
			}
			if r := s.Health().Probe(t.Context()); r.Status != health.Healthy {
				t.Errorf("health %+v", r)
			}
		})
	}
}

// A dictation that ends before its words can be saved, because its process does, is continued by the next process. It says nothing
// about the dictations of this one any more.
func TestTheTroubleOfADictationEndsWithIt(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	id := s.start()
	s.until(id, is(event.Listening))
	s.store.fail(scout.Errorf(scout.CodeDiskFull, "no space left"))
	s.say(20)
	for s.Health().Probe(s.Context()).Status != health.Degraded {
		time.Sleep(time.Millisecond) //nolint:forbidigo // the health is asked for
	}
	s.end()
	if r := s.Health().Probe(t.Context()); r.Status != health.Healthy {
		t.Errorf("health %+v", r)
	}
	s.store.fail(nil)
	s.begin()
	s.stop(id)
	if got := s.text(id); got != script(s.said/wordFrames) {
		t.Errorf("text %q of %d words", got, s.said/wordFrames)
	}
	s.end()
}

// A model that loads while somebody speaks, and stops, costs a delay.
func TestTheModelComesAfterTheStop(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	there := make(chan struct{})
	s.borrow = func() error { <-there; return nil }
	id := s.start()
	s.say(20)
	s.stop(id)
	close(there)
	if got := s.text(id); got != script(20) {
		t.Errorf("text %q", got)
	}
}

// A dictation without words ends like every other one.
func TestNothingWasSaid(t *testing.T) {
	t.Parallel()
	for situation, words := range map[string]float64{"no frame": 0, "0.1 s": 0.25, "0.3 s": 0.75} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t)
			id := s.start()
			s.say(words)
			s.stop(id)
			if got := s.text(id); got != "" {
				t.Errorf("text %q", got)
			}
		})
	}
}

// A dictation that has no text says why, with its last event, and keeps its audio.
func TestWhyThereIsNoText(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		model error
		do    func(s *studio, id recording.ID)
		code  scout.Code
	}{
		"no model": {scout.Errorf(scout.CodeModelNotInstalled, "no model is installed"), func(*studio, recording.ID) {}, scout.CodeModelNotInstalled},
		"it is cancelled": {nil, func(s *studio, id recording.ID) {
			if _, err := s.Cancel(s.Context(), id); err != nil {
				s.Error(err)
			}
		}, scout.CodeCancelled},
		"its recording is thrown away": {nil, func(s *studio, id recording.ID) { s.Discarded(id) }, scout.CodeCancelled},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := newStudio(t)
			if c.model != nil {
				s.borrow = func() error { return c.model }
				if err := s.Check(t.Context(), dictate.Request{}); scout.CodeOf(err) != c.code {
					t.Errorf("check: %v", err)
				}
			}
			id := s.start()
			s.say(10)
			c.do(s, id)
			all := s.until(id, is(event.Failed))
			if p := all[len(all)-1].Error; p == nil || p.Code != c.code {
				t.Errorf("the last event is %+v", all[len(all)-1])
			}
			if _, err := s.store.Transcript(t.Context(), store.MainKey(string(id)), 0); err == nil {
				t.Error("there is a text")
			}
			if m, err := s.recorder.folder.Manifest(id); err != nil {
				t.Errorf("audio: %+v, %v", m, err)
			}
		})
	}
}

// What happens to the microphone is told in the order in which it happens.
func TestTheMicrophoneGoesAndComesBack(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	id := s.start()
	s.say(10)
	s.Happened(recording.Event{Kind: recording.KindDeviceLost, ID: id, Reason: "unplugged"})
	s.Happened(recording.Event{Kind: recording.KindDeviceOpened, ID: id})
	s.Happened(recording.Event{Kind: recording.KindGap, ID: id, Gap: &scout.Gap{Start: 5, Frames: 7, Reason: "device lost"}})
	s.say(10)
	s.stop(id)
	if got := s.text(id); got != script(20) {
		t.Errorf("text %q", got)
	}
	var told []string
	for _, e := range s.until(id, is(event.Done)) {
		switch {
		case e.Type == event.State && e.Error != nil:
			told = append(told, e.State+" "+string(e.Error.Code))
		case e.Type == event.State:
			told = append(told, e.State)
		case e.Type == event.Gap && *e.StartFrame == 5 && e.Frames == 7:
			told = append(told, "gap")
		}
	}
	if got := strings.Join(told, ", "); got != "listening, starting device_lost, listening, gap, stopping, finishing, done" {
		t.Error(got)
	}
}

// Of two toggles at once one begins a dictation and the other ends it.
func TestTogglesAtOnce(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	results := make(chan dictate.Toggled, 2)
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			toggled, err := s.Toggle(t.Context(), recording.Order{}, dictate.Request{}, dictate.Watch{})
			if err != nil {
				t.Error(err)
			}
			results <- toggled
		})
	}
	both.Wait()
	first, second := <-results, <-results
	if first.ID != second.ID || first.State == second.State {
		t.Errorf("%+v and %+v", first, second)
	}
	s.until(first.ID, func(e event.Event) bool { return e.State == event.Done || e.State == event.Failed })
	if s.recorder.starts > 1 {
		t.Errorf("%d recordings", s.recorder.starts)
	}
}

// A recording that is no dictation is left alone by toggle.
func TestToggleBesideARecording(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	if _, err := s.recorder.Start(t.Context(), recording.Order{}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Toggle(t.Context(), recording.Order{}, dictate.Request{}, dictate.Watch{}); scout.CodeOf(err) != scout.CodeAlreadyRecording {
		t.Error(err)
	}
	if status, _ := s.recorder.Status(t.Context()); status.Recording == nil {
		t.Error("the recording was ended")
	}
}

// A start that was called off leaves no recording behind, also if the recorder begins it after all.
func TestAStartThatWasCalledOffRecordsNothing(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.recorder.late = true
	on, err := s.Toggle(t.Context(), recording.Order{}, dictate.Request{}, dictate.Watch{})
	if err != nil {
		t.Fatal(err)
	}
	off, err := s.Toggle(t.Context(), recording.Order{}, dictate.Request{}, dictate.Watch{})
	if err != nil || off.ID != on.ID {
		t.Fatal(off, err)
	}
	s.until(on.ID, is(event.Failed))
	s.end() // waits for what is under way
	status, err := s.recorder.Status(t.Context())
	if err != nil || status.Recording != nil || s.recorder.starts != 1 {
		t.Errorf("%+v is recorded, %v, %d starts", status.Recording, err, s.recorder.starts)
	}
}

// A listener that never reads costs nobody else anything: the others get each partial text, the words are all there, and what it lost is
// counted.
func TestAListenerThatNeverReads(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	id := s.start()
	deaf, reader := s.Listen(id, true), s.Listen(id, false)
	defer deaf.Close()
	defer reader.Close()
	const words = 40
	for k := range words {
		if k == words-1 { // it reads at last
			for range len(deaf.Partial()) {
				<-deaf.Partial()
			}
		}
		for heard := false; !heard; {
			if s.say(1); s.said > 10*words*wordFrames {
				t.Fatal("no partial text comes")
			}
			select {
			case item := <-reader.Partial():
				if heard = true; item.Missed > 0 {
					t.Errorf("one that reads missed %d partial texts", item.Missed)
				}
			case <-time.After(time.Second): // text that is late on a busy machine has no partial text: the next word has one
			}
		}
	}
	s.stop(id)
	if got := s.text(id); got != script(s.said/wordFrames) {
		t.Errorf("text %q", got)
	}
	if lost := s.counted("scout_dictation_events_dropped_total"); lost == 0 {
		t.Error("nothing was lost, or it was not counted")
	}
	if missed := (<-deaf.Partial()).Missed; missed == 0 {
		t.Error("it is not told what it missed")
	}
}
