package sqlite_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// A clock that is set by a year while the database is open costs neither an answer that a client may ask for again, nor events that
// a listener has not read, nor a place in a list; and what has had its time by the time that passed goes, if the clock allows it.
func TestAClockThatIsSet(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	for situation, c := range map[string]struct {
		leap    time.Duration
		passed  time.Duration // that really passes
		answers bool          // the answer is still there
		events  int           // that are still there
	}{
		"no leap":                              {0, time.Minute, true, 3},
		"no leap, and a day passes":            {0, 25 * time.Hour, false, 0},
		"a year ahead":                         {year, time.Minute, true, 3},
		"a year ahead, and a day passes":       {year, 25 * time.Hour, false, 0},
		"a year back":                          {-year, time.Minute, true, 3},
		"a year back, and a day passes":        {-year, 25 * time.Hour, true, 3},
		"an hour ahead, just before its time":  {time.Hour, 23*time.Hour + 30*time.Minute, true, 3},
		"an hour back, just behind its time":   {-time.Hour, 24*time.Hour + 30*time.Minute, true, 3},
		"an hour back, long behind its time":   {-time.Hour, 26 * time.Hour, false, 0},
		"an hour ahead, long behind its time":  {time.Hour, 26 * time.Hour, false, 0},
		"a year ahead, just before it is over": {year, 24*time.Hour - time.Minute, true, 3},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			var wrong, passed atomic.Int64
			elapsed := func() time.Duration { return time.Duration(passed.Load()) }
			began := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
			s := open(t, filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{
				Now: func() time.Time { return began.Add(elapsed() + time.Duration(wrong.Load())) }, Elapsed: elapsed,
			})
			ctx := t.Context()
			err := s.Update(ctx, func(tx store.Tx) error {
				for range 3 {
					if _, err := tx.Append("a", store.NewEvent{Type: "t", Data: json.RawMessage("{}")}); err != nil {
						return err
					}
				}
				return tx.PutAnswer("key", store.Answer{Request: "r", Status: 201, Body: json.RawMessage("{}")})
			})
			if err != nil {
				t.Fatal(err)
			}
			for n := range 4 {
				if err := put(ctx, s, n, "text"); err != nil {
					t.Fatal(err)
				}
			}
			first, err := s.Transcripts(ctx, store.Filter{}, store.Page{Limit: 2})
			if err != nil {
				t.Fatal(err)
			}
			wrong.Store(int64(c.leap))
			passed.Store(int64(c.passed))
			if _, found, err := s.Answer(ctx, "key"); err != nil || found != c.answers {
				t.Errorf("the answer: %v, %v, want %v", found, err, c.answers)
			}
			if err := s.Update(ctx, func(tx store.Tx) error { // which removes old ones
				return tx.PutAnswer("other", store.Answer{Request: "r", Status: 201, Body: json.RawMessage("{}")})
			}); err != nil {
				t.Fatal(err)
			}
			if _, found, err := s.Answer(ctx, "key"); err != nil || found != c.answers {
				t.Errorf("the answer after another one: %v, %v, want %v", found, err, c.answers)
			}
			if err := s.TrimJournal(ctx, "a", store.JournalLimits{Age: 24 * time.Hour}); err != nil {
				t.Fatal(err)
			}
			replay, err := s.Events(ctx, "a", 0, 10)
			if err != nil || len(replay.Events) != c.events {
				t.Errorf("%d events, %v, want %d", len(replay.Events), err, c.events)
			}
			pagesGoOn(ctx, t, s, first)
		})
	}
}

// TestAClockThatWasWrongAtFirst opens the database while the clock is a year behind, and sets it right. What was written since has its time
// by the time that passes, and so has what was written before.
func TestAClockThatWasWrongAtFirst(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	var wrong, passed atomic.Int64
	elapsed := func() time.Duration { return time.Duration(passed.Load()) }
	right := time.Date(2026, 11, 28, 8, 0, 0, 0, time.UTC)
	wrong.Store(int64(-year))
	s := open(t, filepath.Join(t.TempDir(), sqlite.FileName), sqlite.Options{
		Now: func() time.Time { return right.Add(elapsed() + time.Duration(wrong.Load())) }, Elapsed: elapsed,
	})
	ctx := t.Context()
	answer := func(key string) {
		t.Helper()
		err := s.Update(ctx, func(tx store.Tx) error {
			return tx.PutAnswer(key, store.Answer{Request: "r", Status: 201, Body: json.RawMessage("{}")})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	there := func(want bool, keys ...string) {
		t.Helper()
		for _, key := range keys {
			if _, found, err := s.Answer(ctx, key); err != nil || found != want {
				t.Errorf("after %v the answer %s: %v, %v, want %v", elapsed(), key, found, err, want)
			}
		}
	}
	answer("before")
	wrong.Store(0)
	passed.Store(int64(time.Minute))
	answer("after")
	there(true, "before", "after")
	passed.Store(int64(23 * time.Hour))
	there(true, "before", "after")
	passed.Store(int64(25 * time.Hour))
	there(false, "before", "after")
	answer("later")
	passed.Store(int64(26 * time.Hour))
	there(true, "later")
	passed.Store(int64(50 * time.Hour))
	there(false, "later")
}

// pagesGoOn reads the second page of a list, and writes one more event: neither order nor number depends on the clock.
func pagesGoOn(ctx context.Context, t *testing.T, s *sqlite.Store, first store.Listing[store.Summary]) {
	t.Helper()
	if err := put(ctx, s, 9, "a text after the leap"); err != nil {
		t.Fatal(err)
	}
	second, err := s.Transcripts(ctx, store.Filter{}, store.Page{Limit: 2, Cursor: first.Next})
	if err != nil || len(second.Data) != 2 || second.Data[0].Recording != storetest.ID(1) || second.Data[1].Recording != storetest.ID(0) {
		t.Errorf("the second page: %+v, %v", second.Data, err)
	}
	var seq uint64
	err = s.Update(ctx, func(tx store.Tx) (err error) {
		seq, err = tx.Append("a", store.NewEvent{Type: "t", Data: json.RawMessage("{}")})
		return err
	})
	if err != nil || seq != 4 {
		t.Errorf("the next number is %d, %v", seq, err)
	}
}
