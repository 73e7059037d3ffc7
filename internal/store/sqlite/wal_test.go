package sqlite

import (
	"bytes"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// images returns all pages of a database.
func images(t *testing.T, v view) map[int64][]byte {
	t.Helper()
	all := make(map[int64][]byte)
	err := v.each(func(rows *sql.Rows) error {
		var number int64
		var page sql.RawBytes
		err := rows.Scan(&number, &page)
		all[number] = bytes.Clone(page)
		return err
	}, "SELECT pgno, data FROM sqlite_dbpage")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Every page that changes while a reader holds an old state is in the log since then, however often SQLite takes its log in or begins
// it again.
func TestTheLogHasEveryPageThatChanged(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, *Store){
		"the log has something": func(*testing.T, *Store) {},
		"the log is empty": func(t *testing.T, s *Store) {
			t.Helper()
			if err := s.checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"the log was taken in and will be begun anew": func(t *testing.T, s *Store) {
			t.Helper()
			if err := s.writer.run(t.Context(), "PRAGMA wal_checkpoint(FULL)"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Open(t.Context(), filepath.Join(t.TempDir(), FileName), Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Close() }() // only for this test
			write := func(from, to int) {
				t.Helper()
				for n := from; n < to; n++ {
					err := s.update(t.Context(), func(tx *tx) error {
						return tx.exec("INSERT OR REPLACE INTO purges (recording, text, step) VALUES (?, ?, 9)", fmt.Sprint(n*7919%1000), strings.Repeat("x", n*31%3000))
					})
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			write(0, 50)
			prepare(t, s)
			mark, err := markLog(s.path)
			if err != nil {
				t.Fatal(err)
			}
			err = s.read(t.Context(), "look", func(v view) error {
				before := images(t, v)
				for round := range 3 {
					write(50+250*round, 300+250*round)
					if round == 1 {
						_ = s.writer.run(t.Context(), "PRAGMA wal_checkpoint(PASSIVE)") // as SQLite does it by itself
					}
					pages, err := pagesSince(s.path, mark)
					if err != nil {
						return err
					}
					other, release, err := s.acquire(t.Context())
					if err != nil {
						return err
					}
					after := images(t, view{ctx: t.Context(), conn: other})
					release()
					changed := 0
					for number, page := range after {
						if bytes.Equal(page, before[number]) {
							continue
						}
						changed++
						if !slices.Contains(pages, number) {
							t.Errorf("round %d: page %d has changed and is not in the log", round, number)
						}
					}
					if changed == 0 {
						t.Error("nothing has changed: the test looks at nothing")
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
