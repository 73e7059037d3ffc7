package recognize_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/recognize"
)

// ownLoop makes an installed model one that the loop of Scout runs, as far as its manifest tells.
func ownLoop(t *testing.T, dir, id string) {
	t.Helper()
	path := filepath.Join(dir, id, "model.json")
	manifest, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(manifest)
	for role, file := range map[string][2]string{"encoder": {"weights", "model.bin"}, "decoder": {"config", "config.json"}, "tokens": {"tokenizer", "tokenizer.json"}} {
		before := changed
		changed = strings.ReplaceAll(changed, `"role":"`+role+`"`, `"role":"`+file[0]+`"`)
		changed = strings.ReplaceAll(changed, `"path":"`+role+`"`, `"path":"`+file[1]+`"`)
		if changed == before {
			t.Fatalf("no %s in %s", role, manifest)
		}
		if err := os.Rename(filepath.Join(dir, id, role), filepath.Join(dir, id, file[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A translation is made by a model that can translate, where there is one.
func TestPickATranslator(t *testing.T) {
	t.Parallel()
	english, many := []string{"en"}, []string{"en", "de"}
	for name, c := range map[string]struct {
		installed map[string][]string // those whose names begin with w run in the loop of Scout
		named     string
		roles     recognize.Roles
		asked     string
		want      string
		code      scout.Code
	}{
		"the accurate one":                      {map[string][]string{"w1": many, "w2": many}, "", recognize.Roles{Accurate: "w2"}, "", "w2", ""},
		"the accurate one knows English only":   {map[string][]string{"w1": english, "w2": many}, "", recognize.Roles{Accurate: "w1"}, "", "w2", ""},
		"the accurate one cannot":               {map[string][]string{"s": many, "w": many}, "", recognize.Roles{Accurate: "s"}, "", "w", ""},
		"the one for everything":                {map[string][]string{"w1": many, "w2": many}, "w2", recognize.Roles{Accurate: "w1"}, "", "w2", ""},
		"the one for everything cannot":         {map[string][]string{"s": many, "w": many}, "s", recognize.Roles{}, "", "w", ""},
		"the accurate one does not know it":     {map[string][]string{"w1": {"en", "fr"}, "w2": many}, "", recognize.Roles{Accurate: "w1"}, "Deutsch", "w2", ""},
		"nobody knows it":                       {map[string][]string{"w1": many, "w2": many}, "", recognize.Roles{Accurate: "w2"}, "fi", "w2", ""},
		"nobody can":                            {map[string][]string{"s": many, "w": english}, "", recognize.Roles{}, "", "", scout.CodeModelUnsupported},
		"nothing is installed":                  {nil, "", recognize.Roles{}, "", "", scout.CodeModelUnsupported},
		"no language":                           {map[string][]string{"w": many}, "", recognize.Roles{}, "klingonese", "", scout.CodeInvalidArgument},
		"the accurate one is not installed yet": {map[string][]string{"w": many}, "", recognize.Roles{Accurate: "gone"}, "", "w", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for id, languages := range c.installed {
				installKnowing(t, dir, id, languages...)
				if strings.HasPrefix(id, "w") {
					ownLoop(t, dir, id)
				}
			}
			store, err := model.Open(dir, observe.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.roles.Translator(t.Context(), new(recognize.Machine), store, c.named, c.asked)
			if got != c.want || scout.CodeOf(err) != c.code {
				t.Errorf("%q, %v; want %q, %q", got, err, c.want, c.code)
			}
		})
	}
}

// What cannot translate is refused before anything is loaded.
func TestATranslatorThatIsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	installKnowing(t, dir, "sherpa", "en", "de")
	installKnowing(t, dir, "english", "en")
	ownLoop(t, dir, "english")
	e := newEngines(t, dir, func(o *recognize.EnginesOptions) { o.Default = "sherpa" })
	for _, id := range []string{"sherpa", "english", ""} {
		_, _, err := e.BorrowTranslator(t.Context(), id, "")
		if scout.CodeOf(err) != scout.CodeModelUnsupported || scout.HintOf(err) == "" || len(e.Open()) > 0 {
			t.Errorf("%q: %v, with %d engines", id, err, len(e.Open()))
		}
	}
	if _, _, err := e.BorrowTranslator(t.Context(), "none", ""); scout.CodeOf(err) != scout.CodeModelUnknown {
		t.Errorf("a model that is not there: %v", err)
	}
}
