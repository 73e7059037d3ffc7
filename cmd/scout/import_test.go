//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/store/sqlite/originaltest"
)

// originalScout makes a database of the original Scout that is still open: its last text lies in the log beside it.
func originalScout(t *testing.T, last string, audio string) string {
	t.Helper()
	path, _ := originaltest.Open(t,
		"PRAGMA journal_mode = WAL", originaltest.Last, `CREATE TABLE dictionary_entries (id INTEGER)`, `INSERT INTO dictionary_entries VALUES (1), (2)`,
		`INSERT INTO transcripts (text, duration_ms, created_at, audio_path) VALUES ('the first text', 11000, '2025-07-15 08:30:01', '`+audio+`')`,
		"PRAGMA wal_checkpoint(TRUNCATE)",
		`INSERT INTO transcripts (text, duration_ms, created_at) VALUES ('`+last+`', 900, '2025-07-15 08:31:01')`,
	)
	return path
}

// What the original Scout kept is there, once, with its audio.
func TestTheOriginalScoutIsTakenOver(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	clip, err := filepath.Abs("../../testdata/jfk.wav")
	if err != nil {
		t.Fatal(err)
	}
	path := originalScout(t, "what lay in the log", clip)
	var got imported
	if err := json.Unmarshal([]byte(h.must("import", "--json", path).out), &got); err != nil {
		t.Fatal(err)
	}
	if want := (v1.Imported{Recordings: 2, Audio: 1, LeftOut: map[string]int{"dictionary_entries": 2}}); !reflect.DeepEqual(got.Imported, want) || got.Job == "" {
		t.Errorf("imported %+v, want %+v", got, want)
	}
	if said := h.must("import", path); !strings.Contains(said.out, "texts: 0 imported, 2 there already\nnot taken over: 2 of dictionary_entries") || !strings.Contains(said.err, "imports it") {
		t.Errorf("the second time: %+v", said)
	}
	if list := h.must("transcripts", "list").out; !strings.Contains(list, "what lay in the log") || !strings.Contains(list, "the first text") {
		t.Errorf("texts:\n%s", list)
	}
	if list := h.must("recordings", "list").out; strings.Count(list, "\n") != 2 { // a heading, and the one with audio
		t.Errorf("recordings:\n%s", list)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	data, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(damaged, data[:len(data)-4096], 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for situation, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"another kind of file": {[]string{"import", clip}, 1, "no database of the original Scout"},
		"a damaged database":   {[]string{"import", damaged}, 1, "is damaged"},
		"a folder":             {[]string{"import", t.TempDir()}, 1, "it is a folder"},
		"nothing":              {[]string{"import", "/nowhere/scout.db"}, 1, "/nowhere/scout.db"},
		"no file":              {[]string{"import"}, 2, "import"},
	} {
		if got := h.run(c.args...); got.code != c.code || !strings.Contains(got.err, c.says) {
			t.Errorf("%s: exit %d: %s; want %d and %q", situation, got.code, got.err, c.code, c.says)
		}
	}
}
