package recognize

import (
	"bytes"
	"context"
	_ "embed" // the clip
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/audio/wav"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/metric"
)

// selfTestWAV is the beginning of testdata/jfk.wav: 2.25 s, 16 kHz mono.
//
//go:embed selftest.wav
var selfTestWAV []byte

// selfTestLanguage is the language of the clip, and selfTestWords are words of it that every model for it hears. Half of them prove
// that a model works: what a model makes of a clip that ends in the middle of a sentence differs at its end.
const selfTestLanguage = "en"

var selfTestWords = []string{"so", "my", "fellow", "american"}

// selfTestSamples decodes the clip. Nothing of it stays in memory between two self-tests.
func selfTestSamples() ([]float32, error) {
	r, err := wav.NewReader(bytes.NewReader(selfTestWAV))
	if err != nil {
		return nil, err
	}
	samples := make([]float32, r.Frames())
	for done := 0; done < len(samples); {
		n, err := r.Read(samples[done:])
		if done += n; err != nil && (done < len(samples) || !errors.Is(err, io.EOF)) {
			return nil, err
		}
	}
	return samples, nil
}

// heardClip returns nil if a model of these languages understood the clip. A model that does not know its language must hear some
// words.
func heardClip(languages []string) func(*scout.Hypothesis) error {
	return func(h *scout.Hypothesis) error {
		if knows(languages, selfTestLanguage) == "" {
			if strings.TrimSpace(h.Text) == "" {
				return scout.Errorf(scout.CodeEngineFailed, "the model heard nothing in a clip of speech")
			}
			return nil
		}
		text, heard := strings.ToLower(h.Text), 0
		for _, word := range selfTestWords {
			if strings.Contains(text, word) {
				heard++
			}
		}
		if 2*heard < len(selfTestWords) {
			return scout.Errorf(scout.CodeEngineFailed, "the model understood %d of %d words in a clip of speech", heard, len(selfTestWords))
		}
		return nil
	}
}

// newSelfTestSeconds returns the metric of the time of self-tests.
func newSelfTestSeconds(s observe.Scope) *metric.Histogram {
	return observe.Register(s, metric.NewHistogram(metric.HistogramOpts{
		Name: "scout_selftest_seconds", Help: "Time of a self-test of a model, with loading it.", Buckets: observe.LoadBuckets(),
	}))
}

// SelfTest loads a model, if it is not loaded, decodes a clip of speech and compares the text. An empty id means the default model. The
// class says how urgent that is. A model that nobody has loaded before is unloaded again, unless somebody uses it by then.
func (e *Engines) SelfTest(ctx context.Context, id string, class schedule.Class) error {
	began := time.Now()
	err := e.selfTest(ctx, id, class)
	e.tests.Observe(time.Since(began).Seconds())
	if err != nil && (scout.ClassOf(err) == scout.Cancelled || scout.CodeOf(err) == scout.CodeEngineUnavailable) {
		return err // nothing was found out
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.proof.err = err; err == nil {
		e.proof.at = time.Now()
	}
	return err
}

func (e *Engines) selfTest(ctx context.Context, id string, class schedule.Class) error {
	samples, err := selfTestSamples()
	if err != nil {
		return err
	}
	r, release, err := e.Borrow(ctx, id)
	if err != nil {
		return err
	}
	defer release()
	if s := r.Engine.State(); !s.Running && s.Loading.IsZero() {
		defer r.Engine.Unload()
	}
	request := engine.Request{Samples: samples, Class: class, Client: selfTestClient}
	if len(r.Model.Languages) > 1 {
		request.Language = knows(r.Model.Languages, selfTestLanguage)
	}
	return r.Engine.Prove(ctx, request, heardClip(r.Model.Languages))
}

// selfTestClient is who self-tests are from, for the scheduler.
const selfTestClient = "self-test"

// proof is what self-tests have shown.
type proof struct {
	at  time.Time // of the last one that passed
	err error     // of the last one, nil if it passed
}

const (
	// selfTestWithin bounds a self-test that nobody waits for: a model is loaded, and the machine may be busy.
	selfTestWithin = time.Minute
	// firstTest and lastTest bound the pause after a self-test that failed, which doubles each time.
	firstTest, lastTest = time.Second, time.Minute
	// restingLook is when a model is looked at again whose breaker is open.
	restingLook = time.Second
)

// Proofs say when there are self-tests that no failure asks for.
type Proofs struct {
	// AtStart is whether there is one before anything was transcribed.
	AtStart bool
	// Cold is after how long without any transcription there is one; 0 for never.
	Cold time.Duration
}

// Tend proves by self-tests that models work, until ctx ends: each model after it has failed until it works again, and the default model when
// the proofs are due. Without work of that kind it sleeps.
func (e *Engines) Tend(ctx context.Context, due Proofs) error {
	pause, began := firstTest, time.Now()
	for ctx.Err() == nil {
		tested, failed, next := e.tend(ctx, due, began)
		switch {
		case failed:
			next = pause
			pause = min(2*pause, lastTest)
		case tested:
			pause = firstTest
		}
		if next <= 0 {
			next = never
		}
		if failed { // the self-test itself has waked
			select {
			case <-e.wake:
			default:
			}
		}
		timer := time.NewTimer(next)
		select {
		case <-e.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return nil
}

// never is later than any process lives.
const never = 1000 * time.Hour

// tend makes the self-tests that are due. next is when to look again without being woken, 0 for never.
func (e *Engines) tend(ctx context.Context, due Proofs, began time.Time) (tested, failed bool, next time.Duration) {
	test := func(id string) {
		tested = true
		within, cancel := context.WithTimeoutCause(ctx, selfTestWithin, scout.Errorf(scout.CodeCancelled, "the machine had no time for a self-test within %s", selfTestWithin))
		defer cancel()
		failed = e.SelfTest(within, id, schedule.Batch) != nil || failed
	}
	if e.pool.Held() != nil {
		return false, false, 0 // whoever ends that wakes
	}
	open := e.Open()
	for i := range open {
		switch m := &open[i]; {
		case m.healthy() || m.Stalled > 0: // a request runs, and whoever waits for it ends it
		case m.Health.Metadata["state"] == engine.StateResting:
			next = restingLook
		default:
			test(m.ID)
		}
	}
	good := e.lastGood(open)
	since := time.Since(good)
	if good.IsZero() {
		since = time.Since(began)
	}
	switch {
	case tested || next > 0:
	case due.AtStart && good.IsZero():
		test("")
	case due.Cold > 0 && since >= due.Cold:
		test("")
		next = due.Cold
	case due.Cold > 0:
		next = due.Cold - since
	}
	return tested, failed, next
}

// lastGood is when a model last worked.
func (e *Engines) lastGood(open []Model) time.Time {
	e.mu.Lock()
	last := e.proof.at
	e.mu.Unlock()
	for i := range open {
		if m := &open[i]; m.LastGood.After(last) {
			last = m.LastGood
		}
	}
	return last
}

// Wake makes Tend look at once: a model failed, or another one is there.
func (e *Engines) Wake() {
	select {
	case e.wake <- struct{}{}:
	default: // it is going to look
	}
}

// Check returns the health check of all engines together. It has no side effects: it loads no model and starts nothing. If one of
// several engines is not healthy, its reason is that of the whole. Engines that have transcribed nothing yet, not even the clip of a
// self-test, are Unknown; after that, unloaded engines are healthy.
func (e *Engines) Check() health.Check {
	return health.Check{Name: "engine", Critical: true, Probe: func(context.Context) health.Result { return e.health() }}
}

func (e *Engines) health() health.Result {
	open := e.Open()
	if len(open) > 0 && !open[0].healthy() {
		return open[0].Health
	}
	if result := e.programMissing(); result != nil && len(open) == 0 {
		return *result
	}
	good := e.lastGood(open)
	unloaded := health.Result{Status: health.Healthy, Metadata: map[string]string{"state": engine.StateUnloaded}}
	if good.IsZero() {
		if i := slices.IndexFunc(open, func(m Model) bool { return m.Running || !m.Loading.IsZero() }); i >= 0 {
			unloaded.Metadata = open[i].Health.Metadata
		}
		unloaded.Status, unloaded.Reason = health.Unknown, "nothing was transcribed yet"
		e.mu.Lock()
		if e.proof.err != nil {
			unloaded.Reason += "; the self-test failed: " + scout.Plain(e.proof.err)
		}
		e.mu.Unlock()
		return unloaded
	}
	if len(open) > 0 {
		return open[0].Health
	}
	unloaded.Reason, unloaded.Metadata["last_success_seconds"] = engine.LastSuccess(good)
	return unloaded
}
