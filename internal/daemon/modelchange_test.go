package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/filelock"
	"github.com/scout-speech/scout/internal/job"
	"github.com/scout-speech/scout/internal/record"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/settings"
)

// shelf is a house of models that are changed.
type shelf struct {
	modelKeeper
	house *modelHouse
}

func newShelf(t *testing.T, environment ...string) shelf {
	t.Helper()
	h := newModelHouse(t)
	file := filepath.Join(t.TempDir(), "settings.toml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	sources := h.options.Settings.Sources()
	sources.File = file
	sources.Environment = append(slices.Clone(sources.Environment), environment...)
	loaded, err := settings.Load(sources)
	if err != nil {
		t.Fatal(err)
	}
	roles := h.current.roles
	h.options.Settings, h.current = loaded, newCurrent(loaded)
	h.current.roles = roles
	folder, err := recording.OpenFolder(filepath.Join(t.TempDir(), "recordings"))
	if err != nil {
		t.Fatal(err)
	}
	h.recorder = record.New(record.Options{Folder: folder})
	h.jobs = job.New(job.Options{Store: h.history.Store(), Kinds: map[string]job.Work{job.KindModelPull: h.installations().Do, job.KindTranscribe: func(context.Context, *job.Claimed) error { return nil }}})
	return shelf{modelKeeper{h.daemon, func() int64 { return 0 }}, h}
}

func (s shelf) model(id string) v1.Model {
	s.house.t.Helper()
	list, err := s.List(s.house.t.Context())
	if err != nil {
		s.house.t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(m v1.Model) bool { return m.ID == id })
	if i < 0 {
		s.house.t.Fatalf("there is no %s", id)
	}
	return list[i]
}

func wantCode(t *testing.T, err error, want scout.Code) {
	t.Helper()
	if scout.CodeOf(err) != want {
		t.Errorf("%v (%s), want %s", err, scout.CodeOf(err), want)
	}
}

// A model is loaded and unloaded as asked for. One that a dictation has stays loaded, and is not deleted.
func TestAModelThatIsUsedStays(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.house.put("a")
	ctx := t.Context()
	wantCode(t, s.Unload(ctx, "a"), "") // it is not loaded
	for range 2 {
		wantCode(t, s.Load(ctx, "a"), "")
	}
	if !s.model("a").Loaded {
		t.Error("it is not loaded")
	}
	_, release, err := s.engines.Borrow(ctx, "a")
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, s.Unload(ctx, "a"), scout.CodeModelInUse)
	wantCode(t, s.Remove(ctx, "a"), scout.CodeModelInUse)
	if !s.model("a").Loaded {
		t.Error("it was unloaded while it is used")
	}
	release()
	wantCode(t, s.Unload(ctx, "a"), "")
	if s.model("a").Loaded {
		t.Error("it is loaded")
	}
	if got := s.house.until(`model.unloaded {"id":"a"}`); !slices.Equal(got, []string{`model.loaded {"id":"a"}`, `model.unloaded {"id":"a"}`}) {
		t.Errorf("%q", got)
	}
	wantCode(t, s.Load(ctx, "whisper-small"), scout.CodeModelNotInstalled)
	wantCode(t, s.Remove(ctx, "a"), scout.CodeInvalidArgument) // it is the user's own
	if _, err := os.Stat(filepath.Join(s.house.dir, "a", "model.toml")); err != nil {
		t.Error(err)
	}
}

// The model of a role is another one as soon as that was said, for what begins then.
func TestARoleTakesEffectAtOnce(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.house.put("a")
	s.house.put("b")
	for _, id := range []string{"a", "b"} {
		wantCode(t, s.Use(t.Context(), id, "fast"), "")
		r, release, err := s.engines.Borrow(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		release()
		if r.Model.ID != id || !slices.Equal(s.model(id).Roles, []string{"fast", "accurate"}) && !slices.Equal(s.model(id).Roles, []string{"fast"}) {
			t.Errorf("model %s, %v; want %s", r.Model.ID, s.model(id).Roles, id)
		}
		s.house.until(`model.selected {"id":"` + id + `","role":"fast"}`)
	}
	if names := s.settings().RestartRequired; len(names) != 0 {
		t.Errorf("%q need a restart", names)
	}
	wantCode(t, s.Remove(t.Context(), "b"), scout.CodeModelInUse) // the setting names it
	wantCode(t, s.Use(t.Context(), "whisper-small", "fast"), scout.CodeModelNotInstalled)
	if got := s.model("b").Roles; !slices.Contains(got, "fast") {
		t.Errorf("%q", got)
	}
	for situation, variable := range map[string]string{"one for everything": "SCOUT_MODEL=a", "one that a variable sets": "SCOUT_MODELS__FAST=a"} {
		fixed := newShelf(t, variable)
		fixed.house.put("a")
		fixed.house.put("b")
		if err := fixed.Use(t.Context(), "b", "fast"); scout.CodeOf(err) != scout.CodeConflict {
			t.Errorf("%s: %v", situation, err)
		}
		wantCode(t, fixed.Remove(t.Context(), "a"), scout.CodeModelInUse)
	}
}

// What a check finds is what the list says afterwards.
func TestACheckedModelIsListedAsItIs(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.house.put("a")
	toml := filepath.Join(s.house.dir, "a", "model.toml")
	manifest, err := os.ReadFile(toml)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("encoder"))
	manifest = append(manifest, "[sha256]\nencoder = \""+hex.EncodeToString(sum[:])+"\"\n"...)
	if err := os.WriteFile(toml, manifest, 0o600); err != nil {
		t.Fatal(err)
	}
	if problem, err := s.Verify(t.Context(), "a"); problem != "" || err != nil {
		t.Fatalf("%q, %v", problem, err)
	}
	if err := os.WriteFile(filepath.Join(s.house.dir, "a", "e"), []byte("encodes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if problem, err := s.Verify(t.Context(), "a"); !strings.Contains(problem, "was altered") || err != nil {
		t.Errorf("%q, %v", problem, err)
	}
	if m := s.model("a"); m.State != v1.ModelCorrupt || !strings.Contains(m.Problem, "was altered") {
		t.Errorf("%+v", m)
	}
	_, err = s.Verify(t.Context(), "whisper-small")
	wantCode(t, err, scout.CodeModelNotInstalled)
}

// What a pull would be refused is told before there is a job.
func TestPullsThatCannotBe(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.house.put("a")
	for situation, c := range map[string]struct {
		id, from string
		reserve  int64
		code     scout.Code
		status   int
	}{
		"the sources of the catalogue":   {"whisper-tiny-en", "", 0, "", 0},
		"a folder":                       {"whisper-tiny-en", s.house.dir, 0, "", 0},
		"a mirror":                       {"whisper-tiny-en", "https://mirror.example/m", 0, "", 0},
		"a folder that is not there":     {"whisper-tiny-en", filepath.Join(s.house.dir, "none"), 0, scout.CodeInvalidArgument, http.StatusUnprocessableEntity},
		"a folder of the daemon's":       {"whisper-tiny-en", "here", 0, scout.CodeInvalidArgument, http.StatusUnprocessableEntity},
		"an address of another kind":     {"whisper-tiny-en", "file:///etc", 0, scout.CodeInvalidArgument, http.StatusUnprocessableEntity},
		"one of the user's own":          {"a", "", 0, scout.CodeInvalidArgument, http.StatusBadRequest},
		"none":                           {"none", "", 0, scout.CodeModelUnknown, http.StatusNotFound},
		"an id that climbs":              {"../a", "", 0, scout.CodeModelUnknown, http.StatusNotFound},
		"a disk that the recorder needs": {"whisper-tiny-en", "", 1 << 62, scout.CodeDiskLow, http.StatusInsufficientStorage},
	} {
		keeper := modelKeeper{s.daemon, func() int64 { return c.reserve }}
		installed, err := keeper.Pullable(t.Context(), c.id, c.from)
		if installed || scout.CodeOf(err) != c.code {
			t.Errorf("%s: %v, %v", situation, installed, err)
		}
		if err == nil {
			continue
		}
		if status, _ := v1.ErrorOf(err); status != c.status {
			t.Errorf("%s: %d %v", situation, status, err)
		}
		var input *v1.InputError
		if errors.As(err, &input) != (c.status == http.StatusUnprocessableEntity) {
			t.Errorf("%s: %v", situation, err)
		}
	}
}

// A job that waits keeps the model that it names; one that names none keeps none.
func TestAModelThatAJobNamesStays(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const id = "whisper-tiny-en"
	for options, want := range map[string]scout.Code{`{"model":"` + id + `"}`: scout.CodeModelInUse, `{"model":"` + id + `","task":"translate"}`: scout.CodeModelInUse, `{}`: scout.CodeModelNotInstalled} {
		j, _, err := s.jobs.Submit(t.Context(), job.Order{Kind: job.KindTranscribe, Options: []byte(options)})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Remove(t.Context(), id); scout.CodeOf(err) != want || want == scout.CodeModelInUse && !strings.Contains(scout.HintOf(err), j.ID) {
			t.Errorf("%s: %v, want %s", options, err, want)
		}
		if _, err := s.jobs.Pause(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
		wantCode(t, s.Remove(t.Context(), id), want) // it may go on
		if _, err := s.jobs.Cancel(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
		wantCode(t, s.Remove(t.Context(), id), scout.CodeModelNotInstalled)
	}
}

// A model that another process pulls is told as such.
func TestAModelThatACommandPulls(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const id = "whisper-tiny-en"
	if err := os.MkdirAll(s.house.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	lock, err := os.Create(filepath.Join(s.house.dir, "."+id+".lock"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := filelock.Try(lock); !got || err != nil {
		t.Fatal(got, err)
	}
	if m := s.model(id); m.State != v1.ModelPulling || m.JobID != "" {
		t.Errorf("%+v", m)
	}
	if err := filelock.Close(lock); err != nil {
		t.Fatal(err)
	}
	if m := s.model(id); m.State != v1.ModelAvailable {
		t.Errorf("afterwards: %+v", m)
	}
}

// A model that a job installs is told as such, and is not deleted meanwhile.
func TestAModelThatIsPulled(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	j, _, err := s.jobs.Submit(t.Context(), job.Order{Kind: job.KindModelPull, Key: "whisper-tiny-en", Options: []byte(`{"model":"whisper-tiny-en"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if m := s.model("whisper-tiny-en"); m.State != v1.ModelPulling || m.JobID != j.ID {
		t.Errorf("%+v", m)
	}
	if err := s.Remove(t.Context(), "whisper-tiny-en"); scout.CodeOf(err) != scout.CodeModelInUse || !strings.Contains(err.Error(), j.ID) {
		t.Error(err)
	}
	if _, err := s.jobs.Cancel(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	if m := s.model("whisper-tiny-en"); m.State != v1.ModelAvailable || m.JobID != "" {
		t.Errorf("%+v", m)
	}
	wantCode(t, s.Remove(t.Context(), "whisper-tiny-en"), scout.CodeModelNotInstalled)
}
