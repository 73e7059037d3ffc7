package sqlite_test

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// Each version of the schema has a file in testdata that the program of that version made. After adding a migration:
//
//	go test ./internal/store/sqlite -run EveryEarlierVersion -update
//
// makes the file of the new version; those of earlier ones stay as they are.
var update = flag.Bool("update", false, "make the file of the present version")

func fileOfVersion(version int) string {
	return filepath.Join("testdata", fmt.Sprintf("v%d.db.gz", version))
}

// fillFixture writes one of everything.
func fillFixture(t *testing.T, s store.Store) {
	t.Helper()
	title, tags, value := "Board meeting", []string{"work", "q4"}, "12"
	edit := func(tx store.Tx, n int, text string) error {
		_, err := tx.Edit(store.EditRequest{Key: store.MainKey(storetest.ID(n)), Edits: []store.Edit{{Segment: 0, Text: text}}})
		return err
	}
	steps := []func(store.Tx) error{
		func(tx store.Tx) error {
			for n := range 4 {
				if _, err := tx.PutRecording(storetest.Recording(n)); err != nil {
					return err
				}
				if n == 3 {
					continue
				}
				text := storetest.Text(fmt.Sprint("the first text number ", n), "café 東京")
				if _, err := tx.PutTranscript(store.Put{Key: store.MainKey(storetest.ID(n)), Kind: store.KindFirst, Transcript: text, Once: "job"}); err != nil {
					return err
				}
			}
			return nil
		},
		func(tx store.Tx) error { return edit(tx, 0, "an edited text") },
		func(tx store.Tx) error { return edit(tx, 0, "an edited text again") },
		func(tx store.Tx) error {
			_, err := tx.RestoreVersion(store.MainKey(storetest.ID(0)), 2, "key_1")
			return err
		},
		func(tx store.Tx) error {
			_, err := tx.PutTranscript(store.Put{
				Key: store.Key{Recording: storetest.ID(1), Track: "left", Task: store.TaskTranslate}, Kind: store.KindRetranscribed, Transcript: storetest.Text("links"),
			})
			return err
		},
		func(tx store.Tx) error {
			_, err := tx.Describe(storetest.ID(1), store.Description{Title: &title, Tags: &tags, Labels: map[string]*string{"room": &value}})
			return err
		},
		func(tx store.Tx) error { _, err := tx.Delete(storetest.ID(2)); return err },
		func(tx store.Tx) error {
			at := storetest.Recording(1).StartedAt
			job := store.Job{ID: "job_1", Kind: "transcribe", State: store.JobRunning, Recording: storetest.ID(1), Key: "work", MaxAttempts: 5, Place: 1, Since: at, CreatedAt: at, Checkpoint: []byte(`{}`)}
			if err := tx.PutJob(&job); err != nil {
				return err
			}
			return tx.AddJobParts("job_1", []byte(`["part"]`))
		},
		func(tx store.Tx) error {
			_, err := tx.Append(store.LiveStream(storetest.ID(3)), store.NewEvent{Type: "committed", Data: []byte(`{"text":"live"}`)})
			return err
		},
	}
	for i, step := range steps {
		if err := s.Update(t.Context(), step); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}

// contents is all that can be read of a fixture.
type contents struct {
	Recordings  []store.Recording
	Transcripts map[string]store.Transcript
	Versions    map[string][]store.Version
	Found       map[string][]store.Summary
	Events      map[string][]store.Event
}

func read(t *testing.T, s store.Store) contents {
	t.Helper()
	c := contents{
		Transcripts: make(map[string]store.Transcript), Versions: make(map[string][]store.Version), Found: make(map[string][]store.Summary), Events: make(map[string][]store.Event),
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range 4 {
		r, err := s.Recording(t.Context(), storetest.ID(n))
		must(err)
		c.Recordings = append(c.Recordings, r)
	}
	for _, query := range []string{"", "text", "cafe", "京", "again", "board", "links"} {
		for _, deleted := range []bool{false, true} {
			page, err := s.Transcripts(t.Context(), store.Filter{Query: query, Deleted: deleted}, store.Page{})
			must(err)
			c.Found[fmt.Sprint(query, deleted)] = page.Data
			for _, found := range page.Data {
				id := found.String()
				c.Versions[id], err = s.Versions(t.Context(), found.Key)
				must(err)
				for _, v := range c.Versions[id] {
					c.Transcripts[fmt.Sprint(id, v.Version)], err = s.Transcript(t.Context(), found.Key, v.Version)
					must(err)
				}
			}
		}
	}
	for _, stream := range []string{store.EventStream, store.LiveStream(storetest.ID(3))} {
		replay, err := s.Events(t.Context(), stream, 0, 1000)
		must(err)
		c.Events[stream] = replay.Events
	}
	return c
}

func fixtureClock() time.Time { return time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC) }

func TestEveryEarlierVersionIsBroughtUpToDate(t *testing.T) {
	t.Parallel()
	fresh := filepath.Join(t.TempDir(), sqlite.FileName)
	s, err := sqlite.Open(t.Context(), fresh, sqlite.Options{Now: fixtureClock})
	if err != nil {
		t.Fatal(err)
	}
	fillFixture(t, s)
	want := read(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if *update {
		writeFixture(t, fresh)
	}
	for version := 1; version <= sqlite.Version(); version++ {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			t.Parallel()
			path := unpackFixture(t, version)
			s := open(t, path, sqlite.Options{Now: fixtureClock})
			if got := read(t, s); !reflect.DeepEqual(got, want) {
				t.Errorf("read %+v\nwant %+v", got, want)
			}
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
			// And it can be written.
			err := s.Update(t.Context(), func(tx store.Tx) error {
				_, err := tx.PutTranscript(store.Put{Key: store.MainKey(storetest.ID(3)), Kind: store.KindFirst, Transcript: storetest.Text("new")})
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func writeFixture(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fileOfVersion(sqlite.Version()), packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func unpackFixture(t *testing.T, version int) string {
	t.Helper()
	file, err := os.Open(fileOfVersion(version))
	if err != nil {
		t.Fatalf("each version has a file: %v", err)
	}
	defer func() { _ = file.Close() }() // only read
	r, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), sqlite.FileName)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An older program must not write into what it does not understand.
func TestFileOfALaterVersionIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		script string
		want   scout.Code
	}{
		"from the future":    {fmt.Sprintf("PRAGMA user_version = %d", sqlite.Version()+1), scout.CodeStoreNewer},
		"of another program": {"PRAGMA application_id = 77", scout.CodeStoreForeign},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := unpackFixture(t, sqlite.Version())
			execute(t, path, test.script)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = sqlite.Open(t.Context(), path, sqlite.Options{})
			if scout.CodeOf(err) != test.want {
				t.Errorf("error %v (%s), want %s", err, scout.CodeOf(err), test.want)
			}
			after, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("the file was changed (%v)", err)
			}
		})
	}
}
