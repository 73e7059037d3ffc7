package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A model is chosen for a role, its settings keep it, and what it cannot do is refused before anything is decoded.
func TestModelsForRoles(t *testing.T) {
	t.Parallel()
	dir := installDefault(t)
	config := filepath.Join(t.TempDir(), "settings.toml")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct { // one after another: each stands on the one before
		args []string
		code int
		out  string
		err  string
	}{
		{[]string{"models", "use", defaultModel, "--role", "best"}, 2, "", "want fast or accurate"},
		{[]string{"models", "use", "whisper-base", "--role", "accurate"}, 1, "", "scout models pull whisper-base"},
		{[]string{"models", "use", defaultModel, "--role", "accurate"}, 0, "models.accurate = " + defaultModel, ""},
		{[]string{"models", "list"}, 0, "fast+accurate", ""},
		{[]string{"models", "remove", defaultModel}, 1, "", "it is the setting models.accurate"},
		{[]string{"settings", "unset", "models.accurate"}, 0, "is not set", ""},
		{[]string{"settings", "set", "models.accurate", "whisper-base"}, 0, "whisper-base", ""},
		{[]string{"transcribe", "-q", clip}, 1, "", "scout models pull whisper-base"},
		{[]string{"transcribe", "-q", "--fast", "-l", "en", clip}, 0, "country", ""},
		{[]string{"transcribe", "-q", "--fast", "--model", defaultModel, clip}, 2, "", "name a model each"},
		{[]string{"transcribe", "-q", "--model", defaultModel, "-l", "en", clip}, 0, "country", ""},
		{[]string{"settings", "unset", "models.accurate"}, 0, "is not set", ""},
		{[]string{"transcribe", "-q", "-l", "de", clip}, 1, "", "scout models pull whisper-base"},
		{[]string{"transcribe", "-q", "--fast", "-l", "de", clip}, 1, "", "does not know the language German"},
		{[]string{"transcribe", "-q", "-l", "dutsh", clip}, 2, "", "did you mean Dutch (nl)?"},
		{[]string{"transcribe", "-q", "-l", "en", "--translate", clip}, 1, "", "no model is installed that can translate"},
	} {
		cmd := command(t.Context(), append(step.args, "--models-dir", dir, "--config", config)...)
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "SCOUT_MODEL") }) // what the suite chooses
		got := outcomeOf(t, cmd)
		if got.code != step.code || !strings.Contains(got.out, step.out) || !strings.Contains(got.err, step.err) {
			t.Errorf("%s: code %d, want %d\nstdout: %s(want %q)\nstderr: %s(want %q)",
				strings.Join(step.args, " "), got.code, step.code, got.out, step.out, got.err, step.err)
		}
	}
}
