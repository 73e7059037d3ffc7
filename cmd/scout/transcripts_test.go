//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/store/sqlite"
	"github.com/scout-speech/scout/internal/text"
)

// texts returns what scout transcripts list --json prints.
func (h *house) texts(args ...string) []v1.TranscriptSummary {
	h.t.Helper()
	var list struct{ Transcripts []v1.TranscriptSummary }
	if err := json.Unmarshal([]byte(h.must(append([]string{"transcripts", args[0], "--json"}, args[1:]...)...).out), &list); err != nil {
		h.t.Fatal(err)
	}
	return list.Transcripts
}

// A text that is kept can be found, shown, corrected, restored, exported, deleted and brought back.
func TestTheHistoryOfWhatWasSaid(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	if got := h.must("transcripts", "list"); got.out != "" || !strings.Contains(got.err, "no texts") {
		t.Errorf("an empty history: %s%s", got.out, got.err)
	}
	if got := h.run("transcripts", "show"); got.code != 1 || !strings.Contains(got.err, "there is no text yet") || !strings.Contains(got.err, "hint: make one") {
		t.Errorf("show: exit %d: %s", got.code, got.err)
	}
	if got := h.must("transcribe", "--quiet", "--keep", clip); !said(got.out, 1) {
		t.Errorf("transcribe: %s", got.out)
	}
	all := h.texts("list")
	if len(all) != 1 || all[0].Title != "jfk.wav" || all[0].Source != "import" || all[0].Kind != "first" {
		t.Fatalf("%+v", all)
	}
	id := all[0].ID
	short := id[len(id)-6:]
	if got := h.must("transcripts", "show", short); !said(got.out, 1) {
		t.Errorf("show: %s", got.out)
	}
	if found := h.texts("search", "fellow Americans"); len(found) != 1 || len(found[0].Snippets) != 1 {
		t.Errorf("search: %+v", found)
	}
	if got := h.must("transcripts", "search", "COUNTRY", "--", "-planet"); !strings.Contains(got.out, "*country*") {
		t.Errorf("search: %s%s", got.out, got.err)
	}
	if found := h.texts("search", "country", "--", "-ask"); len(found) != 0 {
		t.Errorf("search without: %+v", found)
	}

	h.must("transcripts", "edit", short, "0", "And so, my fellow Europeans.")
	if got := h.must("transcripts", "show", short); !strings.HasPrefix(got.out, "And so, my fellow Europeans.") {
		t.Errorf("edited: %s", got.out)
	}
	editor := h.command("transcripts", "edit", short)
	editor.Env = slices.Concat(h.env, []string{`EDITOR=sed -i s/Europeans/Martians/`})
	if got := outcomeOf(t, editor); got.code != 0 || !strings.Contains(h.must("transcripts", "show").out, "Martians") {
		t.Errorf("by an editor: exit %d: %s", got.code, got.err)
	}
	for change, want := range map[string]string{"true": "nothing was changed", "sed -i s/^0/99/": "does not begin with the number", "false": "failed, nothing was changed"} {
		broken := h.command("transcripts", "edit", short)
		broken.Env = slices.Concat(h.env, []string{"VISUAL=" + change})
		if got := outcomeOf(t, broken); !strings.Contains(got.err, want) || (got.code == 0) != (change == "true") {
			t.Errorf("%s: exit %d: %s", change, got.code, got.err)
		}
	}
	if got := h.must("transcripts", "versions", short, "--restore", "1"); !strings.Contains(got.out, "1 again") || !said(h.must("transcripts", "show").out, 1) {
		t.Errorf("versions: %s%s", got.out, got.err)
	}

	dir := filepath.Join(t.TempDir(), "texts") + "/"
	path := strings.TrimSpace(h.must("transcripts", "export", "--format", "srt", "--output", dir, short).out)
	if content, err := os.ReadFile(path); err != nil || !strings.Contains(string(content), " --> ") || path != filepath.Join(dir, id+".srt") {
		t.Errorf("%s: %s, %v", path, content, err)
	}
	if got := h.run("transcripts", "export", "--format", "srt", "--output", dir, short); got.code == 0 {
		t.Errorf("an export replaced a file: %s", got.err)
	}
	if got := h.run("transcripts", "export", "--output", dir, "none"); got.code == 0 {
		t.Errorf("an export of what is not there: %s", got.err)
	}

	h.must("recordings", "title", short, "Inauguration")
	h.must("recordings", "tag", short, "history", "cold war")
	h.must("recordings", "tag", short, "--", "-cold war")
	h.must("recordings", "label", short, "year=1961", "place=")
	if got := h.must("recordings", "tag", short).out + h.must("recordings", "label", short).out + h.must("recordings", "title", short).out; got != "history\nyear=1961\nInauguration\n" {
		t.Errorf("described: %q", got)
	}
	if len(h.texts("list", "--tag", "history", "--label", "year=1961")) != 1 || len(h.texts("list", "--tag", "x")) != 0 || len(h.texts("search", "inauguration")) != 1 || len(h.texts("list", "--to", "2020-01-01")) != 0 {
		t.Error("tags, labels, titles and times do not select")
	}
	for typed, offered := range map[string]bool{"": true, id[:12]: true, id: true, "19991231T": false, id + "x": false} {
		for _, command := range [][]string{{"transcripts", "show"}, {"recordings", "title"}} {
			if completed := h.must("__complete", command[0], command[1], typed).out; strings.Contains(completed, id) != offered {
				t.Errorf("completion of %s %q: %s", command, typed, completed)
			}
		}
	}

	h.must("transcripts", "delete", short)
	if len(h.texts("list")) != 0 || len(h.texts("list", "--deleted")) != 1 {
		t.Error("it is not in the trash")
	}
	h.must("transcripts", "restore", short)
	if len(h.texts("list")) != 1 {
		t.Error("it is not back")
	}
	testBackup(t, h, id)
}

// testBackup replaces the history with a backup, and refuses files that are not backups.
func testBackup(t *testing.T, h *house, id string) {
	t.Helper()
	backup := filepath.Join(t.TempDir(), "copy.db")
	h.must("backup", backup)
	if got := h.run("backup", backup); got.code != 2 {
		t.Errorf("a backup replaced a file: exit %d: %s", got.code, got.err)
	}
	for _, own := range []string{sqlite.FileName, sqlite.FileName + "-wal", "daemon.lock", "scout.sock"} {
		if got := h.run("backup", "--force", filepath.Join(h.data, own)); got.code != 2 {
			t.Errorf("a backup in the place of %s: exit %d: %s", own, got.code, got.err)
		}
	}
	h.must("recordings", "title", id, "Afterwards")
	if got := h.must("check"); !strings.Contains(got.out, "1 text") {
		t.Errorf("check: %s", got.out)
	}
	damaged := filepath.Join(t.TempDir(), "damaged.db")
	if err := os.WriteFile(damaged, []byte(strings.Repeat("no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	before, _ := h.holder()
	for _, command := range []string{"check", "restore"} {
		if got := h.run(command, damaged); got.code != 1 || !strings.Contains(got.err, "damaged.db") {
			t.Errorf("%s of what is no database: exit %d: %s", command, got.code, got.err)
		}
	}
	if now, _ := h.holder(); now.PID != before.PID {
		t.Error("the daemon was ended for a backup that cannot be used")
	}
	if got := h.must("restore", backup); !strings.Contains(got.err, "the database that was there is now ") {
		t.Errorf("restore: %s", got.err)
	}
	if got := h.must("recordings", "title", id).out; got != "Inauguration\n" {
		t.Errorf("the title is %q", got)
	}
}

func TestATableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for width, want := range map[int]string{100: "a text of thirty characters ..", 41: "a text of thirty characters ..", 40: "a text of thirty characters…", 30: "a text of thirty c…", 10: "a text of thirt…", 0: "a text of thirt…"} {
		rows := [][]string{{"ID", "WORDS", "TEXT"}, {"ä", "7", "a text of thirty characters .."}}
		if fitLast(rows, width); rows[1][2] != want || rows[0][2] != "TEXT" {
			t.Errorf("%d columns: %q", width, rows)
		}
	}
}

// Cells that are empty at the end move no column, and leave no blanks.
func TestColumnsAreEven(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	err := writeTable(&out, [][]string{{"ID", "SIZE", "STATE"}, {"a", "7 MB", ""}, {"a long one", "", ""}, {"b", "1000 MB", "installed"}})
	const want = "ID          SIZE     STATE\na           7 MB\na long one\nb           1000 MB  installed\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out.String(), want)
	}
	rows := modelRows([]listedModel{{Listed: model.Listed{ID: "a"}}, {Listed: model.Listed{ID: "b", Installed: true}}})
	for _, row := range rows {
		if len(row) != len(rows[0]) {
			t.Errorf("%d cells, want %d: %q", len(row), len(rows[0]), row)
		}
	}
}

// What names no text changes none: not the newest, and not all of them.
func TestWhatNamesNoText(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	h.must("status")
	keep := v1.Keep{Title: "a talk", Transcript: v1.Transcript{Object: text.Object{Text: "one two", Segments: []text.Segment{{End: 1, Text: "one"}, {Start: 1, End: 2, Text: "two"}}}}}
	var kept v1.TranscriptSummary
	c := h.client()
	if err := c.Post(t.Context(), "/transcripts", keep, &kept); err != nil {
		t.Fatal(err)
	}
	c.Close()
	folder := t.TempDir()
	t.Run("commands", func(t *testing.T) {
		for situation, c := range map[string]struct {
			code int
			says string
			args []string
		}{
			"delete, an empty id":        {1, "no text has the id \"\"", []string{"transcripts", "delete", ""}},
			"delete, the folder above":   {1, "no text has the id \"..\"", []string{"transcripts", "delete", ".."}},
			"delete, a point":            {1, "no text has the id \".\"", []string{"transcripts", "delete", "."}},
			"delete, a slash":            {1, "no text has the id \"/\"", []string{"transcripts", "delete", "/"}},
			"delete, a question mark":    {1, "no text has the id \"?\"", []string{"transcripts", "delete", "?"}},
			"delete, a line break":       {1, "no text has the id \"a\\nb\"", []string{"transcripts", "delete", "a\nb"}},
			"delete, a very long id":     {1, "no text has the id", []string{"transcripts", "delete", strings.Repeat("x", 10_000)}},
			"purge, an empty id":         {1, "no text has the id \"\"", []string{"transcripts", "delete", "--purge", "--yes", ""}},
			"restore, an empty id":       {1, "no text has the id \"\"", []string{"transcripts", "restore", ""}},
			"export, an empty id":        {1, "no text has the id \"\"", []string{"transcripts", "export", "--output", folder, ""}},
			"edit, an empty id":          {1, "no text has the id \"\"", []string{"transcripts", "edit", "", "0", "x"}},
			"show, an empty id":          {1, "no text has the id \"\"", []string{"transcripts", "show", ""}},
			"title, an empty id":         {1, "no recording \"\"", []string{"recordings", "title", "", "x"}},
			"tag, an empty id":           {1, "no recording \"\"", []string{"recordings", "tag", "", "x"}},
			"versions, less than none":   {2, "--restore -1: there is no such version", []string{"transcripts", "versions", kept.ID, "--restore", "-1"}},
			"versions, the zeroth":       {2, "--restore 0: there is no such version", []string{"transcripts", "versions", kept.ID, "--restore", "0"}},
			"show, a version below none": {2, "--version -3: there is no such version", []string{"transcripts", "show", kept.ID, "--version", "-3"}},
			"export, the zeroth version": {2, "--version 0: there is no such version", []string{"transcripts", "export", "--output", folder, kept.ID, "--version", "0"}},
			"a version of the future":    {1, "has no version 9\n  hint: see its versions: scout transcripts versions " + kept.ID, []string{"transcripts", "show", kept.ID, "--version", "9"}},
			"a title that is too long":   {2, "title: this is longer than 1000 characters\n  hint: shorten it\n", []string{"recordings", "title", kept.ID, strings.Repeat("x", 1001)}},
			"a tag that is too long":     {2, "tag has 101 bytes: at most 100 are possible\n  hint: shorten it\n", []string{"recordings", "tag", kept.ID, strings.Repeat("x", 101)}},
			"a label that is too long":   {2, "at most 1000 are possible\n  hint: shorten it\n", []string{"recordings", "label", kept.ID, "a=" + strings.Repeat("x", 1001)}},
			"restored, never deleted":    {1, "is not in the trash\n  hint: see what is: scout transcripts list --deleted\n", []string{"transcripts", "restore", kept.ID}},
			"search for nothing":         {2, "there is nothing to search for", []string{"transcripts", "search", ""}},
			"search for space":           {2, "there is nothing to search for", []string{"transcripts", "search", " ", "\t"}},
		} {
			t.Run(situation, func(t *testing.T) {
				t.Parallel()
				if got := h.run(c.args...); got.code != c.code || !strings.Contains(got.err, c.says) || got.out != "" {
					t.Errorf("exit %d: %s%s", got.code, got.out, got.err)
				}
			})
		}
	})
	if all := h.texts("list"); len(all) != 1 || all[0].Version != 1 || all[0].Title != "a talk" || all[0].Tags != nil || all[0].Text != "one two" {
		t.Errorf("%+v", all)
	}
	if got := h.must("transcripts", "show"); got.out != "one two\n" {
		t.Errorf("the newest: %s", got.out)
	}
	for n, want := range []string{" is in the trash; to bring", " is in the trash already; to bring"} {
		if got := h.must("transcripts", "delete", kept.ID); !strings.Contains(got.out, want) {
			t.Errorf("deleted %d times: %s", n+1, got.out)
		}
	}
}

// TestChangesAreJSON: with --json, every command that changes something prints what it changed and what it could not
// change.
func TestChangesAreJSON(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	h.must("start", "--device", "tone:440")
	h.untilFrames(4_000)
	h.must("stop")
	recorded := string(h.only().ID)
	keep := v1.Keep{Title: "a talk", Transcript: v1.Transcript{Object: text.Object{Text: "one two", Segments: []text.Segment{{End: 1, Text: "one"}, {Start: 1, End: 2, Text: "two"}}}}}
	var kept v1.TranscriptSummary
	c := h.client()
	if err := c.Post(t.Context(), "/transcripts", keep, &kept); err != nil {
		t.Fatal(err)
	}
	c.Close()
	folder := t.TempDir()
	backup := filepath.Join(folder, "copy.db")
	for _, step := range []struct {
		says string // a regular expression
		code int
		args []string
	}{
		{`"text":"one three"`, 0, []string{"transcripts", "edit", kept.ID, "1", "three"}},
		{`^{"exported":\[{"id":"` + kept.ID + `","path":".*\.txt"}\],"problems":\[\]}$`, 0, []string{"transcripts", "export", "--output", folder, kept.ID}},
		{`^{"deleted":\["` + kept.ID + `"\],"problems":\[{"id":"none","code":"not_found","error":".*"}\]}$`, 1, []string{"transcripts", "delete", "none", kept.ID}},
		{`^{"problems":\[\],"restored":\["` + kept.ID + `"\]}$`, 0, []string{"transcripts", "restore", kept.ID}},
		{`^{"path":".*copy.db","size_bytes":[1-9][0-9]*}$`, 0, []string{"backup", backup}},
		{`^{"path":".*scout.db","from":".*copy.db","kept":".*"}$`, 0, []string{"restore", backup}},
		{`"recordings":2,"transcripts":1,"versions":2`, 0, []string{"check"}},
		{`^{"problems":\[\],"trashed":\["` + recorded + `"\]}$`, 0, []string{"recordings", "trash", recorded}},
		{`^{"trash":\["` + recorded + `"\]}$`, 0, []string{"recordings", "restore"}},
		{`^{"problems":\[\],"restored":\["` + recorded + `"\]}$`, 0, []string{"recordings", "restore", recorded}},
		{`^{"deleted":\["` + recorded + `"\],"problems":\[\]}$`, 0, []string{"recordings", "delete", "--yes", recorded}},
		{`"state":"idle"`, 0, []string{"status"}},
		{`^{"ended_pid":[1-9][0-9]*,"pid":[1-9][0-9]*,"version":".*"}$`, 0, []string{"serve", "restart"}},
		{`^{"ended_pid":[1-9][0-9]*}$`, 0, []string{"serve", "stop"}},
		{`^{}$`, 0, []string{"serve", "stop"}},
		{`"valid":true,.*"problems":\[\]}$`, 0, []string{"settings", "check"}},
		{`^{"name":"scout","version":".*"}$`, 0, []string{"version"}},
		{`"state":"finished".*"duration_seconds":0.[1-9]`, 0, []string{"record", "--device", "tone:440", "--duration", "0.3"}},
	} {
		got := h.run(append(step.args, "--json")...)
		var compact bytes.Buffer
		if err := json.Compact(&compact, []byte(got.out)); err != nil {
			t.Errorf("%q: %v: %s%s", step.args, err, got.out, got.err)
		}
		if got.code != step.code || !regexp.MustCompile(step.says).MatchString(compact.String()) && !regexp.MustCompile(step.says).MatchString(got.out) {
			t.Errorf("%q: exit %d, %s%s: want %s", step.args, got.code, compact.String(), got.err, step.says)
		}
	}
}

// The text of a recording is kept with it, and the store knows what is in the folder.
func TestTheTextOfARecordingIsKept(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	id := strings.TrimSpace(h.must("start", "--device", "file:"+clip).out)
	h.untilFrames(10 * 16_000)
	if got := h.must("record", "stop", "--transcribe", "--quiet"); !strings.Contains(got.out, "ask what you can do") {
		t.Errorf("%s%s", got.out, got.err)
	}
	all := h.texts("search", "country")
	if len(all) != 1 || all[0].ID != id || all[0].Source != "microphone" || all[0].Kind != "first" {
		t.Fatalf("%+v", all)
	}
	// Again, by the path of the file: this makes another version of the same text.
	h.must("transcribe", "--quiet", "--keep", "--effort", "quick", h.folder().AudioPath(recording.ID(id)))
	if all := h.texts("list"); len(all) != 1 || all[0].Version != 2 || all[0].Kind != "retranscribed" {
		t.Errorf("%+v", all)
	}
	if got := h.must("recordings", "title", id[:15], "a talk").err; got != "" {
		t.Errorf("title: %s", got)
	}
}

// If the database is damaged, there are no texts, but recording works, and commands about texts say why they fail.
func TestADamagedDatabaseStopsNoRecording(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	if err := os.MkdirAll(h.data, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(h.data, sqlite.FileName)
	if err := os.WriteFile(path, []byte(strings.Repeat("no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	h.must("start", "--device", "tone:440")
	if got := h.run("transcripts", "list"); got.code != 1 || !strings.Contains(got.err, "scout.db") || !strings.Contains(got.err, "hint: ") {
		t.Errorf("list: exit %d: %s", got.code, got.err)
	}
	if got := h.run("health"); got.code != 2 || !strings.Contains(got.out, "store is Unhealthy") {
		t.Errorf("health: exit %d: %s", got.code, got.out)
	}
	h.untilFrames(8_000)
	h.must("stop")
	h.only()
	if content, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(content), "no database") {
		t.Errorf("what was there is %.20q, %v", content, err)
	}
}

// Any HTTP client can read the events, and continue where it stopped after a restart of the daemon.
func TestEventsContinueOverARestart(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	h := inHouse(quietBooth(t))
	h.must("start", "--device", "tone:440")
	h.untilFrames(4_000)
	h.must("serve", "restart")
	h.must("stop")
	h.must("status")
	events := func(after string) string {
		out, _ := exec.CommandContext(t.Context(), "curl", "-sN", "--max-time", "2", "--unix-socket", filepath.Join(h.data, "scout.sock"), "-H", "Last-Event-ID: "+after, "http://scout/api/v1/events").Output() // it ends by its time
		return string(out)
	}
	all := events("0")
	for _, want := range []string{"id: 1\nevent: ", "event: recorder.state\ndata: {", `"state":"recording"`, `"state":"idle"`, "event: recording.finished\n"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not in the events:\n%s", want, all)
		}
	}
	_, after, _ := strings.Cut(all, "id: 2\n")
	if rest := events("1"); strings.Contains(rest, "id: 1\n") || after == "" || !strings.HasSuffix(strings.TrimPrefix(rest, ": ok\n\n"), "id: 2\n"+after) {
		t.Errorf("after the first:\n%s\nof\n%s", rest, all)
	}
}
