package speech_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/speech"
	"github.com/scout-speech/scout/internal/speech/speechtest"
)

// rehearing understands what is said, and notes what it was asked for.
type rehearing struct {
	speechtest.Model
	fault func(n int) error // of the request with a number; nil for none

	mu       sync.Mutex
	requests int
	longest  int // frames
	classes  []schedule.Class
}

func (l *rehearing) Transcribe(ctx context.Context, r engine.Request) (*scout.Hypothesis, error) {
	l.mu.Lock()
	n := l.requests
	l.requests++
	l.longest = max(l.longest, len(r.Samples))
	l.classes = append(l.classes, r.Class)
	l.mu.Unlock()
	if l.fault != nil {
		if err := l.fault(n); err != nil {
			return nil, err
		}
	}
	h, err := l.Model.Transcribe(ctx, r)
	if err == nil {
		for i := range h.Words {
			sure := -0.1
			h.Words[i].LogProb = &sure
		}
	}
	return h, err
}

// spokenSamples is what is said in so many words.
func spokenSamples(words int) soundOf {
	samples := make(soundOf, words*speechtest.WordFrames)
	for n := range samples {
		samples[n] = speechtest.SampleAt(n)
	}
	return samples
}

// soundOf is a recording that is complete.
type soundOf []float32

func (s soundOf) ReadAt(_ context.Context, dst []float32, at int64) (int, error) {
	n := copy(dst, s[min(at, int64(len(s))):])
	if n < len(dst) {
		return n, errors.New("nothing more was recorded")
	}
	return n, nil
}

func hearAgain(t *testing.T, l *rehearing, o speech.SecondOptions) *speech.Second {
	t.Helper()
	s, err := speech.NewSecond(observe.Scope{}, observe.NewFailures(observe.Scope{}), l, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func wordsOf(words []scout.Word) string {
	list := make([]string, len(words))
	for i := range words {
		list[i] = words[i].Text
	}
	return strings.Join(list, " ")
}

// A second pass hears every word once, however the sound comes, in pieces of at most 10 s with a rest and 1.5 s of context on each side, in turns of the lowest class.
func TestSecondHearsEachWord(t *testing.T) {
	t.Parallel()
	const words = 100 // 40 s
	sound := spokenSamples(words)
	for situation, come := range map[string]func(s *speech.Second){
		"as it is spoken": func(s *speech.Second) {
			for at := 0; at < len(sound); at += 4000 {
				time.Sleep(250 * time.Millisecond)
				s.Write(int64(at), sound[at:min(at+4000, len(sound))])
			}
			s.Stop(int64(len(sound)))
		},
		"all at once, from the recording": func(s *speech.Second) { s.End(int64(len(sound))) },
		"late: the beginning is read back": func(s *speech.Second) {
			for at := 20 * speechtest.RateHz; at < len(sound); at += 4000 {
				time.Sleep(250 * time.Millisecond)
				s.Write(int64(at), sound[at:min(at+4000, len(sound))])
			}
			s.End(int64(len(sound)))
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &rehearing{}
			s := hearAgain(t, l, speech.SecondOptions{Recorded: sound})
			go come(s)
			text, err := s.Run(t.Context())
			if err != nil || wordsOf(text.Words) != speechtest.Script(0, words) {
				t.Errorf("%s: %v, %q", situation, err, wordsOf(text.Words))
			}
			if text.Duration != 40*time.Second || text.Pieces < 4 || len(text.Unheard) > 0 {
				t.Errorf("%s: %v in %d pieces, not heard: %v", situation, text.Duration, text.Pieces, text.Unheard)
			}
			if l.longest > 14500*speechtest.RateHz/1000 || slices.ContainsFunc(l.classes, func(c schedule.Class) bool { return c != schedule.SecondPass }) {
				t.Errorf("%s: up to %d frames in classes %v", situation, l.longest, l.classes)
			}
		})
	}
}

// On a simulated clock a second pass hears the same, and is late by what is left to decode at the stop.
func TestSecondSimulated(t *testing.T) {
	t.Parallel()
	const words = 100 // 40 s
	for cost, atMost := range map[time.Duration]time.Duration{100 * time.Millisecond: 200 * time.Millisecond, 20 * time.Second: time.Hour} {
		l := &rehearing{}
		s := hearAgain(t, l, speech.SecondOptions{Recorded: spokenSamples(words)})
		text, late, err := s.Simulate(t.Context(), &speech.Simulation{
			Samples: spokenSamples(words), StopAt: 40 * time.Second, Block: 20 * time.Millisecond, Latency: 20 * time.Millisecond,
			Cost: func() time.Duration { return cost },
		})
		if err != nil || wordsOf(text.Words) != speechtest.Script(0, words) || text.Duration != 40*time.Second {
			t.Errorf("each decode takes %s: %v, %s, %q", cost, err, text.Duration, wordsOf(text.Words))
		}
		if late < cost || late > atMost || cost > time.Second && late < time.Duration(text.Pieces-2)*cost {
			t.Errorf("each decode takes %s: late by %s with %d pieces", cost, late, text.Pieces)
		}
	}
}

// What cannot be decoded is told, or ends the pass, and costs nothing else.
func TestSecondFails(t *testing.T) {
	t.Parallel()
	transient, permanent := scout.Errorf(scout.CodeEngineCrashed, "it crashed"), scout.Errorf(scout.CodeModelCorrupt, "it is damaged")
	aside := scout.Errorf(scout.CodeAudioSetAside, "it ends the process")
	for situation, c := range map[string]struct {
		fault    func(n int) error
		code     scout.Code
		requests int // at most
		unheard  bool
	}{
		"once": {func(n int) error {
			if n == 1 {
				return transient
			}
			return nil
		}, "", 20, false},
		"each time":        {func(int) error { return transient }, scout.CodeEngineCrashed, 3, false},
		"for ever":         {func(int) error { return permanent }, scout.CodeModelCorrupt, 1, false},
		"each piece alone": {func(int) error { return aside }, scout.CodeAudioSetAside, 3, true},
		"one piece": {func(n int) error {
			if n == 1 {
				return aside
			}
			return nil
		}, "", 20, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := &rehearing{fault: c.fault}
			sound := spokenSamples(100)
			s := hearAgain(t, l, speech.SecondOptions{Recorded: sound})
			s.End(int64(len(sound)))
			text, err := s.Run(t.Context())
			if got := scout.CodeOf(err); got != c.code {
				t.Errorf("%s: %v", situation, err)
			}
			if l.requests > c.requests || len(text.Unheard) > 0 != c.unheard {
				t.Errorf("%s: %d requests, not heard: %v", situation, l.requests, text.Unheard)
			}
		})
	}
}

// A machine that is half a minute behind is too slow for a second pass; one that goes on with an earlier process's dictation is not.
func TestSecondIsTooSlow(t *testing.T) {
	t.Parallel()
	sound := spokenSamples(200) // 80 s
	for from, want := range map[int64]scout.Code{0: scout.CodeTooSlow, 60 * speechtest.RateHz: ""} {
		synctest.Test(t, func(t *testing.T) {
			s := hearAgain(t, &rehearing{}, speech.SecondOptions{Recorded: sound, From: from})
			s.Write(from, sound[from:])
			time.AfterFunc(time.Second, func() { s.End(int64(len(sound))) })
			if _, err := s.Run(t.Context()); scout.CodeOf(err) != want {
				t.Errorf("from %d: %v", from, err)
			}
		})
	}
}

// A model that is loaded too late has heard nothing of a stream, which is not the same text.
func TestSecondComesTooLate(t *testing.T) {
	t.Parallel()
	sound := spokenSamples(200)
	length := int64(len(sound))
	for situation, prepare := range map[string]func(s *speech.Second){
		"after the stop":       func(s *speech.Second) { s.Stop(length) },
		"half a minute behind": func(s *speech.Second) { s.Write(0, sound) },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := hearAgain(t, &rehearing{}, speech.SecondOptions{Recorded: sound})
			prepare(s)
			if _, err := s.Run(t.Context()); scout.CodeOf(err) != scout.CodeTooSlow || !strings.Contains(err.Error(), "was loaded too late") {
				t.Errorf("%s: %v", situation, err)
			}
		})
	}
}

// Whoever ends a second pass is obeyed, with the reason.
func TestSecondEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("the machine is busy")
		ctx, cancel := context.WithCancelCause(t.Context())
		s := hearAgain(t, &rehearing{}, speech.SecondOptions{Recorded: spokenSamples(1)})
		go cancel(why)
		if _, err := s.Run(ctx); !errors.Is(err, why) {
			t.Errorf("it ended with %v", err)
		}
	})
}
