//go:build linux

package daemon

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
)

// mounted mounts a small file system of its own over a folder. It returns what changes its options.
func mounted(t *testing.T, dir, options string) (remount func(flags uintptr, options string)) {
	t.Helper()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("mounting is not allowed here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return func(flags uintptr, options string) {
		t.Helper()
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, options); err != nil {
			t.Fatal(err)
		}
	}
}

// A database that cannot be opened when the daemon starts is opened as soon as it can. Until then every call, and the check, say why, and
// a client is told to try again.
func TestADatabaseThatCanBeOpenedLater(t *testing.T) {
	t.Parallel()
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for situation, c := range map[string]struct {
		harm   func(t *testing.T, dir string) (cure func())
		status int // of the answer meanwhile
		says   string
	}{
		"another program has it": {func(t *testing.T, dir string) func() {
			t.Helper()
			other, err := sqlite.Open(t.Context(), filepath.Join(dir, sqlite.FileName), sqlite.Options{})
			must(t, err)
			return func() { must(t, other.Close()) }
		}, http.StatusServiceUnavailable, "has it open"},
		"its folder is not there": {func(t *testing.T, dir string) func() {
			t.Helper()
			must(t, os.Rename(dir, dir+".away"))
			return func() { must(t, os.Rename(dir+".away", dir)) }
		}, http.StatusServiceUnavailable, ""},
		"its disk is read-only": {func(t *testing.T, dir string) func() {
			t.Helper()
			remount := mounted(t, dir, "size=4m")
			remount(unix.MS_RDONLY, "")
			return func() { remount(0, "") }
		}, http.StatusServiceUnavailable, "read-only"},
		"its disk is full": {func(t *testing.T, dir string) func() {
			t.Helper()
			mounted(t, dir, "size=1m")
			fill, err := os.Create(filepath.Join(dir, "fill"))
			must(t, err)
			for err == nil {
				_, err = fill.Write(make([]byte, 4096))
			}
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			must(t, fill.Close())
			return func() { must(t, os.Remove(fill.Name())) }
		}, http.StatusServiceUnavailable, "full"},
		"something else is in its place": {func(t *testing.T, dir string) func() {
			t.Helper()
			path := filepath.Join(dir, sqlite.FileName)
			must(t, os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600))
			return func() { must(t, os.Remove(path)) }
		}, http.StatusInternalServerError, ""},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			must(t, os.Mkdir(dir, 0o700))
			cure := c.harm(t, dir)
			l, err := openStore(t.Context(), dir, observe.Scope{})
			if err == nil {
				t.Fatal("it was opened")
			}
			_, err = l.Transcripts(t.Context(), store.Filter{}, store.Page{})
			status, body := v1.ErrorOf(err)
			if status != c.status || !strings.Contains(body.Error.Message, c.says) || (status == http.StatusServiceUnavailable) != body.Error.Retryable || strings.Contains(body.Error.Hint, "serve restart") {
				t.Errorf("%d %+v", status, body.Error)
			}
			if r := l.Check().Probe(t.Context()); r.Status != health.Unhealthy || !strings.Contains(r.Reason, c.says) {
				t.Errorf("health %+v", r)
			}
			if err := l.Update(t.Context(), func(store.Tx) error { return nil }); scout.CodeOf(err) != body.Error.Code || !store.IsAway(err) {
				t.Errorf("a write: %v", err)
			}
			rung, end := l.Listen(store.EventStream)
			defer end()
			ctx, cancel := context.WithCancel(t.Context())
			late, ended := make(chan struct{}, 1), make(chan error, 1)
			go func() { ended <- l.Run(ctx, func(context.Context) { late <- struct{}{} }) }() // ended by cancel
			defer func() { cancel(); must(t, <-ended); must(t, l.Close()) }()
			select {
			case <-late:
				t.Fatal("it was opened too early")
			case <-time.After(firstTry + 100*time.Millisecond): // an attempt fails meanwhile
			}
			cure()
			<-late
			<-rung
			if _, err := l.Transcripts(t.Context(), store.Filter{}, store.Page{}); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			if r := l.Check().Probe(t.Context()); r.Status != health.Healthy {
				t.Errorf("afterwards: %+v", r)
			}
			must(t, l.Update(t.Context(), func(tx store.Tx) error {
				_, err := tx.Append(store.EventStream, store.NewEvent{Type: "x", Data: []byte("{}")})
				return err
			}))
			<-rung
		})
	}
}

// A database that takes the place of the one that is open is used instead of it.
func TestADatabaseThatIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := openStore(t.Context(), dir, observe.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	before := l.database()
	if l.giveUpReplaced(); l.database() != before {
		t.Fatal("it is given up for no reason")
	}
	other := filepath.Join(t.TempDir(), sqlite.FileName)
	st, err := sqlite.Open(t.Context(), other, sqlite.Options{})
	if err == nil {
		err = st.Close()
	}
	if err == nil {
		err = os.Rename(other, l.path)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.giveUpReplaced()
	if _, err := l.AskedPurges(t.Context()); scout.CodeOf(err) != scout.CodeStoreLocked || !store.IsAway(err) {
		t.Errorf("meanwhile: %v", err)
	}
	if err := l.try(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := l.Check().Probe(t.Context()); r.Status != health.Healthy {
		t.Errorf("%+v", r)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.AskedPurges(t.Context()); scout.CodeOf(err) != scout.CodeUnavailable || !store.IsAway(err) {
		t.Errorf("after the end: %v", err)
	}
}
