package sqlite_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/health"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
)

func TestBackupIsWholeWhileOthersWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, sqlite.FileName), sqlite.Options{})
	if err := put(t.Context(), s, 0, "before the backup"); err != nil {
		t.Fatal(err)
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		for n := 1; n < 30; n++ {
			if err := put(t.Context(), s, n, "meanwhile"); err != nil {
				t.Errorf("write: %v", err)
			}
		}
	})
	to := filepath.Join(dir, "backup.db")
	report, err := s.Backup(t.Context(), to)
	if err != nil || report.Transcripts == 0 {
		t.Fatalf("%+v, %v", report, err)
	}
	writer.Wait()
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	checkSound(t, to)
	_, err = s.Backup(t.Context(), to)
	wantCode(t, err, scout.CodeInvalidArgument)
	_, err = s.Backup(t.Context(), filepath.Join(dir, "missing", "b.db"))
	wantCode(t, err, scout.CodeFileNotFound)
	leftNothingBehind(t, dir)
}

func leftNothingBehind(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(files) > 0 {
		t.Errorf("left behind: %q, %v", files, err)
	}
}

func TestRestore(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(t *testing.T, path string){
		"over a sound database":           func(*testing.T, string) {},
		"over one with a log":             leaveLog,
		"over a damaged one":              func(t *testing.T, path string) { t.Helper(); overwrite(t, path, 0, 20_000) },
		"over one that is not a database": func(t *testing.T, path string) { t.Helper(); _ = os.WriteFile(path, []byte("text"), 0o600) },
		"where there is none":             func(t *testing.T, path string) { t.Helper(); _ = os.Remove(path) },
		"over a damaged one with a log":   func(t *testing.T, path string) { t.Helper(); leaveLog(t, path); overwrite(t, path, 0, 4096) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path, backup := filepath.Join(dir, sqlite.FileName), filepath.Join(dir, "b.db")
			s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if err := put(t.Context(), s, 1, "kept words"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Backup(t.Context(), backup); err != nil {
				t.Fatal(err)
			}
			_, err = sqlite.Restore(t.Context(), backup, path, time.Now())
			wantCode(t, err, scout.CodeStoreLocked) // while it is open
			if err := put(t.Context(), s, 2, "later words"); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			harm(t, path)
			before, _ := os.ReadFile(path) // it may not exist
			kept, err := sqlite.Restore(t.Context(), backup, path, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			restored := open(t, path, sqlite.Options{})
			page, err := restored.Transcripts(t.Context(), store.Filter{Query: "words"}, store.Page{})
			if err != nil || len(page.Data) != 1 || page.Data[0].Preview != "kept words" {
				t.Errorf("%+v, %v", page.Data, err)
			}
			if replay, err := restored.Events(t.Context(), store.EventStream, 4, 10); err != nil || !replay.Reset || len(replay.Events) != 0 {
				t.Errorf("readers of lost numbers are told: %+v, %v", replay, err)
			}
			if err := put(t.Context(), restored, 3, "new"); err != nil {
				t.Fatal(err)
			}
			if replay, err := restored.Events(t.Context(), store.EventStream, 4, 10); err != nil || !replay.Reset || replay.Last < 1_000_000 {
				t.Errorf("also when there are new ones: %+v, %v", replay, err)
			}
			if (kept == "") != (before == nil) {
				t.Errorf("kept %q", kept)
			}
			if kept != "" && !strings.Contains(name, "log") {
				if after, err := os.ReadFile(kept); err != nil || !bytes.Equal(after, before) {
					t.Errorf("what was there is not kept as it was: %v", err)
				}
			}
			if name == "over one with a log" {
				if report := checkSound(t, kept); report.Transcripts != 3 {
					t.Errorf("kept %+v", report)
				}
			}
			leftNothingBehind(t, dir)
		})
	}
}

// leaveLog adds a transcript that is in the log only, as a crash leaves it.
func leaveLog(t *testing.T, path string) {
	t.Helper()
	copied := filepath.Join(t.TempDir(), sqlite.FileName)
	duplicate(t, path, copied)
	s := open(t, copied, sqlite.Options{})
	if err := put(t.Context(), s, 9, "only in the log"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", ".lock"} {
		duplicate(t, copied+suffix, path+suffix)
	}
}

func duplicate(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDamagedBackupIsNotRestored(t *testing.T) {
	t.Parallel()
	path := made(t, filepath.Join(t.TempDir(), sqlite.FileName), 30)
	backup := filepath.Join(t.TempDir(), "b.db")
	duplicate(t, path, backup)
	overwrite(t, backup, 5*4096, 3*4096)
	_, err := sqlite.Restore(t.Context(), backup, path, time.Now())
	wantCode(t, err, scout.CodeStoreCorrupt)
	_, err = sqlite.Restore(t.Context(), filepath.Join(t.TempDir(), "none"), path, time.Now())
	wantCode(t, err, scout.CodeFileNotFound)
	if report := checkSound(t, path); report.Transcripts != 30 {
		t.Errorf("%+v", report)
	}
}

func TestDatabaseOlderThanItWasIsSaid(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]func(t *testing.T, path string){
		"its log was deleted after a crash": func(t *testing.T, path string) {
			t.Helper()
			leaveLog(t, path)
			if err := os.Remove(path + "-wal"); err != nil {
				t.Fatal(err)
			}
		},
		"a copy was put in its place": func(t *testing.T, path string) {
			t.Helper()
			copied := filepath.Join(t.TempDir(), sqlite.FileName)
			duplicate(t, path, copied)
			s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			if err == nil {
				err = errors.Join(put(t.Context(), s, 7, "later"), s.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			duplicate(t, copied, path)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := made(t, filepath.Join(t.TempDir(), sqlite.FileName), 1)
			age(t, path)
			s := open(t, path, sqlite.Options{})
			if c := status(t, s); c.Status != health.Degraded || !strings.Contains(c.Reason, "older than when Scout last used it") {
				t.Errorf("health %+v", c)
			}
			if replay, err := s.Events(t.Context(), store.EventStream, 2, 10); err != nil || !replay.Reset {
				t.Errorf("numbers of the lost log could be used again: %+v, %v", replay, err)
			}
			if err := put(t.Context(), s, 5, "text"); err != nil {
				t.Error(err)
			}
			checkSound(t, path)
		})
	}
}

// Whoever looks at a database after a crash writes its log into it: that is not one of these cases.
func TestDatabaseThatAnotherProgramLookedAtIsNotOlder(t *testing.T) {
	t.Parallel()
	path := made(t, filepath.Join(t.TempDir(), sqlite.FileName), 1)
	leaveLog(t, path)
	execute(t, path, "PRAGMA wal_checkpoint(TRUNCATE)")
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the log is still there: %v", err)
	}
	s := open(t, path, sqlite.Options{})
	if c := status(t, s); c.Status != health.Healthy {
		t.Errorf("health %+v", c)
	}
}

func TestCheckFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"a version that is gone":          "PRAGMA foreign_keys=0; DELETE FROM versions WHERE transcript = (SELECT min(id) FROM transcripts)",
		"segments without version":        "PRAGMA foreign_keys=0; UPDATE segments SET version = 9",
		"a hole in the journal":           "DELETE FROM events WHERE seq = 2",
		"a journal cut at its end":        "DELETE FROM events WHERE seq = (SELECT max(seq) FROM events)",
		"a text that cannot be found":     "DELETE FROM search WHERE rowid = (SELECT min(id) FROM transcripts)",
		"a word that is not in the index": "UPDATE search_content SET c2 = 'other words' WHERE id = (SELECT min(id) FROM search_content)",
		"an entry of nothing":             "INSERT INTO search (rowid, text) VALUES (5, 'x')",
		"a wrong current version":         "UPDATE transcripts SET current = 7",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := made(t, filepath.Join(t.TempDir(), sqlite.FileName), 3)
			checkSound(t, path)
			execute(t, path, script)
			report, err := sqlite.CheckFile(t.Context(), path)
			if err != nil || len(report.Problems) == 0 || report.Err(path) == nil {
				t.Errorf("%+v, %v", report, err)
			}
		})
	}
}

func TestCheckOfADamagedFile(t *testing.T) {
	t.Parallel()
	path := made(t, filepath.Join(t.TempDir(), sqlite.FileName), 40)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, harm := range map[string]func(t *testing.T, path string){
		"pages overwritten": func(t *testing.T, path string) { t.Helper(); overwrite(t, path, 10*4096, 20*4096) },
		"truncated":         func(t *testing.T, path string) { t.Helper(); _ = os.Truncate(path, info.Size()/2) },
		"all overwritten":   func(t *testing.T, path string) { t.Helper(); overwrite(t, path, 0, info.Size()) },
		"empty":             func(t *testing.T, path string) { t.Helper(); _ = os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			copied := filepath.Join(t.TempDir(), sqlite.FileName)
			duplicate(t, path, copied)
			harm(t, copied)
			report, err := sqlite.CheckFile(t.Context(), copied)
			if err == nil && len(report.Problems) == 0 {
				t.Errorf("found nothing: %+v", report)
			}
		})
	}
	_, err = sqlite.CheckFile(t.Context(), filepath.Join(t.TempDir(), "none.db"))
	wantCode(t, err, scout.CodeFileNotFound)
}
