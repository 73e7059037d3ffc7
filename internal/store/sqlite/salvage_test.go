package sqlite_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// pagesOf returns the pages of a table or index of a database, with those that lie below its root.
func pagesOf(t *testing.T, path, name string) (list []int64) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?immutable=1")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	rows, err := db.QueryContext(t.Context(), "SELECT pageno FROM dbstat WHERE name = ? ORDER BY pageno", name)
	if err != nil {
		t.Skipf("this SQLite does not tell where a table lies: %v", err)
	}
	defer rows.Close() //nolint:errcheck // only read
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	if rows.Err() != nil || len(list) == 0 {
		t.Fatalf("no pages of %s: %v", name, rows.Err())
	}
	return list
}

// A database whose list of tables is damaged gives all that is on its other pages, and what is lost is told as it is.
func TestRescueWithoutTheListOfTables(t *testing.T) {
	t.Parallel()
	const count = 60
	path := made(t, filepath.Join(t.TempDir(), sqlite.FileName), count)
	s := open(t, path, sqlite.Options{})
	title := "a title"
	err := s.Update(t.Context(), func(tx store.Tx) error {
		for n := range count { // edited versions, too
			if _, err := tx.Edit(store.EditRequest{Key: store.MainKey(storetest.ID(n)), Edits: []store.Edit{{Segment: 0, Text: fmt.Sprint("edited ", n)}}}); err != nil {
				return err
			}
		}
		long := storetest.Text(strings.Repeat("a text that takes many pages ", 3000))
		if _, err := tx.PutTranscript(store.Put{Key: store.Key{Recording: storetest.ID(0), Track: "left", Task: store.TaskTranscribe}, Kind: store.KindFirst, Transcript: long}); err != nil {
			return err
		}
		_, err := tx.Describe(storetest.ID(7), store.Description{Title: &title})
		return err
	})
	var used store.Replay
	if err == nil {
		used, err = s.Events(t.Context(), store.EventStream, 0, 1)
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	schema := pagesOf(t, path, "sqlite_schema")
	texts, recordings := pagesOf(t, path, "segments"), pagesOf(t, path, "recordings")
	zero := func(t *testing.T, path string, pages ...int64) {
		t.Helper()
		for _, n := range pages {
			overwrite(t, path, (n-1)*page, page)
		}
	}
	for situation, c := range map[string]struct {
		harm  func(t *testing.T, path string)
		whole bool // nothing that people said is lost
		says  string
	}{
		"page 1":                           {func(t *testing.T, path string) { t.Helper(); zero(t, path, 1) }, true, "the list of tables"},
		"all pages of the list":            {func(t *testing.T, path string) { t.Helper(); zero(t, path, schema...) }, true, "the list of tables"},
		"all but page 1":                   {func(t *testing.T, path string) { t.Helper(); zero(t, path, schema[1:]...) }, true, "the list of tables"},
		"the header":                       {func(t *testing.T, path string) { t.Helper(); overwrite(t, path, 0, 100) }, true, "the list of tables"},
		"the first bytes":                  {func(t *testing.T, path string) { t.Helper(); overwrite(t, path, 0, 16) }, true, "the list of tables"},
		"the mark of the application":      {func(t *testing.T, path string) { t.Helper(); overwrite(t, path, 68, 4) }, true, "the list of tables"},
		"page 1, and a page of texts":      {func(t *testing.T, path string) { t.Helper(); zero(t, path, 1, texts[len(texts)/2]) }, false, "page"},
		"page 1, and a page of recordings": {func(t *testing.T, path string) { t.Helper(); zero(t, path, 1, recordings[len(recordings)-1]) }, false, " recordings"},
		"page 1, and the end is cut off":   {func(t *testing.T, path string) { t.Helper(); zero(t, path, 1); cut(t, path, 3, 4) }, false, "the list of tables"},
		"page 1, and a page is half a page": {func(t *testing.T, path string) {
			t.Helper()
			zero(t, path, 1)
			overwrite(t, path, (texts[1]-1)*page, page/2)
		}, false, "page"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			broken, rescued := filepath.Join(dir, sqlite.FileName), filepath.Join(dir, "rescued.db")
			duplicate(t, path, broken)
			c.harm(t, broken)
			before, err := os.ReadFile(broken)
			if err != nil {
				t.Fatal(err)
			}
			result, err := sqlite.Rescue(t.Context(), broken, rescued)
			if err != nil {
				t.Fatalf("rescue: %v", err)
			}
			if after, err := os.ReadFile(broken); err != nil || !bytes.Equal(after, before) {
				t.Errorf("the damaged file was changed (%v)", err)
			}
			if lost := strings.Join(result.Lost, "; "); !strings.Contains(lost, c.says) {
				t.Errorf("lost: %s; want it to say %q", lost, c.says)
			}
			checkSound(t, rescued)
			s := open(t, rescued, sqlite.Options{})
			if after, err := s.Events(t.Context(), store.EventStream, used.Last, 1); err != nil || !after.Reset || after.Last <= used.Last {
				t.Errorf("events go on at %+v after %d: %v", after, used.Last, err)
			}
			list, err := s.Recordings(t.Context(), store.Filter{}, store.Page{Limit: 200})
			if err != nil || len(list.Data) != result.Recordings {
				t.Errorf("%d recordings, and %+v: %v", len(list.Data), result, err)
			}
			// What is said to be lost is what is missing.
			for _, line := range result.Lost {
				if n := regexp.MustCompile(`^(\d+) of (\d+) recordings$`).FindStringSubmatch(line); n != nil {
					missing, _ := strconv.Atoi(n[1])
					if all, _ := strconv.Atoi(n[2]); all != count || missing == 0 {
						t.Errorf("%s: there were %d", line, count)
					}
				}
			}
			if !c.whole {
				return
			}
			if result.Recordings != count || result.Versions != 2*count+1 {
				t.Errorf("%+v", result)
			}
			for n := range count {
				text, err := s.Transcript(t.Context(), store.MainKey(storetest.ID(n)), 0)
				if err != nil || !strings.HasPrefix(text.Text(), fmt.Sprint("edited ", n)) {
					t.Errorf("text %d: %.40q, %v", n, text.Text(), err)
				}
			}
			long, err := s.Transcript(t.Context(), store.Key{Recording: storetest.ID(0), Track: "left", Task: store.TaskTranscribe}, 0)
			if err != nil || strings.Count(long.Text(), "many pages") != 3000 {
				t.Errorf("the long text has %d bytes, %v", len(long.Text()), err)
			}
			if r, err := s.Recording(t.Context(), storetest.ID(7)); err != nil || r.Title != title {
				t.Errorf("%+v, %v", r, err)
			}
			if found, err := s.Transcripts(t.Context(), store.Filter{Query: "edited 33"}, store.Page{}); err != nil || len(found.Data) == 0 {
				t.Errorf("the search finds %d: %v", len(found.Data), err)
			}
			leftNothingBehind(t, dir)
		})
	}
}

// Nothing is said to be lost that never was: other tables and indexes have rows of the same form.
func TestRescueOfFewRecordings(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for count := range 4 {
		path := made(t, filepath.Join(dir, fmt.Sprint(count, ".db")), count+1)
		overwrite(t, path, 0, 4096)
		result, err := sqlite.Rescue(t.Context(), path, path+".rescued")
		if lost := strings.Join(result.Lost, "; "); err != nil || result.Recordings != count+1 || regexp.MustCompile(`\d+ of \d+`).MatchString(lost) {
			t.Errorf("%d recordings: %+v, %v", count+1, result, err)
		}
	}
}

// What was committed to the log is rescued, too, also where the first page is damaged in both.
func TestRescueWithALog(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := made(t, filepath.Join(dir, sqlite.FileName), 5)
	leaveLog(t, path)
	overwrite(t, path, 0, 4096)
	log, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	for at := 32; at+24+4096 <= len(log); at += 24 + 4096 {
		if bytes.Equal(log[at:at+4], []byte{0, 0, 0, 1}) {
			clear(log[at+24 : at+24+4096])
		}
	}
	if err := os.WriteFile(path+"-wal", log, 0o600); err != nil {
		t.Fatal(err)
	}
	rescued := filepath.Join(dir, "rescued.db")
	result, err := sqlite.Rescue(t.Context(), path, rescued)
	if err != nil || result.Recordings != 6 {
		t.Fatalf("%+v, %v", result, err)
	}
	text, err := open(t, rescued, sqlite.Options{}).Transcript(t.Context(), store.MainKey(storetest.ID(9)), 0)
	if err != nil || !strings.Contains(text.Text(), "only in the log") {
		t.Errorf("%q, %v", text.Text(), err)
	}
}

// cut leaves so many parts of a file.
func cut(t *testing.T, path string, part, of int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()*part/of)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A file that holds nothing of Scout's is not taken for one of its databases.
func TestRescueOfAnotherProgramsDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "other.db")
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.ExecContext(t.Context(), "CREATE TABLE a (b); INSERT INTO a VALUES (1), ('x')")
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	_, err = sqlite.Rescue(t.Context(), path, filepath.Join(dir, "rescued.db"))
	wantCode(t, err, scout.CodeStoreForeign)
	for situation, content := range map[string]string{"zeros": string(make([]byte, 100_000)), "text": strings.Repeat("no database ", 10_000), "\r everywhere": strings.Repeat("\r", 40_960), "nothing": ""} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err = sqlite.Rescue(t.Context(), path, filepath.Join(dir, "rescued.db")); scout.CodeOf(err) != scout.CodeStoreCorrupt && situation != "nothing" || err == nil {
			t.Errorf("%s: %v", situation, err)
		}
	}
	leftNothingBehind(t, dir)
}
