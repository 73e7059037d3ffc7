package daemon

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

// A settings file is read when a person has changed it, however the editor writes it, and also where its folder is made later.
func TestAFileIsWatched(t *testing.T) {
	t.Parallel()
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(t *testing.T, file, text string) { t.Helper(); must(t, os.WriteFile(file, []byte(text), 0o600)) }
	for situation, c := range map[string]struct {
		before func(t *testing.T, file string)
		change func(t *testing.T, file string)
	}{
		"it is written": {func(t *testing.T, file string) {
			t.Helper()
			must(t, os.MkdirAll(filepath.Dir(file), 0o700))
			write(t, file, "a")
		}, func(t *testing.T, file string) { t.Helper(); write(t, file, "b") }},
		"it is made": {func(t *testing.T, file string) { t.Helper(); must(t, os.MkdirAll(filepath.Dir(file), 0o700)) }, func(t *testing.T, file string) { t.Helper(); write(t, file, "b") }},
		"another takes its place": {func(t *testing.T, file string) {
			t.Helper()
			must(t, os.MkdirAll(filepath.Dir(file), 0o700))
			write(t, file, "a")
		}, func(t *testing.T, file string) {
			t.Helper()
			write(t, file+".new", "b")
			must(t, os.Rename(file+".new", file))
		}},
		"it is removed": {func(t *testing.T, file string) {
			t.Helper()
			must(t, os.MkdirAll(filepath.Dir(file), 0o700))
			write(t, file, "a")
		}, func(t *testing.T, file string) { t.Helper(); must(t, os.Remove(file)) }},
		"its folders are made, too": {func(*testing.T, string) {}, func(t *testing.T, file string) {
			t.Helper()
			must(t, os.MkdirAll(filepath.Dir(file), 0o700))
			write(t, file, "b")
		}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "config", "scout", "settings.toml")
			c.before(t, file)
			ctx, cancel := context.WithCancel(t.Context())
			read, ended := make(chan string, 10), make(chan error, 1)
			go func() { // ended by cancel
				ended <- watchFile(ctx, file, func() {
					text, _ := os.ReadFile(file) // "" where there is none
					read <- string(text)
				})
			}()
			first := <-read // it is watched by now
			c.change(t, file)
			for next := range read {
				if next != first || next == "b" {
					break
				}
			}
			cancel()
			must(t, <-ended)
		})
	}
}
