package recognize_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
	"github.com/scout-speech/scout/internal/speech/segment"
)

func TestPickAModelForARole(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		installed []string
		selected  string
		roles     recognize.Roles
		fast      string // as Store.Resolve takes it
		accurate  string
	}{
		"nothing chosen":                         {[]string{"a"}, "", recognize.Roles{}, "", ""},
		"the usual accurate one is there":        {[]string{"a", "whisper-base"}, "", recognize.Roles{}, "", "whisper-base"},
		"one selected for everything":            {[]string{"a", "whisper-base"}, "a", recognize.Roles{}, "", ""},
		"the usual one is selected":              {[]string{"a", "whisper-base"}, "whisper-base", recognize.Roles{}, "", ""},
		"each role has its own":                  {[]string{"a", "b"}, "", recognize.Roles{Fast: "a", Accurate: "b"}, "a", "b"},
		"a role goes before the selection":       {[]string{"a", "b"}, "a", recognize.Roles{Accurate: "b"}, "", "b"},
		"a fast one alone is used for both":      {[]string{"a"}, "", recognize.Roles{Fast: "a"}, "a", "a"},
		"a fast one beside the usual accurate":   {[]string{"a", "whisper-base"}, "", recognize.Roles{Fast: "a"}, "a", "whisper-base"},
		"an accurate one that is not there":      {[]string{"a"}, "", recognize.Roles{Accurate: "gone"}, "", "gone"},
		"the selection goes before the fast one": {[]string{"a", "b"}, "b", recognize.Roles{Fast: "a"}, "a", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, id := range c.installed {
				installKnowing(t, dir, id, "en")
			}
			store, err := model.Open(dir, observe.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			if c.selected != "" {
				if _, err := store.Use(t.Context(), c.selected); err != nil {
					t.Fatal(err)
				}
			}
			for role, want := range map[recognize.Role]string{recognize.Fast: c.fast, recognize.Accurate: c.accurate} {
				if got, err := c.roles.Pick(store, role); err != nil || got != want {
					t.Errorf("%s is %q, %v; want %q", role, got, err, want)
				}
			}
		})
	}
}

// installKnowing puts a model that knows languages into a folder of models, as a pull does.
func installKnowing(t *testing.T, dir, id string, languages ...string) {
	t.Helper()
	folder := filepath.Join(dir, id)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	var files []map[string]any
	for _, role := range []string{"encoder", "decoder", "tokens"} {
		if err := os.WriteFile(filepath.Join(folder, role), []byte(role), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, map[string]any{"path": role, "role": role, "size": len(role), "sha256": fmt.Sprintf("%x", sha256.Sum256([]byte(role)))})
	}
	manifest, err := json.Marshal(map[string]any{
		"version": 1, "id": id, "name": "Test", "family": "whisper", "languages": languages, "licence": "MIT", "files": files,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "model.json"), manifest, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A language that the model of the role does not know gets another one, if there is one that knows it.
func TestPickAModelForALanguage(t *testing.T) {
	t.Parallel()
	english, many := []string{"en"}, []string{"en", "de", "no", "zh"}
	for name, c := range map[string]struct {
		installed map[string][]string
		roles     recognize.Roles
		role      recognize.Role
		asked     string
		want      string
		code      scout.Code
	}{
		"the fast one knows it":               {map[string][]string{"a": english, "b": many}, recognize.Roles{Fast: "a", Accurate: "b"}, recognize.Fast, "en", "a", ""},
		"nothing asked":                       {map[string][]string{"a": english, "b": many}, recognize.Roles{Fast: "a", Accurate: "b"}, recognize.Fast, "", "a", ""},
		"German is not known to the fast one": {map[string][]string{"a": english, "b": many}, recognize.Roles{Fast: "a", Accurate: "b"}, recognize.Fast, "Deutsch", "b", ""},
		"auto needs one of several":           {map[string][]string{"a": english, "b": many}, recognize.Roles{Fast: "a", Accurate: "b"}, recognize.Fast, "auto", "b", ""},
		"auto, with a fast one of several":    {map[string][]string{"a": many, "b": many}, recognize.Roles{Fast: "a", Accurate: "b"}, recognize.Fast, "auto", "a", ""},
		"another name of a language":          {map[string][]string{"a": english, "b": many}, recognize.Roles{Fast: "a", Accurate: "b"}, recognize.Accurate, "nb-NO", "b", ""},
		"neither role knows it, a third does": {map[string][]string{"a": english, "b": english, "c": many}, recognize.Roles{Fast: "a", Accurate: "b"}, recognize.Accurate, "de", "c", ""},
		"nobody knows it":                     {map[string][]string{"a": english, "b": many}, recognize.Roles{Fast: "a", Accurate: "b"}, recognize.Accurate, "fi", "b", ""},
		"auto, and all know English only":     {map[string][]string{"a": english}, recognize.Roles{Fast: "a"}, recognize.Fast, "auto", "a", ""},
		"no language":                         {map[string][]string{"a": english}, recognize.Roles{Fast: "a"}, recognize.Fast, "klingonese", "", scout.CodeInvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for id, languages := range c.installed {
				installKnowing(t, dir, id, languages...)
			}
			store, err := model.Open(dir, observe.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.roles.For(store, c.role, c.asked); got != c.want || scout.CodeOf(err) != c.code {
				t.Errorf("%q, %v; want %q, %q", got, err, c.want, c.code)
			}
		})
	}
}

// Engines lend the model of the role where none is named, and the one named for everything before that.
func TestBorrowForARole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, id := range []string{"a", "b", "c"} {
		install(t, dir, id, "1")
	}
	for name, c := range map[string]struct {
		everything, id string
		fast, accurate string
	}{
		"by role":                      {"", "", "a", "b"},
		"one for everything":           {"c", "", "c", "c"},
		"named":                        {"", "c", "c", "c"},
		"named, with one for the rest": {"a", "c", "c", "c"},
	} {
		e := newEngines(t, dir, func(o *recognize.EnginesOptions) {
			o.Default, o.Roles = c.everything, recognize.Roles{Fast: "a", Accurate: "b"}
		})
		for role, want := range map[recognize.Role]string{recognize.Fast: c.fast, recognize.Accurate: c.accurate} {
			r, release, err := e.BorrowFor(t.Context(), c.id, role, "")
			if err != nil {
				t.Fatal(err)
			}
			if r.Model.ID != want {
				t.Errorf("%s, %s: %q, want %q", name, role, r.Model.ID, want)
			}
			release()
		}
	}
}

func TestParseRole(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]scout.Code{"fast": "", "accurate": "", "": scout.CodeInvalidArgument, "Fast": scout.CodeInvalidArgument, "best": scout.CodeInvalidArgument} {
		if _, err := recognize.ParseRole(text); scout.CodeOf(err) != want {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Pieces are as long as suits the model, and fit into a request with their context.
func TestTraitOfAModel(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		family   model.Family
		backend  string
		longest  time.Duration // 0 for the default
		rechecks bool
	}{
		"Moonshine":                {model.Moonshine, recognize.BackendMoonshine, 0, false},
		"Parakeet":                 {model.Parakeet, recognize.BackendSherpa, 0, false},
		"Whisper":                  {model.Whisper, "whisper", 25 * time.Second, true},
		"Whisper with sherpa-onnx": {model.Whisper, recognize.BackendSherpa, 25 * time.Second, false},
	} {
		r := recognize.Recognizer{Model: model.Installed{Family: c.family}, Backend: c.backend}
		trait := r.Trait()
		if trait.Rechecks != c.rechecks || (trait.Cut != nil) != (c.longest > 0) {
			t.Errorf("%s: %+v", name, trait)
		}
		if trait.Cut == nil {
			continue
		}
		if heard := trait.Window.Most > 0; heard != c.rechecks || heard != (trait.LiveCut != nil) || trait.Window.Least > trait.Window.Most {
			t.Errorf("%s: a stream is heard by %+v", name, trait)
		}
		if trait.LiveCut != nil {
			if _, err := segment.New(*trait.LiveCut, func(segment.Piece) error { return nil }); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if e := trait.Ends; e.Least > e.Most || e.Most > e.Longest || e.SecondLeast > e.SecondMost || e.Rest > 30*time.Second {
				t.Errorf("%s: a stop decodes %+v", name, e)
			}
		}
		if trait.Cut.Max != c.longest {
			t.Errorf("%s: pieces of %v", name, trait.Cut.Max)
		}
		if _, err := segment.New(*trait.Cut, func(segment.Piece) error { return nil }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTranslationIsRefusedWhereItCannotBe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	install(t, dir, "a", "1") // it knows English only
	r, release := borrow(t, newEngines(t, dir, nil), "a")
	defer release()
	if err := r.CheckTranslation(t.Context(), false); err != nil {
		t.Errorf("not wanted: %v", err)
	}
	if err := r.CheckTranslation(t.Context(), true); scout.CodeOf(err) != scout.CodeModelUnsupported || r.Engine.State().Running {
		t.Errorf("an English-only model: %v, running %v", err, r.Engine.State().Running)
	}
}

func TestAMisspeltLanguageIsRecognised(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"dutsh": "did you mean Dutch (nl)?", "Germen": "did you mean German (de)?", "Fransh": "", "espanol": "did you mean Spanish (es)?",
		"xx1": "", "klingonese": "",
	} {
		_, err := recognize.ParseLanguage(text)
		if got := scout.HintOf(err); want != "" && got != want || want == "" && got == "" {
			t.Errorf("%q: hint %q, want %q", text, got, want)
		}
	}
}

// The model that writes what is dictated stays loaded; another one is soon unloaded.
func TestIdleUnload(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	installKnowing(t, dir, "a", "en")
	installKnowing(t, dir, "b", "en", "de")
	store, err := model.Open(dir, observe.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		language string
		a, b     time.Duration
	}{
		"a language that the fast one knows": {"en", time.Hour, time.Minute},
		"no language":                        {"", time.Hour, time.Minute},
		"one that it does not know":          {"de", time.Minute, time.Hour},
	} {
		e := newEngines(t, dir, func(o *recognize.EnginesOptions) {
			o.Default, o.IdleUnload, o.Language, o.Roles = "", time.Hour, c.language, recognize.Roles{Fast: "a", Accurate: "b"}
		})
		if a, b := e.IdleUnload(t.Context(), store, "a"), e.IdleUnload(t.Context(), store, "b"); a != c.a || b != c.b {
			t.Errorf("%s: %s and %s, want %s and %s", name, a, b, c.a, c.b)
		}
	}
}
