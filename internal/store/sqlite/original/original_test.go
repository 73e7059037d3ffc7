package original_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store/sqlite/original"
	"github.com/scout-speech/scout/internal/store/sqlite/originaltest"
)

func TestTextsOfEverySchemaAreRead(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 7, 15, 8, 30, 1, 0, time.UTC)
	for situation, c := range map[string]struct {
		statements []string
		want       []original.Text
	}{
		"the first schema": {
			[]string{originaltest.First, `INSERT INTO transcripts VALUES (1, 'hello', 1500, '2025-07-15 08:30:01', NULL)`},
			[]original.Text{{Row: 1, ID: "1", Text: "hello", Duration: 1500 * time.Millisecond, Created: "2025-07-15 08:30:01", At: at}},
		},
		"the last schema": {
			[]string{
				originaltest.Last, originaltest.Figures, `INSERT INTO performance_metrics VALUES (1, 7, 'tiny.en'), (2, 7, 'base.en')`,
				`INSERT INTO transcripts VALUES (7, 'good morning', 900, '2025-07-15 08:30:01', '{"original_filename":"talk.m4a"}', '/home/me/a.wav', 12, '{"device":{"name":"MacBook Microphone"}}')`,
			},
			[]original.Text{{
				Row: 7, ID: "7", Text: "good morning", Duration: 900 * time.Millisecond, Created: "2025-07-15 08:30:01", At: at, Device: "MacBook Microphone", Model: "base.en", Title: "talk.m4a",
				AudioPath: "/home/me/a.wav",
			}},
		},
		"two columns": {
			[]string{`CREATE TABLE transcripts (id INTEGER PRIMARY KEY, text)`, `INSERT INTO transcripts VALUES (3, 'only this')`},
			[]original.Text{{Row: 3, ID: "3", Text: "only this"}},
		},
		"values that do not fit": {
			[]string{
				originaltest.Last, `INSERT INTO transcripts VALUES (1, x'68690069ff', 'soon', 'yesterday', '{', x'2f61', NULL, '[]'), (2, 42, -5, 1752568201, NULL, NULL, NULL, NULL), (3, '', 1e300, 1752568201000, NULL, NULL, NULL, NULL)`,
			},
			[]original.Text{
				{Row: 1, ID: "1", Text: "hii\uFFFD", Created: "yesterday", AudioPath: "/a"},
				{Row: 2, ID: "2", Text: "42", Created: "1752568201", At: at},
				{Row: 3, ID: "3", Created: "1752568201000", At: at},
			},
		},
		"RFC 3339": {
			[]string{originaltest.Last, `INSERT INTO transcripts (id, text, duration_ms, created_at) VALUES (1, 'a', 1, '2025-07-15T10:30:01+02:00')`},
			[]original.Text{{Row: 1, ID: "1", Text: "a", Duration: time.Millisecond, Created: "2025-07-15T10:30:01+02:00", At: at}},
		},
		"no text": {[]string{originaltest.Last}, nil},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d, err := original.Open(t.Context(), originaltest.Write(t, c.statements...))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close() //nolint:errcheck // it was only read
			got, err := d.After(t.Context(), nil, 10)
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v (%v), want %+v", got, err, c.want)
			}
			if d.Total() != len(c.want) {
				t.Errorf("%d texts in all, want %d", d.Total(), len(c.want))
			}
		})
	}
}

// allOf are all texts, in pages of limit texts.
func allOf(t *testing.T, d *original.Database, limit int) (all []original.Text) {
	t.Helper()
	for after := (*int64)(nil); ; {
		page, err := d.After(t.Context(), after, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return all
		}
		if all = append(all, page...); len(all) > 1000 {
			t.Fatal("the texts do not end")
		}
		after = &all[len(all)-1].Row
	}
}

func TestEveryRowIsReadOnce(t *testing.T) {
	t.Parallel()
	for situation, statements := range map[string][]string{
		"ids as text":            {`CREATE TABLE transcripts (id, text)`, `INSERT INTO transcripts VALUES ('5', 'a'), ('00', 'b'), ('x', 'c')`},
		"ids that are no key":    {`CREATE TABLE transcripts (id INTEGER, text)`, `INSERT INTO transcripts VALUES (0, 'a'), (-3, 'b'), (NULL, 'c'), (1, 'd'), (1, 'e'), (1, 'f')`},
		"ids below one":          {`CREATE TABLE transcripts (id INTEGER PRIMARY KEY, text)`, `INSERT INTO transcripts VALUES (-9223372036854775808, 'a'), (-1, 'b'), (0, 'c'), (9223372036854775807, 'd')`},
		"a column called rowid":  {`CREATE TABLE transcripts (id, text, rowid, _ROWID_)`, `INSERT INTO transcripts VALUES (1, 'a', 9, 9), (2, 'b', 9, 9), (3, 'c', 9, 9)`},
		"models without numbers": {originaltest.Last, `INSERT INTO transcripts (text, duration_ms) VALUES ('a', 1)`, `CREATE TABLE performance_metrics (transcript_id INTEGER PRIMARY KEY, model_used TEXT) WITHOUT ROWID`},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d, err := original.Open(t.Context(), originaltest.Write(t, statements...))
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close() //nolint:errcheck // it was only read
			all := allOf(t, d, 2)
			seen := make(map[string]int)
			for _, text := range all {
				seen[text.Text]++
			}
			if len(all) != d.Total() || len(seen) != d.Total() {
				t.Errorf("%d texts in %d rows of %d", len(seen), len(all), d.Total())
			}
		})
	}
}

func TestLongValuesAreBounded(t *testing.T) {
	t.Parallel()
	d, err := original.Open(t.Context(), originaltest.Write(t, originaltest.Last, originaltest.Figures,
		`INSERT INTO transcripts (id, text, duration_ms, metadata, audio_path) VALUES (1, 'short', 1, '{"original_filename":"talk.m4a","x":"' || hex(zeroblob(32768)) || '"}', '/' || hex(zeroblob(32768)))`,
		`INSERT INTO transcripts (id, text, duration_ms) VALUES (2, hex(zeroblob(17000000)), 1), (3, hex(zeroblob(4194304)), 1), (4, hex(zeroblob(400000)), 1), (5, hex(zeroblob(400000)), 1), (6, 'end', 1)`,
		`INSERT INTO performance_metrics VALUES (1, 1, hex(zeroblob(32769)))`,
	))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close() //nolint:errcheck // it was only read
	first, err := d.After(t.Context(), nil, 20)
	if err != nil || len(first) != 2 {
		t.Fatalf("the first page has %d texts (%v), want 2: it ends where it is long", len(first), err)
	}
	if got := first[0]; got.Text != "short" || got.Title != "" || got.AudioPath != "" || got.Model != "" {
		t.Errorf("got %+v", got)
	}
	all := allOf(t, d, 20)
	if len(all) != 5 || d.Total() != 5 || all[4].Text != "end" || d.LeftOut()["transcripts"] != 1 {
		t.Errorf("%d texts of %d, and left out %v; want 5 of 5, and 1 left out", len(all), d.Total(), d.LeftOut())
	}
}

func TestPagesFollowEachOther(t *testing.T) {
	t.Parallel()
	d, err := original.Open(t.Context(), originaltest.Write(t, originaltest.Last, `INSERT INTO transcripts (id, text, duration_ms) VALUES (9, 'c', 1), (2, 'a', 1), (5, 'b', 1)`,
		`CREATE TABLE dictionary_entries (id INTEGER, original_text TEXT)`, `INSERT INTO dictionary_entries VALUES (1, 'x'), (2, 'y')`,
		`CREATE TABLE llm_prompt_templates (id TEXT, is_custom BOOLEAN)`, `INSERT INTO llm_prompt_templates VALUES ('summarize', 0)`))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close() //nolint:errcheck // it was only read
	var all string
	for _, text := range allOf(t, d, 2) {
		all += text.Text
	}
	if all != "abc" {
		t.Errorf("the texts are %q", all)
	}
	if want := map[string]int{"dictionary_entries": 2}; !reflect.DeepEqual(d.LeftOut(), want) {
		t.Errorf("left out: %v, want %v", d.LeftOut(), want)
	}
}

func TestWhatIsNoDatabaseOfTheOriginalIsRefused(t *testing.T) {
	t.Parallel()
	file := func(t *testing.T, data []byte) string {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole := func(t *testing.T) []byte {
		data, err := os.ReadFile(originaltest.Write(t, originaltest.Last, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 2000) INSERT INTO transcripts (text, duration_ms) SELECT 'text number ' || i, i FROM n`))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for situation, c := range map[string]struct {
		path func(t *testing.T) string
		want scout.Code
	}{
		"a text":           {func(t *testing.T) string { return file(t, []byte(strings.Repeat("not a database ", 100))) }, scout.CodeImportForeign},
		"nothing":          {func(t *testing.T) string { return file(t, nil) }, scout.CodeImportForeign},
		"another database": {func(t *testing.T) string { return originaltest.Write(t, `CREATE TABLE notes (id, text)`) }, scout.CodeImportForeign},
		"other columns":    {func(t *testing.T) string { return originaltest.Write(t, `CREATE TABLE transcripts (id, words)`) }, scout.CodeImportForeign},
		"a view in its place": {func(t *testing.T) string {
			return originaltest.Write(t, `CREATE VIEW transcripts AS SELECT 1 AS id, 'a' AS text`)
		}, scout.CodeImportForeign},
		"a virtual table in its place": {func(t *testing.T) string {
			return originaltest.Write(t, `CREATE VIRTUAL TABLE transcripts USING fts5(id, text)`, `PRAGMA writable_schema = 1`,
				`UPDATE sqlite_schema SET sql = 'CREATE  VIRTUAL TABLE transcripts USING fts5(id, text)' WHERE name = 'transcripts'`)
		}, scout.CodeImportForeign},
		"rows without numbers": {func(t *testing.T) string {
			return originaltest.Write(t, `CREATE TABLE transcripts (id PRIMARY KEY, text) WITHOUT ROWID`)
		}, scout.CodeImportForeign},
		"a file that was cut": {func(t *testing.T) string { d := whole(t); return file(t, d[:len(d)/2]) }, scout.CodeImportCorrupt},
		"pages that were erased": {func(t *testing.T) string {
			d := whole(t)
			for i := 8192; i < len(d)-4096; i++ {
				d[i] = 0xA5
			}
			return file(t, d)
		}, scout.CodeImportCorrupt},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			d, err := original.Open(t.Context(), c.path(t))
			if scout.CodeOf(err) != c.want {
				t.Errorf("error %v, want %s", err, c.want)
			}
			if d != nil {
				_ = d.Close()
			}
		})
	}
}

func TestACopyHasWhatLiesInTheLog(t *testing.T) {
	t.Parallel()
	path, _ := originaltest.Open(t, "PRAGMA journal_mode = WAL", originaltest.Last, `INSERT INTO transcripts (text, duration_ms) VALUES ('in the log', 1)`)
	to := filepath.Join(t.TempDir(), "copy.db")
	if err := original.Copy(t.Context(), path, to); err != nil {
		t.Fatal(err)
	}
	d, err := original.Open(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close() //nolint:errcheck // it was only read
	if d.Total() != 1 {
		t.Errorf("the copy has %d texts, want 1", d.Total())
	}
}

func TestACallThatIsCancelledBlamesNoFile(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := original.Open(ctx, originaltest.Write(t, originaltest.Last)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestWhatTheMachineFailsAtBlamesNoFile(t *testing.T) {
	t.Parallel()
	path, db := originaltest.Open(t, originaltest.Last)
	if err := original.Copy(t.Context(), path, filepath.Join(t.TempDir(), "nowhere", "copy.db")); scout.CodeOf(err) != scout.CodeFileNotFound {
		t.Errorf("no folder to copy into: %v, want %s", err, scout.CodeFileNotFound)
	}
	writer, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close() //nolint:errcheck // the test ends
	if _, err := writer.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	if err := original.Copy(t.Context(), path, filepath.Join(t.TempDir(), "copy.db")); scout.CodeOf(err) != scout.CodeBusy {
		t.Errorf("a program that writes: %v, want %s", err, scout.CodeBusy)
	}
}

// A program that was killed within a transaction leaves a file that is half changed, and a journal that takes the changes back.
func TestACopyHasNoHalfOfATransaction(t *testing.T) {
	t.Parallel()
	path, db := originaltest.Open(t, originaltest.Last, `INSERT INTO transcripts (text, duration_ms) VALUES ('whole', 1)`)
	writer, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close() //nolint:errcheck // the test ends
	for _, s := range []string{
		"PRAGMA cache_size = 1", "BEGIN",
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 3000) INSERT INTO transcripts (text, duration_ms) SELECT hex(randomblob(400)), 1 FROM n`,
	} {
		if _, err := writer.ExecContext(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	killed := filepath.Join(t.TempDir(), "scout.db")
	for _, suffix := range []string{"", "-journal"} {
		data, err := os.ReadFile(path + suffix)
		if err == nil {
			err = os.WriteFile(killed+suffix, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(killed)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "copy.db")
	if err := original.Copy(t.Context(), killed, to); err != nil {
		t.Fatal(err)
	}
	d, err := original.Open(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close() //nolint:errcheck // it was only read
	if all := allOf(t, d, 100); len(all) != 1 || all[0].Text != "whole" {
		t.Errorf("the copy has %d texts, want the one that was committed", len(all))
	}
	if after, err := os.ReadFile(killed); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the original is another one than before (%v)", err)
	}
}
