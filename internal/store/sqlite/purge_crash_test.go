package sqlite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// purgeSteps are the moments at which a purge can be interrupted, in their order.
func purgeSteps() []string {
	return []string{"removed", "search", "scrubbed", "emptied", "kept"}
}

// purgeAndDie purges recording 1, or its text alone, and kills this process at a step.
func purgeAndDie(ctx context.Context, path, what, step string) error {
	s, err := sqlite.Open(ctx, path, sqlite.Options{Reached: func(reached string) {
		if reached == step {
			_ = unix.Kill(unix.Getpid(), unix.SIGKILL)
			select {}
		}
	}})
	if err != nil {
		return err
	}
	if what == "text" {
		return s.PurgeTexts(ctx, store.MainKey(storetest.ID(1)))
	}
	return s.Purge(ctx, storetest.ID(1))
}

// textSecrets are the marks of words in the main text of a recording, and in its live session.
func textSecrets() []string { return []string{"word", "first", "last", "edited", "live", "owed"} }

// A purge that is killed at any step is completed by the next program that opens the database. What was removed by then is
// not seen again.
func TestAKilledPurgeIsCompleted(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"recording", "text"} {
		for _, step := range purgeSteps() {
			t.Run(what+" killed at "+step, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				path := filepath.Join(dir, sqlite.FileName)
				made := open(t, filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{})
				for n := range 4 {
					say(t, made, n)
				}
				for _, suffix := range []string{"", "-wal"} { // as a crash leaves it: the words are in the log, too
					duplicate(t, made.Path()+suffix, path+suffix)
				}
				_ = startChild(t, childPurge, path, what, step).Wait() // it was killed
				if step == "removed" && len(found(t, dir, []int{1})) == 0 {
					t.Fatal("nothing is left by the crash: the test looks at nothing")
				}
				s := open(t, path, sqlite.Options{})
				checkPurged(t, s, dir, what)
			})
		}
	}
}

// checkPurged looks for recording 1, or its text, in every byte of the folder.
func checkPurged(t *testing.T, s *sqlite.Store, dir, what string) {
	t.Helper()
	var bad []string
	for _, place := range found(t, dir, []int{1}) {
		if what == "recording" {
			bad = append(bad, place)
			continue
		}
		for _, mark := range textSecrets() {
			if strings.Contains(place, secret(1, mark)) {
				bad = append(bad, place)
			}
		}
	}
	if len(bad) > 0 {
		t.Errorf("%d places, among them %q", len(bad), bad[:min(5, len(bad))])
	}
	if _, err := s.Transcript(t.Context(), store.MainKey(storetest.ID(1)), 0); scout.CodeOf(err) != scout.CodeNotFound {
		t.Errorf("the purged text: %v", err)
	}
	if what == "text" {
		if r, err := s.Recording(t.Context(), storetest.ID(1)); err != nil || r.Title != secret(1, "retitled") {
			t.Errorf("the recording of the purged text: %+v, %v", r, err)
		}
		other := store.Key{Recording: storetest.ID(1), Track: "left", Task: "translate"}
		if text, err := s.Transcript(t.Context(), other, 0); err != nil || text.Text() != secret(1, "other") {
			t.Errorf("the other text: %v", err)
		}
	}
	if len(found(t, dir, []int{2})) == 0 {
		t.Error("what was not purged is gone")
	}
	report, err := s.Check(t.Context())
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("check: %q, %v", report.Problems, err)
	}
}

// A program that reads an old state keeps the log from being emptied. The purge says so, what was purged is gone for everybody else,
// and it is completed when the reader has gone.
func TestAPurgeWithAReaderInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, sqlite.FileName)
	s := open(t, path, sqlite.Options{Busy: 50 * time.Millisecond})
	for n := range 3 {
		say(t, s, n)
	}
	reader, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }() // only read
	old, err := reader.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var versions int
	if err := old.QueryRowContext(t.Context(), "SELECT count(*) FROM versions").Scan(&versions); err != nil {
		t.Fatal(err)
	}

	err = s.Purge(t.Context(), storetest.ID(1))
	wantCode(t, err, scout.CodeStoreLocked)
	if _, err := s.Recording(t.Context(), storetest.ID(1)); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("the purged recording: %v", err)
	}
	if len(found(t, dir, []int{1})) == 0 {
		t.Fatal("nothing is left: the test looks at nothing")
	}
	wantCode(t, s.FinishPurges(t.Context()), scout.CodeStoreLocked)

	if err := old.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := s.FinishPurges(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkPurged(t, s, dir, "recording")
}

// Others write while the bytes of purged recordings are looked for. What they move from page to page meanwhile is found too.
func TestAPurgeWhileOthersWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, sqlite.FileName), sqlite.Options{})
	const count = 24
	for n := range count {
		say(t, s, 10*n)
	}
	for n := range 2 * count { // rows that come between others move those to other pages
		if err := put(t.Context(), s, 10*(n%count)+5+n/count, "filler "+strings.Repeat("and more of it ", n)); err != nil {
			t.Fatal(err)
		}
	}
	stop, written := make(chan struct{}), make(chan error, 1)
	go func() { // ends with stop, and is waited for
		for n := 0; ; n++ {
			select {
			case <-stop:
				written <- nil
				return
			default:
			}
			if n >= 4*count {
				<-stop
				continue
			}
			if err := put(t.Context(), s, 10*(n%count)+1+n/count%4, "written meanwhile "+strings.Repeat("again ", n*7%100)); err != nil {
				written <- err
				return
			}
		}
	}()
	var purged []int
	for first := 0; first < count; first += 8 {
		var ids []string
		for n := first; n < first+8; n++ {
			purged, ids = append(purged, 10*n), append(ids, storetest.ID(10*n))
		}
		if err := s.Purge(t.Context(), ids...); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if err := <-written; err != nil {
		t.Error(err)
	}
	if where := found(t, dir, purged); len(where) > 0 {
		t.Errorf("%d places, among them %q", len(where), where[:min(5, len(where))])
	}
	report, err := s.Check(t.Context())
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("check: %q, %v", report.Problems, err)
	}
}
