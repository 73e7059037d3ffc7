package recognize_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/enginetest"
	"github.com/scout-speech/scout/internal/engine/schedule"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
)

// TestMain lets the test binary be an engine too. A model whose id begins with "crash" ends its process with each request, others
// do so as long as there is a file "ill" beside their files. What they hear is the content of their tokens.
func TestMain(m *testing.M) {
	enginetest.Main(m, func(*os.File) server.Options {
		return server.Options{Open: func(_ context.Context, load wire.Load) (server.Backend, error) { return backend{load}, nil }}
	})
}

type backend struct{ load wire.Load }

func (b backend) Facts() wire.Hello {
	return wire.Hello{ModelID: b.load.ModelID, MaxFrames: 1 << 20, Slots: 2}
}
func (backend) Close() error { return nil }
func (b backend) Transcribe(context.Context, *wire.Request) (*wire.Result, error) {
	tokens, err := os.ReadFile(b.load.Files["tokens"])
	if err != nil {
		return nil, err
	}
	_, ill := os.Stat(filepath.Join(filepath.Dir(b.load.Files["tokens"]), "ill"))
	if strings.HasPrefix(b.load.ModelID, "crash") || ill == nil {
		os.Exit(3)
	}
	return &wire.Result{Text: string(tokens)}, nil
}

// install puts a model into a folder of models; its tokens are the given text.
func install(t *testing.T, dir, id, tokens string) {
	t.Helper()
	enginetest.Model(t, dir, id)
	if err := os.WriteFile(filepath.Join(dir, id, "t"), []byte(tokens), 0o600); err != nil {
		t.Fatal(err)
	}
}

// newEngines returns engines over a folder of models; the default model is "a".
func newEngines(t *testing.T, dir string, change func(*recognize.EnginesOptions)) *recognize.Engines {
	t.Helper()
	o := recognize.EnginesOptions{
		Machine: &recognize.Machine{Scope: observe.Scope{}},
		Models:  func() (*model.Store, error) { return model.Open(dir, observe.Scope{}) },
		Default: "a", Program: os.Args[0],
	}
	if change != nil {
		change(&o)
	}
	e := recognize.NewEngines(o)
	t.Cleanup(e.Close)
	return e
}

func borrow(t *testing.T, e *recognize.Engines, id string) (*recognize.Recognizer, func()) {
	t.Helper()
	r, release, err := e.Borrow(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r, release
}

func ask(ctx context.Context, r *recognize.Recognizer, class schedule.Class) error {
	_, err := r.Engine.Transcribe(ctx, engine.Request{Samples: make([]float32, scout.EngineSampleRateHz/10), Class: class})
	return err
}

func state(e *recognize.Engines) (health.Status, string) {
	r := e.Check().Probe(context.Background())
	return r.Status, r.Metadata["state"]
}

func TestAModelIsLoadedByItsFirstRequestAndUnloadedWhenIdle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	install(t, dir, "a", "1")
	e := newEngines(t, dir, func(o *recognize.EnginesOptions) { o.IdleUnload = 50 * time.Millisecond })
	want := func(when string, status health.Status, wanted string) {
		t.Helper()
		if got, state := state(e); got != status || state != wanted {
			t.Errorf("%s: %s, %s; want %s, %s", when, got, state, status, wanted)
		}
	}
	want("before anything", health.Unknown, engine.StateUnloaded)
	r, release := borrow(t, e, "")
	want("borrowed", health.Unknown, engine.StateUnloaded)
	for _, class := range schedule.Classes() {
		if err := ask(t.Context(), r, class); err != nil {
			t.Errorf("%s: %v", class, err)
		}
	}
	for r.Engine.State().Running { // it is unloaded although somebody has it
		time.Sleep(time.Millisecond)
	}
	want("idle", health.Healthy, engine.StateUnloaded)
	if err := ask(t.Context(), r, schedule.Dictation); err != nil {
		t.Errorf("after it was unloaded: %v", err)
	}
	if got := r.Engine.State().Starts; got < 2 {
		t.Errorf("%d starts, want one more after it was unloaded", got)
	}
	release()
	release()
}

func TestWhatBorrowersGet(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		id     string
		change func(t *testing.T, dir string) // between two loans
		same   bool
	}{
		"the same model":                {"a", func(*testing.T, string) {}, true},
		"the default model by its name": {"", func(*testing.T, string) {}, true},
		"another model":                 {"b", func(*testing.T, string) {}, false},
		"the model was installed again": {"a", func(t *testing.T, dir string) { install(t, dir, "a", "22") }, false},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			install(t, dir, "a", "1")
			install(t, dir, "b", "1")
			e := newEngines(t, dir, nil)
			first, release := borrow(t, e, "a")
			defer release()
			c.change(t, dir)
			second, done := borrow(t, e, c.id)
			defer done()
			if (first.Engine == second.Engine) != c.same {
				t.Errorf("the same engine: %v, want %v", first.Engine == second.Engine, c.same)
			}
			for _, r := range []*recognize.Recognizer{first, second} {
				if err := ask(t.Context(), r, schedule.Batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestAnEngineOfOldFilesEndsWithItsLastBorrower(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	install(t, dir, "a", "1")
	e := newEngines(t, dir, nil)
	old, release := borrow(t, e, "a")
	install(t, dir, "a", "22")
	_, done := borrow(t, e, "a")
	defer done()
	if err := ask(t.Context(), old, schedule.Batch); err != nil {
		t.Fatal(err)
	}
	release()
	if err := ask(t.Context(), old, schedule.Batch); scout.CodeOf(err) != scout.CodeEngineClosed {
		t.Errorf("after its last borrower: %v, want %s", err, scout.CodeEngineClosed)
	}
}

func TestManyBorrowAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	install(t, dir, "a", "1")
	e := newEngines(t, dir, nil)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			r, release, err := e.Borrow(t.Context(), "")
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			if err := ask(t.Context(), r, schedule.Interactive); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if open := e.Open(); len(open) != 1 || open[0].Starts != 1 {
		t.Errorf("open: %+v, want one engine that was started once", open)
	}
}

func TestBorrowFails(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		id   string
		make func(t *testing.T, dir string)
		want scout.Code
	}{
		"there is no folder of models": {"", func(t *testing.T, dir string) {
			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
		}, scout.CodeModelUnknown},
		"it is not installed": {"moonshine-tiny-en", func(*testing.T, string) {}, scout.CodeModelNotInstalled},
		"a file is missing": {"", func(t *testing.T, dir string) {
			install(t, dir, "a", "1")
			if err := os.Remove(filepath.Join(dir, "a", "e")); err != nil {
				t.Fatal(err)
			}
		}, scout.CodeModelCorrupt},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "models")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			c.make(t, dir)
			e := newEngines(t, dir, nil)
			if _, _, err := e.Borrow(t.Context(), c.id); scout.CodeOf(err) != c.want || scout.HintOf(err) == "" {
				t.Errorf("error %v (hint %q), want %s with a hint", err, scout.HintOf(err), c.want)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			install(t, dir, "a", "1")
			_, release := borrow(t, e, "a") // the failure is not remembered
			release()
		})
	}
}

func TestHealthOfEngines(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		change func(*recognize.EnginesOptions)
		work   func(t *testing.T, e *recognize.Engines)
		status health.Status
		state  string
		reason string
	}{
		"nothing was asked yet":        {status: health.Unknown, state: engine.StateUnloaded, reason: "nothing was transcribed yet"},
		"the program is not there":     {change: func(o *recognize.EnginesOptions) { o.Program = "/nowhere/scout-engine" }, status: health.Unhealthy, state: engine.StateFailed, reason: "/nowhere/scout-engine"},
		"it works":                     {work: func(t *testing.T, e *recognize.Engines) { test(t, e, "a") }, status: health.Healthy, state: engine.StateLoaded, reason: "last success"},
		"it crashes with each request": {work: func(t *testing.T, e *recognize.Engines) { test(t, e, "crash") }, status: health.Unhealthy, state: engine.StateFailed, reason: "engine"},
		"one of two crashes":           {work: func(t *testing.T, e *recognize.Engines) { test(t, e, "crash"); test(t, e, "a") }, status: health.Unhealthy, state: engine.StateFailed, reason: "engine"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			install(t, dir, "a", "1")
			install(t, dir, "crash", "1")
			e := newEngines(t, dir, c.change)
			if c.work != nil {
				c.work(t, e)
			}
			r := e.Check().Probe(t.Context())
			if r.Status != c.status || r.Metadata["state"] != c.state || !strings.Contains(r.Reason, c.reason) {
				t.Errorf("%s, %s: %q; want %s, %s with %q", r.Status, r.Metadata["state"], r.Reason, c.status, c.state, c.reason)
			}
		})
	}
}

// test makes one request, whatever becomes of it.
func test(t *testing.T, e *recognize.Engines, id string) {
	t.Helper()
	r, release := borrow(t, e, id)
	defer release()
	_ = ask(t.Context(), r, schedule.Interactive) // its outcome is in the health
}

func TestClosedEngines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	install(t, dir, "a", "1")
	e := newEngines(t, dir, nil)
	r, release := borrow(t, e, "")
	if err := ask(t.Context(), r, schedule.Batch); err != nil {
		t.Fatal(err)
	}
	e.Close()
	if err := ask(t.Context(), r, schedule.Batch); scout.CodeOf(err) != scout.CodeEngineClosed {
		t.Errorf("request: %v", err)
	}
	if _, _, err := e.Borrow(t.Context(), ""); scout.CodeOf(err) != scout.CodeEngineClosed {
		t.Errorf("borrow: %v", err)
	}
	release()
	e.Close()
}
