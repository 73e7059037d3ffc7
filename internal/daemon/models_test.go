package daemon

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/engine"
	"github.com/scout-speech/scout/internal/engine/enginetest"
	"github.com/scout-speech/scout/internal/engine/server"
	"github.com/scout-speech/scout/internal/engine/wire"
	"github.com/scout-speech/scout/internal/history"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/ondisk"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/sqlite/sqlitetest"
)

// TestMain lets the test binary be an engine, too.
func TestMain(m *testing.M) {
	os.Exit(enginetest.Prepare(m, func(*os.File) server.Options {
		return server.Options{Open: func(_ context.Context, load wire.Load) (server.Backend, error) {
			return silent{load.ModelID, filepath.Dir(load.Files["tokens"])}, nil
		}}
	}).Run())
}

// silent is a model that hears nothing. One with the id "ill" fails. One with a file "stuck" beside its files never answers. One with the id
// "takes-N" takes N megabytes with its first request.
type silent struct{ id, dir string }

// taken is the memory of an engine.
var taken struct {
	sync.Once
	bytes []byte
}

func (s silent) Facts() wire.Hello {
	return wire.Hello{ModelID: s.id, MaxFrames: 1 << 20, Slots: 2}
}
func (silent) Close() error { return nil }
func (s silent) Transcribe(context.Context, *wire.Request) (*wire.Result, error) {
	if s.id == "ill" {
		return nil, scout.Errorf(scout.CodeEngineFailed, "the graph does not run")
	}
	if _, err := os.Stat(filepath.Join(s.dir, "stuck")); err == nil {
		select {}
	}
	if takes, is := strings.CutPrefix(s.id, "takes-"); is {
		megabytes, err := strconv.Atoi(takes)
		if err != nil {
			return nil, err
		}
		taken.Do(func() { taken.bytes = bytes.Repeat([]byte{1}, megabytes<<20) })
	}
	return &wire.Result{}, nil
}

// modelHouse is a daemon of which only engines and history run, and the folder of its models.
type modelHouse struct {
	*daemon
	t     *testing.T
	dir   string
	rung  <-chan struct{}
	after uint64
	seen  []string
}

func newModelHouse(t *testing.T) *modelHouse {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "models")
	s := loaded(t, "SCOUT_ENGINE="+os.Args[0], "SCOUT_MODELS="+dir)
	st := sqlitetest.Open(t, filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{})
	d := &daemon{options: Options{Settings: s}, living: t.Context(), current: newCurrent(s)}
	d.history = history.New(d.options.Scope, st, ondisk.Folders{})
	d.log = d.options.Scope.Log()
	if err := d.startEngines(t.Context()); err != nil {
		t.Fatal(err)
	}
	rung, end := st.Listen(store.EventStream)
	t.Cleanup(func() {
		end()
		d.engines.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return &modelHouse{daemon: d, t: t, dir: dir, rung: rung}
}

// put installs a model.
func (h *modelHouse) put(id string) {
	h.t.Helper()
	enginetest.Model(h.t, h.dir, id)
}

// until waits for an event, and returns all events so far.
func (h *modelHouse) until(want string) []string {
	h.t.Helper()
	for {
		replay, err := h.history.Store().Events(h.t.Context(), store.EventStream, h.after, 100)
		if err != nil {
			h.t.Fatal(err)
		}
		for i := range replay.Events {
			e := &replay.Events[i]
			h.after = e.Seq
			h.seen = append(h.seen, e.Type+" "+string(e.Data))
		}
		if len(h.seen) > 0 && h.seen[len(h.seen)-1] == want {
			return h.seen
		}
		select {
		case <-h.rung:
		case <-h.t.Context().Done():
			h.t.Fatalf("%q, want %s at the end", h.seen, want)
		}
	}
}

// What is told about a model is what became of its process, however that ended.
func TestWhatIsToldAboutALoadedModel(t *testing.T) {
	t.Parallel()
	h := newModelHouse(t)
	h.put("a")
	r, release, err := h.engines.Borrow(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	ask := func() {
		t.Helper()
		if _, err := r.Engine.Transcribe(t.Context(), engine.Request{Samples: make([]float32, scout.EngineSampleRateHz/10)}); err != nil {
			t.Fatal(err)
		}
	}
	const in, out = `model.loaded {"id":"a"}`, `model.unloaded {"id":"a"}`
	ask()
	h.until(in)
	ask() // it is loaded already
	process, err := os.FindProcess(r.Engine.State().PID)
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	h.until(out)
	ask()
	h.until(in)
	if err := h.stopEngines(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := h.until(out); !slices.Equal(got, []string{in, out, in, out}) {
		t.Errorf("%q", got)
	}
}

// Models that come, go and are selected while a daemon runs are told, also where their folder is made later.
func TestWhatIsToldAboutTheFolderOfModels(t *testing.T) {
	t.Parallel()
	h := newModelHouse(t)
	looked := make(chan struct{}, 100)
	known := &knownModels{note: func(kind, id string) { h.history.Note(t.Context(), kind, "", map[string]any{"id": id}) }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { // ended by cancel
		ended <- watchFolder(ctx, h.dir, func(name string) bool { return !strings.HasPrefix(name, ".") }, func() {
			known.look(h.models)
			looked <- struct{}{}
		})
	}()
	<-looked
	h.put("a")
	h.until(`model.installed {"id":"a"}`)
	h.put("b")
	h.until(`model.installed {"id":"b"}`)
	models, err := h.models()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := models.Use(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	h.until(`model.selected {"id":"b"}`)
	if err := os.RemoveAll(filepath.Join(h.dir, "a")); err != nil {
		t.Fatal(err)
	}
	got := h.until(`model.removed {"id":"a"}`)
	if want := []string{`model.installed {"id":"a"}`, `model.installed {"id":"b"}`, `model.selected {"id":"b"}`, `model.removed {"id":"a"}`}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
