package sqlite_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/store"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/store/storetest"
)

// What is on sound pages is rescued, whatever page is damaged, and what is lost is said.
func TestRescue(t *testing.T) {
	t.Parallel()
	const count = 60
	path := made(t, filepath.Join(t.TempDir(), sqlite.FileName), count)
	s := open(t, path, sqlite.Options{})
	for n := range count { // edited versions, too
		err := s.Update(t.Context(), func(tx store.Tx) error {
			_, err := tx.Edit(store.EditRequest{Key: store.MainKey(storetest.ID(n)), Edits: []store.Edit{{Segment: 0, Text: fmt.Sprint("edited ", n)}}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	pages := info.Size() / 4096
	type situation struct {
		name string
		harm func(t *testing.T, path string)
		most int // so many texts at least
	}
	situations := []situation{
		{"nothing", func(*testing.T, string) {}, count},
		{"the last half cut off", func(t *testing.T, path string) { t.Helper(); _ = os.Truncate(path, info.Size()/2) }, 1},
		{"every tenth page", func(t *testing.T, path string) {
			t.Helper()
			for page := int64(25); page < pages; page += 10 {
				overwrite(t, path, page*4096, 4096)
			}
		}, count / 3},
	}
	situations = append(situations, situation{"all pages with texts", func(t *testing.T, path string) {
		t.Helper()
		for page := int64(3); page < 16; page++ {
			overwrite(t, path, page*4096, 4096)
		}
	}, 0})
	for page := int64(20); page < pages; page += max(1, pages/25) {
		situations = append(situations, situation{fmt.Sprint("page ", page), func(t *testing.T, path string) { t.Helper(); overwrite(t, path, page*4096, 4096) }, count / 2})
	}
	for _, damaged := range situations {
		t.Run(damaged.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			broken, rescued := filepath.Join(dir, sqlite.FileName), filepath.Join(dir, "rescued.db")
			duplicate(t, path, broken)
			damaged.harm(t, broken)
			before, err := os.ReadFile(broken)
			if err != nil {
				t.Fatal(err)
			}
			result, err := sqlite.Rescue(t.Context(), broken, rescued)
			if err != nil {
				t.Fatalf("rescue: %v", err)
			}
			after, err := os.ReadFile(broken)
			if err != nil || !bytes.Equal(after, before) {
				t.Errorf("the damaged file was changed (%v)", err)
			}
			checkSound(t, rescued)
			s := open(t, rescued, sqlite.Options{})
			page, err := s.Transcripts(t.Context(), store.Filter{Query: "words"}, store.Page{Limit: 200})
			if err != nil || len(page.Data) < damaged.most {
				t.Errorf("%d texts of %d: %v; %+v", len(page.Data), count, err, result)
			}
			lost := false
			for _, found := range page.Data {
				text, err := s.Transcript(t.Context(), found.Key, 0)
				if err != nil {
					t.Fatal(err)
				}
				lost = lost || !strings.HasPrefix(text.Text(), "edited")
				if found.Preview != store.Preview(text.Text()) {
					t.Errorf("preview %q of %q", found.Preview, text.Text())
				}
			}
			lost = lost || result.Segments < 3*count
			if (len(page.Data) < count || lost) && len(result.Lost) == 0 {
				t.Errorf("%d texts of %d, and nothing is said to be lost", len(page.Data), count)
			}
			if damaged.name == "nothing" && (len(result.Lost) > 0 || result.Versions != 2*count || lost) {
				t.Errorf("%+v", result)
			}
			t.Logf("%d texts; %+v", len(page.Data), result)
			leftNothingBehind(t, dir)
		})
	}
}

func TestRescueOfNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := made(t, filepath.Join(dir, sqlite.FileName), 5)
	_, err := sqlite.Rescue(t.Context(), path, path)
	wantCode(t, err, scout.CodeInvalidArgument)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, path, 0, info.Size())
	_, err = sqlite.Rescue(t.Context(), path, filepath.Join(dir, "rescued.db"))
	wantCode(t, err, scout.CodeStoreCorrupt)
	if hint := scout.HintOf(err); strings.Contains(hint, "--rescue") || !strings.Contains(hint, "scout restore") {
		t.Errorf("the hint is to do the same again: %s", hint)
	}
	_, err = sqlite.Rescue(t.Context(), filepath.Join(dir, "none.db"), filepath.Join(dir, "rescued.db"))
	wantCode(t, err, scout.CodeFileNotFound)
	leftNothingBehind(t, dir)
}
