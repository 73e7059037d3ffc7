package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout/cmd/internal/cli"
)

// tree lists what is below a folder.
func tree(t *testing.T, root string) []string {
	t.Helper()
	var paths []string
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// install runs scripts/install.sh with the programs that this test built. setup is small for one model, full for both.
func install(t *testing.T, setup, prefix, destination string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "../../scripts/install.sh", args...)
	cmd.Env = append(os.Environ(), "BIN="+programs, "SETUP="+setup, "PREFIX="+prefix, "DESTDIR="+destination)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// asUser runs a program in an environment with nothing but what a login sets.
func asUser(t *testing.T, home, prefix string, args ...string) outcome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/usr/bin/env", append([]string{"-i", "HOME=" + home, "PATH=" + prefix + "/bin:/usr/bin:/bin"}, args...)...)
	cmd.Dir = home
	var out, errOut strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return outcome{out.String(), errOut.String(), cmd.ProcessState.ExitCode()}
}

func TestInstalledForOneUser(t *testing.T) {
	t.Parallel()
	needModel(t)
	home := t.TempDir()
	prefix := filepath.Join(home, ".local")
	if err := os.MkdirAll(filepath.Join(prefix, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(clip)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "file.wav"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	before := tree(t, home)
	setup, ids := "small", []string{"moonshine-tiny-en"}
	if _, err := os.Stat(filepath.Join(models, "whisper-base", "model.json")); err == nil {
		setup, ids = "full", append(ids, "whisper-base")
	}
	install(t, setup, prefix, "")
	install(t, setup, prefix, "") // again, over itself

	if got := asUser(t, home, prefix, "scout", "transcribe", "file.wav"); got.code != 0 || !said(got.out, 1) {
		t.Errorf("exit %d, %s\n%s", got.code, got.err, got.out)
	}
	if got := asUser(t, home, prefix, "scout", "models", "path"); strings.TrimSpace(got.out) != filepath.Join(prefix, "share", "scout", "models") {
		t.Errorf("models are in %q, %s", got.out, got.err)
	}
	if got := asUser(t, home, prefix, "scout", "record", "-q", "-d", "tone:440", "--duration", "0.2", "-o", "tone.wav"); got.code != 0 {
		t.Errorf("record: exit %d, %s", got.code, got.err)
	}
	t.Run("man", func(t *testing.T) {
		if _, err := exec.LookPath("man"); err != nil {
			t.Skip("man is not installed")
		}
		if got := asUser(t, home, prefix, "man", "scout-transcribe"); got.code != 0 || !strings.Contains(got.out, "max-line-width") {
			t.Errorf("man: exit %d, %s\n%.300s", got.code, got.err, got.out)
		}
	})
	for path, want := range map[string]string{
		"share/bash-completion/completions/scout":    "__start_scout",
		"share/zsh/site-functions/_scout":            "#compdef scout",
		"share/fish/vendor_completions.d/scout.fish": "complete -c scout",
		"share/man/man1/scout.1":                     ".TH",
	} {
		content, err := os.ReadFile(filepath.Join(prefix, path))
		if err != nil || !strings.Contains(string(content), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	folder := filepath.Join(prefix, "share", "scout", "models")
	for _, id := range ids {
		if got := asUser(t, home, prefix, "scout", "models", "verify", id); got.code != 0 {
			t.Errorf("%s: exit %d, %s%s", id, got.code, got.out, got.err)
		}
		if _, err := os.Stat(filepath.Join(folder, id, "prepared")); err != nil {
			t.Error(err)
		}
	}

	// What the user has put there stays.
	kept := []string{filepath.Join(prefix, "bin", "mine"), filepath.Join(prefix, "share", "scout", "models", "own.txt")}
	for _, path := range kept {
		if err := os.WriteFile(path, []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	install(t, setup, prefix, "", "--remove")
	after := tree(t, home)
	for _, path := range after {
		ours := strings.HasPrefix(path, filepath.Join(prefix, "share", "scout")) || path == filepath.Join(prefix, "share") || path == filepath.Join(home, "tone.wav")
		if !slices.Contains(before, path) && !slices.Contains(kept, path) && !ours {
			t.Errorf("%s stayed", path)
		}
	}
	for _, path := range append(before, kept...) {
		if !slices.Contains(after, path) {
			t.Errorf("%s is gone", path)
		}
	}
	for _, id := range ids {
		if _, err := os.Stat(filepath.Join(folder, id)); err == nil {
			t.Errorf("the model %s stayed", id)
		}
	}
}

// All users read the model of a package; what a user pulls or selects belongs to that user.
func TestInstalledForEverybody(t *testing.T) {
	t.Parallel()
	needModel(t)
	destination, home := t.TempDir(), t.TempDir()
	install(t, "small", "/usr/local", destination)
	prefix := filepath.Join(destination, "usr", "local")
	err := filepath.WalkDir(prefix, func(path string, _ fs.DirEntry, err error) error {
		return errors.Join(err, unix.Access(path, unix.R_OK))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(prefix, "share", "scout", "models", "whisper-base")); err == nil {
		t.Error("SETUP=small installed Whisper")
	}
	listed := asUser(t, home, prefix, "scout", "models", "verify", "moonshine-tiny-en")
	if listed.code != 0 {
		t.Errorf("exit %d, %s%s", listed.code, listed.out, listed.err)
	}
	if got := asUser(t, home, prefix, "scout", "models", "use", "moonshine-tiny-en"); got.code != 0 {
		t.Errorf("use: exit %d, %s", got.code, got.err)
	}
	if _, err := os.Stat(filepath.Join(home, ".local", "share", "scout", "models", "selected")); err != nil {
		t.Error(err)
	}
	if got := asUser(t, home, prefix, "scout", "models", "remove", "--force", "moonshine-tiny-en"); got.code != cli.ExitUsage || !strings.Contains(got.err, "everybody") {
		t.Errorf("remove: exit %d, %s", got.code, got.err)
	}
	install(t, "small", "/usr/local", destination, "--remove")
	if left := tree(t, destination); left[len(left)-1] != prefix {
		t.Errorf("left: %v", left)
	}
}

// A program that was built but not installed finds the models of its checkout from any folder.
func TestBuiltProgramFindsTheModelsOfItsCheckout(t *testing.T) {
	t.Parallel()
	checkout, home := t.TempDir(), t.TempDir()
	models := filepath.Join(checkout, "var", "models")
	for _, dir := range []string{models, filepath.Join(checkout, "bin"), filepath.Join(home, "bin")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(programs, "scout"), filepath.Join(checkout, "bin", "scout")); err != nil {
		t.Skip("no hard link here:", err)
	}
	if err := os.Symlink(filepath.Join(checkout, "bin", "scout"), filepath.Join(home, "bin", "scout")); err != nil {
		t.Fatal(err)
	}
	got := asUser(t, home, home, "scout", "models", "list", "--json")
	if got.code != 0 || !strings.Contains(got.out, models) {
		t.Errorf("exit %d, %s%s", got.code, got.out, got.err)
	}
}
