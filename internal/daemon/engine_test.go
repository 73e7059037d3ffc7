package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/settings"
)

// loaded are settings with folders of the test's own.
func loaded(t *testing.T, environment ...string) *settings.Loaded {
	t.Helper()
	dir := t.TempDir()
	s, err := settings.Load(settings.Sources{File: "/dev/null", Environment: append([]string{"HOME=" + dir, "SCOUT_DATA=" + filepath.Join(dir, "data"), "SCOUT_ENGINE=/dev/null", "SCOUT_HTTP__ADDR=off"}, environment...)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheEngineOfADaemonWithoutAModel(t *testing.T) {
	t.Parallel()
	registry := prom.NewRegistry()
	scope := observe.NewScope(nil, registry, nil)
	s := loaded(t)
	d := &daemon{options: Options{Settings: s, Scope: scope}, current: newCurrent(s)}
	if err := d.startEngines(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.checker = newChecker(scope, "", []health.Check{d.engines.Check(), modelCheck(d.options.Settings, scope)})
	for _, now := range []bool{false, true} { // the self-test has no model to load: nothing is known of the engine
		r := d.report(t.Context(), now)
		if c := r.Components[0]; c.Status != health.Unknown || c.Metadata["state"] != "unloaded" || strings.Contains(c.Reason, "is not installed") != now {
			t.Errorf("self-test %v: engine %+v, want Unknown and unloaded", now, c)
		}
		if c := r.Components[1]; c.Status != health.Unhealthy || c.Reason != "no model is installed: scout models pull" {
			t.Errorf("self-test %v: model %+v, want what to do", now, c)
		}
	}
	if one, all := d.engineStatus(); one.State != v1.EngineUnloaded || len(all) != 0 {
		t.Errorf("status %+v, %+v", one, all)
	}
	if err := d.stopEngines(t.Context()); err != nil {
		t.Error(err)
	}
}

// Each model that was used is told: first the one that is ill, although another one was used later.
func TestTheEnginesOfADaemonWithSeveralModels(t *testing.T) {
	t.Parallel()
	h := newModelHouse(t)
	for _, id := range []string{"ill", "older", "newer", "waiting"} { // in the order of their use
		h.put(id)
		r, release, err := h.engines.Borrow(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(release)
		if id == "waiting" {
			continue // nobody has asked it anything
		}
		_, err = r.Engine.Transcribe(t.Context(), engine.Request{Samples: make([]float32, scout.EngineSampleRateHz/10)})
		if (err != nil) != (id == "ill") {
			t.Fatalf("%s: %v", id, err)
		}
	}
	one, all := h.engineStatus()
	var got []string
	for _, e := range all {
		got = append(got, e.Model+" "+e.State)
		if (e.Reason != "") != (e.Model == "ill") || (e.LastSuccess != nil) != (e.State == engine.StateLoaded) {
			t.Errorf("%+v", e)
		}
	}
	if want := []string{"ill failed", "waiting unloaded", "newer loaded", "older loaded"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if one != all[0] || !strings.Contains(one.Reason, "the graph does not run") {
		t.Errorf("first %+v", one)
	}
}

// An engine that accepts work and never answers makes the whole Unhealthy. Its process is killed, and both the request and the one after
// it get their answers from the next one; then the whole is well again.
func TestAnEngineThatNeverAnswers(t *testing.T) {
	t.Parallel()
	h := newModelHouse(t)
	h.put("a")
	stuck := filepath.Join(h.dir, "a", "stuck")
	if err := os.WriteFile(stuck, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.checker = newChecker(observe.Scope{}, "", []health.Check{h.engines.Check()})
	r, release, err := h.engines.Borrow(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	answers, began := make(chan error, 2), time.Now()
	for range cap(answers) {
		go func() {
			_, err := r.Engine.Transcribe(t.Context(), engine.Request{Samples: make([]float32, scout.EngineSampleRateHz), Class: schedule.Interactive})
			answers <- err
		}()
	}
	look := func(status health.Status) health.Component {
		for { // ends with the test's time
			if report := h.report(t.Context(), false); report.Status == status {
				return report.Components[0]
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	if c := look(health.Unhealthy); c.Metadata["state"] != engine.StateStalled {
		t.Errorf("%+v, want it stalled", c)
	}
	t.Logf("Unhealthy %s after the request", time.Since(began).Round(10*time.Millisecond))
	if err := os.Remove(stuck); err != nil {
		t.Fatal(err)
	}
	for range cap(answers) {
		if err := <-answers; err != nil {
			t.Error(err)
		}
	}
	look(health.Healthy)
	t.Logf("answered and Healthy %s after the request", time.Since(began).Round(10*time.Millisecond))
	if got := r.Engine.State().Starts; got < 2 {
		t.Errorf("%d starts, want a second process", got)
	}
}

// A command waits for the end of a daemon that has begun to stop: the time for that covers every stage.
func TestTheBudgetsOfAllStagesFitIntoTheTimeOfAStop(t *testing.T) {
	t.Parallel()
	sum := time.Duration(0)
	for _, s := range new(daemon).stages() {
		sum += s.budget + grace
	}
	if sum >= StopsWithin {
		t.Errorf("all stages together may take %s to stop, and commands wait %s", sum, StopsWithin)
	}
}
