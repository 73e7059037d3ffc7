package settings_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/settings"
)

func TestFolders(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	in := func(path string) string { return filepath.Join(root, path) }
	for _, dir := range []string{"checkout/bin", "checkout/var/models", "prefix/bin", "prefix/share/scout/models", "copied"} {
		if err := os.MkdirAll(in(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for situation, c := range map[string]struct {
		environment []string
		program     string
		models      string
		shared      []string
		recordings  string
	}{
		"nothing is set":                    {[]string{"HOME=/h"}, "copied", "/h/.local/share/scout/models", nil, "/h/.local/share/scout/recordings"},
		"the user's data folder":            {[]string{"HOME=/h", "XDG_DATA_HOME=/d"}, "copied", "/d/scout/models", nil, "/d/scout/recordings"},
		"a relative data folder is none":    {[]string{"HOME=/h", "XDG_DATA_HOME=d"}, "copied", "/h/.local/share/scout/models", nil, "/h/.local/share/scout/recordings"},
		"built, not installed":              {[]string{"HOME=/h"}, "checkout/bin", in("checkout/var/models"), nil, "/h/.local/share/scout/recordings"},
		"installed":                         {[]string{"HOME=/h"}, "prefix/bin", "/h/.local/share/scout/models", []string{in("prefix/share/scout/models")}, "/h/.local/share/scout/recordings"},
		"a data folder":                     {[]string{"HOME=/h", "SCOUT_DATA=/s"}, "copied", "/s/models", nil, "/s/recordings"},
		"a data folder, built":              {[]string{"HOME=/h", "SCOUT_DATA=/s"}, "checkout/bin", "/s/models", []string{in("checkout/var/models")}, "/s/recordings"},
		"a data folder, installed":          {[]string{"HOME=/h", "SCOUT_DATA=/s"}, "prefix/bin", "/s/models", []string{in("prefix/share/scout/models")}, "/s/recordings"},
		"models and recordings set apart":   {[]string{"SCOUT_DATA=/s", "SCOUT_MODELS=/m", "SCOUT_RECORDINGS__DIR=/r"}, "prefix/bin", "/m", nil, "/r"},
		"models set apart, in the checkout": {[]string{"HOME=/h", "SCOUT_MODELS=/m"}, "checkout/bin", "/m", nil, "/h/.local/share/scout/recordings"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			got, err := settings.Load(settings.Sources{File: os.DevNull, Environment: c.environment, Program: in(c.program)})
			if err != nil {
				t.Fatal(err)
			}
			models, shared, err := got.ModelsDir()
			if err != nil || models != c.models || !slices.Equal(shared, c.shared) {
				t.Errorf("models in %s and %v: %v", models, shared, err)
			}
			if recordings, err := got.RecordingsDir(); err != nil || recordings != c.recordings {
				t.Errorf("recordings in %s: %v", recordings, err)
			}
		})
	}
}

func TestWithoutAHomeOnlyWhatNeedsItFails(t *testing.T) {
	t.Parallel()
	got, err := settings.Load(settings.Sources{Environment: []string{"SCOUT_MODELS=/m"}})
	if err != nil {
		t.Fatal(err)
	}
	if models, _, err := got.ModelsDir(); err != nil || models != "/m" {
		t.Errorf("%s: %v", models, err)
	}
	if _, err := got.RecordingsDir(); scout.CodeOf(err) != scout.CodeConfigInvalid || !strings.Contains(scout.HintOf(err), "SCOUT_DATA") {
		t.Errorf("%v", err)
	}
}

func TestProgramsAreFound(t *testing.T) {
	t.Parallel()
	prefix := t.TempDir()
	for _, dir := range []string{"bin", "lib/scout"} {
		if err := os.MkdirAll(filepath.Join(prefix, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	installed := filepath.Join(prefix, "lib", "scout", "scout-engine")
	if err := os.WriteFile(installed, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	load := func(environment ...string) *settings.Loaded {
		got, err := settings.Load(settings.Sources{File: os.DevNull, Environment: environment, Program: filepath.Join(prefix, "bin")})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := load().Engine(); got != installed {
		t.Errorf("installed: %s", got)
	}
	if got, want := load().Recorder(), filepath.Join(prefix, "bin", "scout-recorder"); got != want {
		t.Errorf("missing: %s, want %s, which an error can name", got, want)
	}
	if got := load("SCOUT_ENGINE=/e").Engine(); got != "/e" {
		t.Errorf("set: %s", got)
	}
	beside := filepath.Join(prefix, "bin", "scout-engine")
	if err := os.WriteFile(beside, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if got := load().Engine(); got != beside {
		t.Errorf("built: %s", got)
	}
}
