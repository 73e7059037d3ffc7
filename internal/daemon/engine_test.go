package daemon

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/engine"
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
	d := &daemon{options: Options{Settings: loaded(t), Scope: scope}}
	if err := d.startEngines(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.checker = newChecker(scope, "", []health.Check{d.engines.Check(), modelCheck(d.options.Settings, scope)})
	for _, now := range []bool{false, true} { // the self-test has no model to load: nothing of the engine is wrong
		r := d.report(t.Context(), now)
		if c := r.Components[0]; c.Status != health.Healthy || c.Metadata["state"] != "unloaded" {
			t.Errorf("self-test %v: engine %+v, want Healthy and unloaded", now, c)
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
