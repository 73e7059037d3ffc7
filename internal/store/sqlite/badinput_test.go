package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// raw opens a database as any other program would.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath())
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() }) // of a test
	return db
}

func execute(t *testing.T, path, script string) {
	t.Helper()
	db := raw(t, path)
	if _, err := db.ExecContext(t.Context(), script); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// put adds the n-th recording with a text.
func put(ctx context.Context, s store.Store, n int, segments ...string) error {
	return s.Update(ctx, func(tx store.Tx) error {
		if _, err := tx.PutRecording(storetest.Recording(n)); err != nil {
			return err
		}
		_, err := tx.PutTranscript(store.Put{Key: store.MainKey(storetest.ID(n)), Kind: store.KindFirst, Transcript: storetest.Text(segments...)})
		return err
	})
}

func made(t *testing.T, path string, count int) string {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := range count {
		if err := put(t.Context(), s, n, fmt.Sprint("number ", n), strings.Repeat("some words that fill pages ", 20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// checkSound fails where the check of a database finds anything.
func checkSound(t *testing.T, path string) sqlite.Report {
	t.Helper()
	report, err := sqlite.CheckFile(t.Context(), path)
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("check: %q, %v", report.Problems, err)
	}
	return report
}

func wantCode(t *testing.T, err error, want scout.Code) {
	t.Helper()
	if scout.CodeOf(err) != want {
		t.Errorf("error %v (%s), want %s", err, scout.CodeOf(err), want)
	}
	if err != nil && (strings.Contains(err.Error(), "SQLITE") || strings.Contains(err.Error(), "sql:") || strings.Contains(err.Error(), ".tmp")) {
		t.Errorf("the error speaks of what is inside: %v", err)
	}
	if err != nil && scout.HintOf(err) == "" {
		t.Errorf("no hint: %v", err)
	}
}

func status(t *testing.T, s *sqlite.Store) health.Component {
	t.Helper()
	return health.Run(t.Context(), []health.Check{s.HealthCheck()}, time.Now)[0]
}

// A disk that is read-only is told before the first word that cannot be saved.
func TestTheDiskBecomesReadOnly(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, sqlite.FileName), sqlite.Options{})
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Skipf("mounting is not allowed here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if got := status(t, s); got.Status != health.Unhealthy || !strings.Contains(got.Reason, "read-only") {
		t.Errorf("%+v", got)
	}
}

func TestSecondProgramIsRefusedAndTheFirstGoesOn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a folder with %20, ? and #", sqlite.FileName)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	first := open(t, path, sqlite.Options{})
	_, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	wantCode(t, err, scout.CodeStoreLocked)
	if err := put(t.Context(), first, 1, "still here"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestProgramsThatOpenANewDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	type outcome struct {
		s   *sqlite.Store
		err error
	}
	outcomes := make(chan outcome)
	for range 8 {
		go func() { // ends with its answer, which is waited for
			s, err := sqlite.Open(context.WithoutCancel(t.Context()), path, sqlite.Options{})
			outcomes <- outcome{s, err}
		}()
	}
	var opened []*sqlite.Store
	for range 8 {
		o := <-outcomes
		if o.err != nil {
			wantCode(t, o.err, scout.CodeStoreLocked)
			continue
		}
		opened = append(opened, o.s)
	}
	if len(opened) != 1 {
		t.Fatalf("%d have it open", len(opened))
	}
	if err := put(t.Context(), opened[0], 1, "text"); err != nil {
		t.Error(err)
	}
	if err := opened[0].Close(); err != nil {
		t.Error(err)
	}
	checkSound(t, path)
}

func TestDatabaseLockedByAnotherProgram(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	s := open(t, path, sqlite.Options{Busy: 50 * time.Millisecond})
	if err := put(t.Context(), s, 1, "before"); err != nil {
		t.Fatal(err)
	}
	other := raw(t, path)
	if _, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, put(t.Context(), s, 2, "refused"), scout.CodeStoreLocked)
	if _, err := s.Transcript(t.Context(), store.MainKey(storetest.ID(1)), 0); err != nil {
		t.Errorf("reading needs no lock: %v", err)
	}
	if c := status(t, s); c.Status != health.Unhealthy {
		t.Errorf("health %+v", c)
	}
	if _, err := other.ExecContext(t.Context(), "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), s, 2, "after"); err != nil {
		t.Error(err)
	}
	if c := status(t, s); c.Status != health.Healthy {
		t.Errorf("health %+v", c)
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	write := func(t *testing.T, path string, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		prepare func(t *testing.T, path string)
		want    scout.Code
	}{
		"no folder":      {func(t *testing.T, path string) { t.Helper(); _ = os.Remove(filepath.Dir(path)) }, scout.CodeFileNotFound},
		"a folder there": {func(t *testing.T, path string) { t.Helper(); _ = os.Mkdir(path, 0o700) }, scout.CodeStoreForeign},
		"a pipe there":   {func(t *testing.T, path string) { t.Helper(); _ = unix.Mkfifo(path, 0o600) }, scout.CodeStoreForeign},
		"text": {func(t *testing.T, path string) {
			t.Helper()
			write(t, path, []byte(strings.Repeat("not a database\n", 100)))
		}, scout.CodeStoreCorrupt},
		"zeros":                      {func(t *testing.T, path string) { t.Helper(); write(t, path, make([]byte, 8192)) }, scout.CodeStoreCorrupt},
		"another program's database": {func(t *testing.T, path string) { t.Helper(); execute(t, path, "CREATE TABLE t (x)") }, scout.CodeStoreForeign},
		"the beginning overwritten": {func(t *testing.T, path string) {
			t.Helper()
			made(t, path, 20)
			overwrite(t, path, 0, 4096)
		}, scout.CodeStoreCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "data", sqlite.FileName)
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			test.prepare(t, path)
			_, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			wantCode(t, err, test.want)
			_, err = sqlite.Open(t.Context(), path, sqlite.Options{}) // the lock was given back
			wantCode(t, err, test.want)
		})
	}
}

// overwrite replaces bytes by others that are no page of a database.
func overwrite(t *testing.T, path string, at, count int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	junk := make([]byte, count)
	for i := range junk {
		junk[i] = byte(i*7 + 3) //nolint:gosec // any byte
	}
	if _, err := file.WriteAt(junk, at); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDiskFullInATransaction(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	s := open(t, path, sqlite.Options{MaxPages: 120})
	done := 0
	var err error
	for err == nil && done < 1000 {
		if err = put(t.Context(), s, done, strings.Repeat("words that fill the disk ", 50)); err == nil {
			done++
		}
	}
	wantCode(t, err, scout.CodeDiskFull)
	if c := status(t, s); c.Status != health.Unhealthy || !strings.Contains(c.Reason, "full") {
		t.Errorf("health %+v", c)
	}
	page, err := s.Transcripts(t.Context(), store.Filter{}, store.Page{Limit: 200})
	if err != nil || len(page.Data) != done || done == 0 {
		t.Errorf("%d of %d transcripts are there: %v", len(page.Data), done, err)
	}
	report, err := s.Check(t.Context())
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("check: %q, %v", report.Problems, err)
	}
	if err := s.Purge(t.Context(), storetest.ID(0), storetest.ID(1)); err != nil { // what frees space works on a full disk
		t.Errorf("purge: %v", err)
	}
	if err := put(t.Context(), s, 2000, "room again"); err != nil {
		t.Error(err)
	}
	if c := status(t, s); c.Status != health.Healthy {
		t.Errorf("health %+v", c)
	}
}

// What is written to a deleted file is gone with the process: nothing may be acknowledged.
func TestDatabaseThatIsDeletedWhileItIsOpen(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(path string) error{
		"deleted": os.Remove,
		"moved":   func(path string) error { return os.Rename(path, path+".moved") },
		"replaced": func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, []byte("other"), 0o600))
		},
		"its folder deleted": func(path string) error { return os.RemoveAll(filepath.Dir(path)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "data", sqlite.FileName)
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }() // it may fail
			if err := put(t.Context(), s, 1, "before"); err != nil {
				t.Fatal(err)
			}
			if err := harm(path); err != nil {
				t.Fatal(err)
			}
			err = put(t.Context(), s, 2, "lost")
			wantCode(t, err, scout.CodeFileNotFound)
			if !store.IsAway(err) {
				t.Errorf("%v is blamed on what was asked for", err)
			}
			if c := status(t, s); c.Status != health.Unhealthy || !strings.Contains(c.Reason, "deleted or replaced") {
				t.Errorf("health %+v", c)
			}
		})
	}
}

func TestUpdateThatIsCancelledLeavesNothing(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(tx store.Tx) error {
		_, err := tx.PutRecording(storetest.Recording(1))
		cancel()
		return err
	})
	if scout.CodeOf(err) != scout.CodeCancelled {
		t.Errorf("error %v", err)
	}
	if _, err := s.Recording(t.Context(), storetest.ID(1)); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("recording: %v", err)
	}
	if err := put(t.Context(), s, 1, "text"); err != nil {
		t.Error(err)
	}
}

func TestUseAfterClose(t *testing.T) {
	t.Parallel()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if err := put(t.Context(), s, 1, "x"); scout.CodeOf(err) != scout.CodeCancelled {
		t.Errorf("write: %v", err)
	}
	if _, err := s.Transcripts(t.Context(), store.Filter{}, store.Page{}); scout.CodeOf(err) != scout.CodeCancelled {
		t.Errorf("read: %v", err)
	}
	if err := s.Purge(t.Context(), "x"); scout.CodeOf(err) != scout.CodeCancelled {
		t.Errorf("purge: %v", err)
	}
}
