package daemon

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/ladder"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/speech"
)

// strained is a strain of whose clock and processes the test has the say.
type strained struct {
	*strain
	at       time.Time
	found    measured
	idle     int // models that nobody uses
	memoryMB int
	did      []string
	shares   []float64
}

func newStrained(scope observe.Scope) *strained {
	s := &strained{at: time.Now(), memoryMB: 100, found: measured{memory: 50 << 20}}
	s.strain = newStrain(scope, func() time.Time { return s.at })
	s.machine, s.processors = 1<<40, 2
	s.measure = func() measured { return s.found }
	s.limits = func() (int, int) { return s.memoryMB, 80 }
	s.apply = func(state ladder.State) { s.did = append(s.did, fmt.Sprintf("apply %d", state.Level)) }
	s.tell = func(step ladder.Step) { s.did = append(s.did, fmt.Sprintf("tell %d", step.To)) }
	s.throttle = func(share float64) { s.shares = append(s.shares, share) }
	s.unload = func() bool {
		if s.idle == 0 {
			return false
		}
		s.idle--
		s.found.memory -= 40 << 20
		s.did = append(s.did, "unload")
		return true
	}
	return s
}

// pass looks every two seconds for that long, while the processes use so many processors.
func (s *strained) pass(d time.Duration, processors float64) {
	for end := s.at.Add(d); s.at.Before(end); {
		s.at = s.at.Add(2 * time.Second)
		s.found.ran += time.Duration(processors * float64(2*time.Second))
		s.look()
	}
}

func TestWhatFollowsWhatScoutUses(t *testing.T) {
	t.Parallel()
	const long = 2 * time.Minute
	for situation, c := range map[string]struct {
		happens func(s *strained)
		did     string
		level   ladder.Level
		ease    speech.Ease
	}{
		"normal work":                               {func(s *strained) { s.pass(long, 1.5) }, "", ladder.High, speech.EaseNothing},
		"batch work on all processors":              {func(s *strained) { s.pass(long, 2) }, "", ladder.High, speech.EaseNothing},
		"models that nobody uses are unloaded":      {func(s *strained) { s.idle, s.found.memory = 2, 130<<20; s.pass(long, 0) }, "unload", ladder.High, speech.EaseNothing},
		"memory is over its limit nevertheless":     {func(s *strained) { s.found.memory = 130 << 20; s.pass(8*time.Second, 0) }, "apply 1 tell 1", ladder.Medium, speech.EaseRhythm},
		"unloading was not enough":                  {func(s *strained) { s.idle, s.found.memory = 1, 145<<20; s.pass(10*time.Second, 0) }, "unload apply 1 tell 1", ladder.Medium, speech.EaseRhythm},
		"live text is late":                         {func(s *strained) { s.found.behind = 2 * time.Second; s.pass(20*time.Second, 0) }, "apply 1 tell 1 apply 2 tell 2", ladder.Low, speech.EaseCommitted},
		"memory is far over its limit":              {func(s *strained) { s.idle, s.found.memory = 1, 151<<20; s.pass(2*time.Second, 0) }, "apply 4 tell 4", ladder.RecordOnly, speech.EaseToTheStop},
		"all models rest":                           {func(s *strained) { s.found.engines = resters("open", "open"); s.pass(2*time.Second, 0) }, "apply 1 tell 1", ladder.Medium, speech.EaseRhythm},
		"one model rests, and another one does not": {func(s *strained) { s.found.engines = resters("open", "closed"); s.pass(long, 0) }, "", ladder.High, speech.EaseNothing},
		"no limit was set, and a model is loaded": {func(s *strained) {
			s.memoryMB, s.found.memory = 0, 320<<20
			s.found.engines = resters("closed")
			s.found.engines[0].Running, s.found.engines[0].ExpectBytes = true, 100<<20
			s.pass(long, 0)
		}, "", ladder.High, speech.EaseNothing},
		"the machine is small": {func(s *strained) {
			s.memoryMB, s.machine, s.found.memory = 0, 200<<20, 120<<20
			s.pass(8*time.Second, 0)
		}, "apply 1 tell 1", ladder.Medium, speech.EaseRhythm},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			registry := prom.NewRegistry()
			s := newStrained(observe.NewScope(nil, registry, nil))
			c.happens(s)
			d, r := s.degradation(), s.check().Probe(t.Context())
			if got := strings.Join(s.did, " "); got != c.did || d.Level != int(c.level) || d.Name != c.level.String() || s.ease() != c.ease {
				t.Errorf("%q, %+v, live text %d; want %q, level %d, %d", got, d, s.ease(), c.did, c.level, c.ease)
			}
			// API, health and metrics tell the same.
			if (r.Status == health.Healthy) != (c.level == ladder.High) || c.level > ladder.High && (d.Reason == "" || !strings.Contains(r.Reason, d.Reason)) {
				t.Errorf("health %+v, degradation %+v", r, d)
			}
			if got := gauge(t, registry, "scout_degradation_level"); got != float64(c.level) {
				t.Errorf("the metric says %g", got)
			}
			if refused := s.refusal(); (refused != nil) != (c.level == ladder.RecordOnly) || refused != nil && scout.CodeOf(refused) != scout.CodeUnavailable {
				t.Errorf("work is refused with %v", refused)
			}
		})
	}
}

// resters are models with breakers.
func resters(states ...string) []recognize.Model {
	models := make([]recognize.Model, len(states))
	for i, state := range states {
		models[i].Breaker = state
	}
	return models
}

func gauge(t *testing.T, registry prom.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// Background work gets less of the time while all of Scout uses more of the processors than it may, never nothing, and all of it again
// afterwards.
func TestBackgroundWorkIsSlowed(t *testing.T) {
	t.Parallel()
	s := newStrained(observe.Scope{})
	s.pass(time.Minute, 1.5) // 75 %
	if len(s.shares) > 0 {
		t.Fatalf("below the limit: %v", s.shares)
	}
	s.pass(10*time.Minute, 2)
	if n := len(s.shares); n < 2 || !slices.IsSortedFunc(s.shares, func(a, b float64) int { return cmp.Compare(b, a) }) || s.shares[n-1] != leastShare {
		t.Errorf("over the limit: %v", s.shares)
	}
	s.shares = nil
	s.pass(time.Hour, 0.2)
	if n := len(s.shares); n == 0 || s.shares[n-1] != 1 {
		t.Errorf("afterwards: %v", s.shares)
	}
}

// Processes that take more memory than they may: a model that nobody uses is unloaded; far over the limit all are, requests say why, and
// everything comes back by itself.
func TestAnEngineThatTakesTooMuchMemory(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		limit int // in percent of what is used
		level ladder.Level
	}{
		"over the limit":     {80, ladder.High},
		"far over the limit": {50, ladder.RecordOnly},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			h := newModelHouse(t)
			const model = "takes-100"
			h.put(model)
			s := newStrained(observe.Scope{})
			s.measure = func() measured {
				m := measured{engines: h.engines.Open()}
				var all []one
				for _, e := range m.engines {
					if e.Running {
						all = append(all, one{engineProcess, e.PID})
					}
				}
				m.memory, m.ran = h.use.look(all)
				return m
			}
			s.unload = func() bool { return h.engines.UnloadIdlest() }
			s.apply = func(state ladder.State) {
				ease := recognize.Ease{}
				if state.Level == ladder.RecordOnly {
					ease.Hold = scout.Errorf(scout.CodeEngineUnavailable, "no memory")
				}
				h.engines.Ease(ease)
			}
			r, release, err := h.engines.Borrow(t.Context(), model)
			if err != nil {
				t.Fatal(err)
			}
			defer release()
			ask := func() error {
				_, err := r.Engine.Transcribe(t.Context(), engine.Request{Samples: make([]float32, scout.EngineSampleRateHz/10)})
				return err
			}
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			used := int(s.measure().memory >> 20)
			if used < 100 {
				t.Fatalf("it uses %d MB", used)
			}
			s.memoryMB = used * c.limit / 100
			s.pass(2*time.Second, 0)
			for r.Engine.State().Running { // ends with the test's time
				time.Sleep(time.Millisecond)
			}
			if d := s.degradation(); d.Level != int(c.level) {
				t.Errorf("%+v, want level %d", d, c.level)
			}
			if err := ask(); c.level == ladder.RecordOnly && scout.CodeOf(err) != scout.CodeEngineUnavailable || c.level == ladder.High && err != nil {
				t.Errorf("the next request: %v", err)
			}
			if c.level == ladder.High {
				return
			}
			s.pass(3*time.Minute, 0)
			if d := s.degradation(); d.Level != int(ladder.High) {
				t.Errorf("%+v, want it back", d)
			}
			if err := ask(); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
