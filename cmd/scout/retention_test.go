//go:build linux

package main

import (
	"context"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/daemon"
	"github.com/scout-speech/scout/internal/testrun"
)

// holding returns the files below dir that hold any of the words.
func holding(t *testing.T, dir string, words ...string) []string {
	t.Helper()
	var where []string
	err := testrun.Walk(dir, func(path string, entry fs.DirEntry) error {
		if !entry.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(path)
		for _, word := range words {
			if strings.Contains(string(data), word) {
				where = append(where, path+": "+word)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return where
}

// fetch is what the daemon answers to a GET.
func (h *house) fetch(path string) string {
	h.t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.data, daemon.SocketName))
	}}}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, "http://scout"+path, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // read below
	body, err := io.ReadAll(response.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(body)
}

// What was said is in no line of a log, no metric and no title of a process while Scout works with it, and after a purge in no byte of the data
// folder.
func TestWordsAreNowhereElseAndAPurgeLeavesNone(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	h.env = slices.Concat(h.env, []string{"SCOUT_LOG__LEVEL=debug", "SCOUT_LOG__FILE=" + filepath.Join(h.data, "all.log")})
	words := []string{"Americans", "country"}
	h.must("transcribe", "--quiet", "--keep", clip)
	h.must("transcripts", "edit", h.texts("list")[0].ID, "0", "Ask not what your country can do, Zanzibar.")
	h.must("transcripts", "search", "Zanzibar")
	words = append(words, "Zanzibar")
	id := h.texts("list")[0].ID

	for _, place := range holding(t, h.data, words...) {
		if !strings.HasPrefix(filepath.Base(strings.Split(place, ":")[0]), "scout.db") {
			t.Errorf("words are in %s", place)
		}
	}
	if lines, err := os.ReadFile(filepath.Join(h.data, "all.log")); err != nil || len(lines) == 0 {
		t.Errorf("the log has %d bytes: %v", len(lines), err)
	}
	titles, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(titles) == 0 {
		t.Fatal(err)
	}
	for _, path := range titles {
		line, _ := os.ReadFile(path) // a process may have ended
		if strings.Contains(string(line), h.data) && strings.Contains(string(line), "Zanzibar") {
			t.Errorf("words are in the title of a process: %q", line)
		}
	}
	text := h.fetch("/metrics")
	if !strings.Contains(text, "scout_http_requests_total") {
		t.Errorf("not the metrics: %s", text)
	}
	for _, word := range words {
		if strings.Contains(text, word) {
			t.Errorf("%q is in the metrics", word)
		}
	}

	if got := h.run("transcripts", "delete", "--purge", id); got.code != 2 || !strings.Contains(got.err, "--yes") {
		t.Errorf("without a terminal: exit %d: %s", got.code, got.err)
	}
	if got := h.run("transcripts", "delete", "--with-audio", id); got.code != 2 {
		t.Errorf("--with-audio alone: exit %d: %s", got.code, got.err)
	}
	if got := h.must("transcripts", "delete", "--purge", "--yes", id); !strings.Contains(got.out, "removed for good") || !strings.Contains(got.err, "backups") {
		t.Errorf("purged: %s%s", got.out, got.err)
	}
	if where := holding(t, h.data, words...); len(where) > 0 {
		t.Errorf("after the purge words are in %q", where)
	}
}

// A dictation of long ago, whose text is there, loses its audio; the first recording says that this will happen, in one line, once.
func TestRetentionIsToldOnceAndWorks(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	const told = "the audio of a dictation is removed 30 days after"
	if got := h.must("record", "--device", "tone:440", "--duration", "0.1"); strings.Count(got.err, told) != 1 {
		t.Errorf("the first recording: %s", got.err)
	}
	if got := h.must("record", "--device", "tone:440", "--duration", "0.1"); strings.Contains(got.err, told) {
		t.Errorf("the second recording: %s", got.err)
	}
	if got := h.must("status"); !strings.Contains(got.out, "audio 30 days, trash 30 days, text is kept") {
		t.Errorf("status: %s", got.out)
	}
	if got := h.must("settings", "show", "retention"); !strings.Contains(got.out, "retention.audio_days  30") {
		t.Errorf("settings: %s", got.out)
	}
	// The daemon has found what was recorded without it.
	for began := time.Now(); strings.Count(h.fetch("/api/v1/recordings"), `"started_at"`) != 2; time.Sleep(10 * time.Millisecond) { // nothing announces what is no news
		if time.Since(began) > patience {
			t.Fatal("the recordings that were made without the daemon are not in the history")
		}
	}
	if got := h.must("recordings", "prune", "--dry-run"); got.out != "" || !strings.Contains(got.err, "due: the audio of 0 recordings") {
		t.Errorf("dry run: %s%s", got.out, got.err)
	}
	if got := h.must("recordings", "prune", "--json"); !strings.Contains(got.out, `"audio": 0`) {
		t.Errorf("prune: %s", got.out)
	}
	if len(h.list()) != 2 {
		t.Errorf("%d recordings are left", len(h.list()))
	}
}
