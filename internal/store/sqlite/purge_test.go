package sqlite_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// secret is a word of the n-th recording; mark tells its words apart.
func secret(n int, mark string) string { return fmt.Sprintf("secret%sq%04dq", mark, n) }

// say gives a recording every kind of text that the store keeps, some of it replaced later.
func say(t *testing.T, s store.Store, n int) {
	t.Helper()
	r := storetest.Recording(n)
	r.Title, r.Tags, r.Labels = secret(n, "title"), []string{secret(n, "tag")}, map[string]string{secret(n, "label"): secret(n, "value")}
	r.Manifest = fmt.Appendf(nil, `{"device":%q}`, secret(n, "device"))
	main := store.MainKey(r.ID)
	steps := []func(store.Tx) error{
		func(tx store.Tx) error { _, err := tx.PutRecording(r); return err },
		func(tx store.Tx) error {
			long := strings.Repeat(secret(n, "word")+" and some more of it ", 1+n*13%40) // up to a page
			_, err := tx.PutTranscript(store.Put{Key: main, Kind: store.KindFirst, Transcript: storetest.Text(secret(n, "first"), long, "東京"+secret(n, "last"))})
			return err
		},
		func(tx store.Tx) error {
			_, err := tx.Edit(store.EditRequest{Key: main, Edits: []store.Edit{{Segment: 0, Text: secret(n, "edited") + strings.Repeat(" x", n%50)}, {Segment: 1, Text: ""}}})
			return err
		},
		func(tx store.Tx) error {
			_, err := tx.PutTranscript(store.Put{Key: store.Key{Recording: r.ID, Track: "left", Task: "translate"}, Kind: store.KindFirst, Transcript: storetest.Text(secret(n, "other"))})
			return err
		},
		func(tx store.Tx) error {
			return tx.PutAnswer(fmt.Sprint("key", n), store.Answer{Recording: r.ID, Status: 201, Body: fmt.Appendf(nil, `{"preview":%q}`, secret(n, "answer"))})
		},
		func(tx store.Tx) error {
			title := secret(n, "retitled")
			_, err := tx.Describe(r.ID, store.Description{Title: &title, Tags: &[]string{}})
			return err
		},
		func(tx store.Tx) error {
			_, err := tx.Append(store.LiveStream(r.ID), store.NewEvent{Type: "committed", Data: fmt.Appendf(nil, `{"text":%q}`, secret(n, "live"))})
			if err != nil {
				return err
			}
			return tx.SetCheckpoint(store.LiveStream(r.ID), fmt.Appendf(nil, `{"owed":%q}`, secret(n, "owed")))
		},
	}
	for i, step := range steps {
		if err := s.Update(t.Context(), step); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
}

// found returns where bytes of the folder hold a secret of one of the recordings.
func found(t *testing.T, dir string, recordings []int) []string {
	t.Helper()
	var where []string
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for at := bytes.Index(data, []byte("secret")); at >= 0; {
			for _, n := range recordings {
				end := min(at+30, len(data))
				if word := data[at:end]; bytes.Contains(word, fmt.Appendf(nil, "q%04dq", n)) {
					where = append(where, fmt.Sprintf("%s at %d: %q", filepath.Base(path), at, word))
				}
			}
			next := bytes.Index(data[at+1:], []byte("secret"))
			if next < 0 {
				break
			}
			at += 1 + next
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return where
}

// No byte of what was purged is left in any file of the data folder: not in old versions, the journal, the search, the free
// space of pages, or the log.
func TestPurgeLeavesNoByte(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, sqlite.FileName)
	s := open(t, path, sqlite.Options{})
	const count = 40
	for n := range count {
		say(t, s, n)
	}
	// Rows that come between others move those to other pages.
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // not a secret
	const more = 400
	for _, batch := range slices.Collect(slices.Chunk(random.Perm(more), 40)) {
		err := s.Update(t.Context(), func(tx store.Tx) error {
			for _, n := range batch {
				n += count
				if _, err := tx.PutRecording(storetest.Recording(n)); err != nil {
					return err
				}
				text := storetest.Text(secret(n, "a") + strings.Repeat(" filler", random.IntN(40)) + " " + secret(n, "b"))
				if _, err := tx.PutTranscript(store.Put{Key: store.MainKey(storetest.ID(n)), Kind: store.KindFirst, Transcript: text}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var purged, left []int
	for n := range count + more {
		if n%3 == 1 {
			purged = append(purged, n)
		} else {
			left = append(left, n)
		}
	}
	if len(found(t, dir, purged)) == 0 {
		t.Fatal("nothing is found before the purge: the test looks at nothing")
	}
	for _, half := range [][]int{purged[:10], purged[10:]} {
		var ids []string
		for _, n := range half {
			ids = append(ids, storetest.ID(n))
		}
		if err := s.Purge(t.Context(), ids...); err != nil {
			t.Fatal(err)
		}
		if where := found(t, dir, half); len(where) > 0 {
			t.Errorf("%d places, among them %q", len(where), where[:min(5, len(where))])
		}
	}
	report, err := s.Check(t.Context())
	if err != nil || len(report.Problems) > 0 {
		t.Errorf("check: %q, %v", report.Problems, err)
	}
	for _, n := range left[:20] {
		for _, query := range []string{secret(n, "edited"), secret(n, "last"), secret(n, "retitled"), secret(n, "other")} {
			page, err := s.Recordings(t.Context(), store.Filter{Query: query}, store.Page{})
			if err != nil || len(page.Data) != 1 {
				t.Errorf("%s finds %d: %v", query, len(page.Data), err)
			}
		}
	}
}

// The index of the search parts its pages by words. Those must go, too.
func TestPurgeLeavesNoWordBetweenPagesOfTheIndex(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, sqlite.FileName), sqlite.Options{})
	// Each word to be purged stands behind one that is kept and differs in its last letter: all of it parts two pages.
	purged, kept := make([]string, 4000), make([]string, 4000)
	for i := range purged {
		purged[i], kept[i] = fmt.Sprintf("w%05dsecret", i), fmt.Sprintf("w%05dsecrea", i)
	}
	if err := put(t.Context(), s, 2, strings.Join(kept, " "), "kept words"); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), s, 1, strings.Join(purged, " ")); err != nil {
		t.Fatal(err)
	}
	// One index of both, as it becomes by itself in time.
	execute(t, s.Path(), "PRAGMA secure_delete = 1; INSERT INTO search (search) VALUES ('optimize')")
	if err := s.Purge(t.Context(), storetest.ID(1)); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if at := bytes.Index(data, []byte("secret")); err != nil || at >= 0 {
			t.Errorf("%s at %d: %q, %v", entry.Name(), at, data[max(at, 0):min(len(data), at+20)], err)
		}
	}
	page, err := s.Transcripts(t.Context(), store.Filter{Query: "kept"}, store.Page{})
	if err != nil || len(page.Data) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestPurgeReachesWhatARestoreHasKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, sqlite.FileName)
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	say(t, s, 1)
	say(t, s, 2)
	backup := filepath.Join(t.TempDir(), "b.db")
	if _, err := s.Backup(t.Context(), backup); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	kept, err := sqlite.Restore(t.Context(), backup, path, time.Now())
	if err != nil || kept == "" {
		t.Fatalf("%q, %v", kept, err)
	}
	// As a crash in the middle of a backup leaves it.
	duplicate(t, backup, filepath.Join(dir, "."+sqlite.FileName+"-123.tmp"))

	s = open(t, path, sqlite.Options{})
	if len(found(t, dir, []int{1})) == 0 {
		t.Fatal("nothing is found before the purge: the test looks at nothing")
	}
	if err := s.Purge(t.Context(), storetest.ID(1)); err != nil {
		t.Fatal(err)
	}
	if where := found(t, dir, []int{1}); len(where) > 0 {
		t.Errorf("%d places, among them %q", len(where), where[:min(5, len(where))])
	}
	checkSound(t, kept)
	if len(found(t, dir, []int{2})) == 0 {
		t.Error("what was not purged is gone")
	}
}

func TestPurgeSaysWhereItCannotLook(t *testing.T) {
	t.Parallel()
	path := made(t, filepath.Join(t.TempDir(), sqlite.FileName), 3)
	if err := os.WriteFile(path+".before-20261128T120000.000Z", []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, sqlite.Options{})
	err := s.Purge(t.Context(), storetest.ID(1))
	wantCode(t, err, scout.CodeStoreCorrupt)
	if err == nil || !strings.Contains(err.Error(), ".before-") {
		t.Errorf("error %v", err)
	}
	if _, err := s.Recording(t.Context(), storetest.ID(1)); scout.CodeOf(err) != scout.CodeRecordingNotFound {
		t.Errorf("the rest was purged all the same: %v", err)
	}
}
