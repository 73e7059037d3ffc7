package recognize_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/recognize"
)

// understood is what a model that works hears in the clip.
const understood = "And so, my fellow Americans"

func TestSelfTest(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		model, hears string
		ease         recognize.Ease
		want         scout.Code
		status       health.Status
	}{
		"it understands the clip":     {model: "a", hears: understood, status: health.Healthy},
		"it misses the end":           {model: "a", hears: "and so my", status: health.Healthy},
		"it hears nothing":            {model: "a", hears: " ", want: scout.CodeEngineFailed, status: health.Unhealthy},
		"it hears something else":     {model: "a", hears: "the the the the", want: scout.CodeEngineFailed, status: health.Unhealthy},
		"it ends its process":         {model: "crash", hears: understood, want: scout.CodeEngineCrashed, status: health.Unhealthy},
		"there is no such model":      {model: "b", want: scout.CodeModelUnknown, status: health.Unknown},
		"no model may be loaded":      {model: "a", hears: understood, ease: recognize.Ease{Hold: scout.Errorf(scout.CodeUnavailable, "no memory")}, want: scout.CodeUnavailable, status: health.Unknown},
		"the machine does one by one": {model: "a", hears: understood, ease: recognize.Ease{OneSlot: true}, status: health.Healthy},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			install(t, dir, "a", c.hears)
			install(t, dir, "crash", c.hears)
			e := newEngines(t, dir, nil)
			e.Ease(c.ease)
			err := e.SelfTest(t.Context(), c.model, schedule.Interactive)
			if scout.CodeOf(err) != c.want {
				t.Errorf("error %v, want %q", err, c.want)
			}
			r := e.Check().Probe(t.Context())
			if r.Status != c.status || c.status == health.Healthy && !strings.HasPrefix(r.Reason, "last success") {
				t.Errorf("%s: %s, want %s", r.Status, r.Reason, c.status)
			}
			for e.Open() != nil && len(e.Open()) > 0 && e.Open()[0].Running { // nobody else uses it: it is unloaded again
				time.Sleep(time.Millisecond)
			}
		})
	}
}

// A model that somebody has loaded stays so.
func TestASelfTestUnloadsNoModelThatWasLoaded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	install(t, dir, "a", understood)
	e := newEngines(t, dir, nil)
	test(t, e, "a")
	if err := e.SelfTest(t.Context(), "", schedule.Interactive); err != nil {
		t.Fatal(err)
	}
	if open := e.Open(); len(open) != 1 || !open[0].Running || open[0].Starts != 1 {
		t.Errorf("%+v, want it loaded once", open)
	}
}

// tended runs Tend until the test ends.
func tended(t *testing.T, e *recognize.Engines, due recognize.Proofs) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Tend(ctx, due) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// until waits for a status; it ends with the test's time.
func until(e *recognize.Engines, status health.Status) health.Result {
	for {
		r := e.Check().Probe(context.Background())
		if r.Status == status {
			return r
		}
		time.Sleep(time.Millisecond)
	}
}

// Engines become healthy by themselves, and only after a model has transcribed something: at the start, after a model was installed, and
// after failures.
func TestEnginesProveThatTheyWork(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := newEngines(t, dir, nil)
	tended(t, e, recognize.Proofs{AtStart: true})
	for r := e.Check().Probe(t.Context()); !strings.Contains(r.Reason, "self-test failed"); r = e.Check().Probe(t.Context()) {
		if r.Status != health.Unknown {
			t.Fatalf("%s without a model: %s", r.Status, r.Reason)
		}
		time.Sleep(time.Millisecond)
	}
	install(t, dir, "a", understood)
	e.Wake()
	until(e, health.Healthy)

	ill := filepath.Join(dir, "a", "ill")
	if err := os.WriteFile(ill, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	test(t, e, "a")
	if r := until(e, health.Unhealthy); r.Metadata["state"] != engine.StateFailed {
		t.Errorf("%+v", r)
	}
	if err := os.Remove(ill); err != nil {
		t.Fatal(err)
	}
	until(e, health.Healthy)
}

// A breaker that has opened is closed by a self-test, although nobody sends a request.
func TestASelfTestClosesTheBreaker(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	install(t, dir, "a", understood)
	ill := filepath.Join(dir, "a", "ill")
	if err := os.WriteFile(ill, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e := newEngines(t, dir, func(o *recognize.EnginesOptions) {
		o.Engine.Breaker.Consecutive, o.Engine.Breaker.Rest = 1, 50*time.Millisecond
	})
	test(t, e, "a")
	if err := os.Remove(ill); err != nil {
		t.Fatal(err)
	}
	tended(t, e, recognize.Proofs{AtStart: true})
	until(e, health.Healthy)
	if open := e.Open(); open[0].Breaker != "closed" {
		t.Errorf("%+v", open[0])
	}
}

// While no model may be loaded, none is, and requests say why; afterwards everything works again, and nothing is held against the model.
func TestModelsAreHeldBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	install(t, dir, "a", understood)
	e := newEngines(t, dir, func(o *recognize.EnginesOptions) { o.Engine.Breaker.Consecutive = 1 })
	test(t, e, "a")
	e.Ease(recognize.Ease{Hold: scout.Errorf(scout.CodeUnavailable, "no memory")})
	for e.Open()[0].Running {
		time.Sleep(time.Millisecond)
	}
	r, release := borrow(t, e, "a")
	defer release()
	if err := ask(t.Context(), r, schedule.Dictation); scout.CodeOf(err) != scout.CodeUnavailable {
		t.Errorf("error %v", err)
	}
	if got := e.Check().Probe(t.Context()); got.Status != health.Healthy {
		t.Errorf("%+v", got)
	}
	e.Ease(recognize.Ease{})
	if err := ask(t.Context(), r, schedule.Dictation); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
