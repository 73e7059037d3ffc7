package settings_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout/internal/settings"
)

// A number that Scout chooses by itself is written, read and shown as a word, wherever a setting may stand.
func TestANumberThatScoutChooses(t *testing.T) {
	t.Parallel()
	const name, variable = "limits.memory_mb", "SCOUT_LIMITS__MEMORY_MB"
	for situation, c := range map[string]struct {
		file, environment string
		want              int
		shown             any
		wrong             bool
	}{
		"nothing":                 {"", "", 0, "auto", false},
		"the file says auto":      {`memory_mb = "auto"`, "", 0, "auto", false},
		"it is written otherwise": {`memory_mb = "Auto"`, "", 0, "auto", false},
		"the file says 0":         {`memory_mb = 0`, "", 0, "auto", false},
		"the file says a number":  {`memory_mb = 300`, "", 300, 300, false},
		"the environment":         {`memory_mb = 300`, variable + "=auto", 0, "auto", false},
		"another word":            {`memory_mb = "never"`, "", 0, "auto", true},
		"another word, outside":   {"", variable + "=none", 0, "auto", true},
	} {
		path := filepath.Join(t.TempDir(), "settings.toml")
		if err := os.WriteFile(path, []byte("[limits]\n"+c.file+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := settings.Load(settings.Sources{File: path, Environment: []string{c.environment}})
		if (err != nil) != c.wrong || err != nil && !strings.Contains(err.Error(), "auto, or a whole number") {
			t.Errorf("%s: %v", situation, err)
		}
		if got.Limits.MemoryMB != c.want || got.Text(name) != fmt.Sprint(c.shown) {
			t.Errorf("%s: %d, %s", situation, got.Limits.MemoryMB, got.Text(name))
		}
		for _, v := range got.Values() {
			if v.Name == name && v.Value != c.shown {
				t.Errorf("%s: shown as %v", situation, v.Value)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "settings.toml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, change := range []settings.Change{
		settings.FromText(name, "300"), settings.FromText(name, "auto"), {Name: name, Value: "auto"}, settings.FromText(name, "0"),
	} {
		got, err := settings.Save(settings.Sources{File: path}, []settings.Change{change}, nil)
		if err != nil {
			t.Fatalf("%v: %v", change, err)
		}
		written, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("memory_mb = %s\n", map[bool]string{true: "300", false: `"auto"`}[got.Limits.MemoryMB == 300]); !strings.Contains(string(written), want) {
			t.Errorf("%v: the file has %q, want %q", change, written, want)
		}
	}
}
