package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/scout-speech/scout/internal/api/client"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/store/sqlite"
)

// componentNames are those of all components of a daemon.
var componentNames = []string{"backlog", "browser", "dictate", "exports", "health watch", "history", "imports", "jobs", "models watch", "record", "retention", "second look", "self-test", "server", "settings watch", "store", "strain", "uploads", "webhooks"}

// served runs a daemon until stop is called, or until it ends by itself.
func served(t *testing.T, fault func(component string)) (dir string, registry prom.Registry, stop func() error) {
	t.Helper()
	s := loaded(t)
	dir, err := s.DataDir()
	if err != nil {
		t.Fatal(err)
	}
	registry = prom.NewRegistry()
	scope := observe.NewScope(nil, registry, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { // ended by stop
		ended <- Run(ctx, Options{
			Settings: s, Scope: scope, Failures: observe.NewFailures(scope), Gatherer: registry, Fault: fault, Ready: func(_, _ []string) { close(ready) },
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		ended <- err // it failed at once
	}
	return dir, registry, func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(30 * time.Second):
			t.Fatal("the daemon does not end")
			return nil
		}
	}
}

func TestEveryComponentIsKnown(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 100)
	_, _, stop := served(t, func(component string) { seen <- component })
	if err := stop(); err != nil {
		t.Error(err)
	}
	close(seen)
	left := map[string]bool{}
	for _, name := range componentNames {
		left[name] = true
	}
	for name := range seen {
		if !slices.Contains(componentNames, name) {
			t.Errorf("component %s has no case in the tests of faults", name)
		}
		delete(left, name)
	}
	if len(left) > 0 {
		t.Errorf("these components do not run: %v", left)
	}
}

// A component that fails ends the daemon in order, and one that hangs does not keep it.
func TestAFaultInOneComponent(t *testing.T) {
	t.Parallel()
	for _, name := range componentNames {
		for kind, c := range map[string]struct {
			fault  func(over <-chan struct{})
			want   string
			panics float64
		}{
			"panics": {func(<-chan struct{}) { panic("injected") }, name + " failed", 1},
			"hangs":  {func(over <-chan struct{}) { <-over }, name + " did not end in time", 0},
		} {
			t.Run(name+" "+kind, func(t *testing.T) {
				t.Parallel()
				over := make(chan struct{})
				t.Cleanup(func() { close(over) })
				dir, registry, stop := served(t, func(component string) {
					if component == name {
						c.fault(over)
					}
				})
				if err := stop(); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want it to say %q", err, c.want)
				}
				if _, held, err := HolderOf(dir); held || err != nil {
					t.Errorf("the lock is held afterwards (%v)", err)
				}
				if _, err := os.Lstat(filepath.Join(dir, SocketName)); !os.IsNotExist(err) {
					t.Errorf("the socket is left: %v", err)
				}
				if got, err := testutil.GatherAndCount(registry, "scout_panics_recovered_total"); err != nil || float64(got) != c.panics {
					t.Errorf("%d panics were counted (%v), want %g", got, err, c.panics)
				}
			})
		}
	}
}

// A daemon that cannot open its store says so in every place where it says that it serves.
func TestADaemonWithoutItsStoreIsNotReady(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    string // part of the reason; empty if it is ready
	}{
		"there is none yet": {func(*testing.T, string) {}, ""},
		"it is damaged": {func(t *testing.T, path string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(strings.Repeat("no database\n", 1000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "scout check --rescue"},
		"another program has it": {func(t *testing.T, path string) {
			t.Helper()
			st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = st.Close() })
		}, "scout serve stop"},
		"a folder is in its place": {func(t *testing.T, path string) {
			t.Helper()
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "is in its place"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			s := loaded(t)
			dir, err := s.DataDir()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			c.prepare(t, filepath.Join(dir, sqlite.FileName))
			var log bytes.Buffer
			registry := prom.NewRegistry()
			scope := observe.NewScope(slog.New(slog.NewTextHandler(&log, nil)), registry, nil)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var told []string
			err = Run(ctx, Options{Settings: s, Scope: scope, Failures: observe.NewFailures(scope), Gatherer: registry, Ready: func(addresses, notReady []string) {
				told = notReady
				defer cancel()
				var status v1.Status
				cl, err := client.Connect(t.Context(), client.Options{Socket: addresses[0]})
				if err != nil {
					t.Error(err)
					return
				}
				defer cl.Close()
				if err := cl.Get(t.Context(), "/status", &status); err != nil || status.Ready != (c.want == "") || !slices.Equal(status.Reasons, notReady) {
					t.Errorf("status: %v, ready %v, %q", err, status.Ready, status.Reasons)
				}
				if h, err := cl.Health(t.Context()); err != nil || c.want != "" && !strings.Contains(strings.Join(h.Reasons, "\n"), c.want) {
					t.Errorf("health: %v, %q", err, h.Reasons)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			if (len(told) == 0) != (c.want == "") || !strings.Contains(strings.Join(told, "\n"), c.want) {
				t.Errorf("told %q, want %q", told, c.want)
			}
			for line, want := range map[string]bool{
				"msg=daemon_ready ": c.want == "", "level=ERROR msg=daemon_not_ready ": c.want != "",
				"msg=daemon_stage_started component=daemon stage=store ": c.want == "", "msg=daemon_stage_failed component=daemon stage=store ": c.want != "",
			} {
				if strings.Contains(log.String(), line) != want {
					t.Errorf("%q is in the log: %v, want %v\n%s", line, !want, want, log.String())
				}
			}
		})
	}
}
