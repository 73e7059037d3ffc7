//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/scout-speech/scout/internal/api/v1"
	"github.com/scout-speech/scout/internal/recording"
	"github.com/scout-speech/scout/internal/text"
)

// needBrowser returns the programs of Node and Chromium, and the package that drives a browser.
func needBrowser(t *testing.T) (node, chromium, playwright string) {
	t.Helper()
	var err error
	if playwright, err = filepath.Abs("../../.tools/playwright-core"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(playwright, "package.json")); err != nil {
		t.Skip("Playwright is not installed: run scripts/setup.sh tests")
	}
	if node, err = exec.LookPath("node"); err != nil {
		t.Skip("there is no Node: apt-get install nodejs")
	}
	if chromium, err = exec.LookPath("chromium"); err != nil {
		t.Skip("there is no Chromium: apt-get install chromium")
	}
	return node, chromium, playwright
}

// A page in a real browser dictates over a connection that breaks; another one of the owner follows events; and a page of a site that is not
// allowed gets nothing. testdata/browser says what the pages do and get.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	needModel(t)
	node, chromium, playwright := needBrowser(t)
	page := http.FileServer(http.Dir("testdata/browser"))
	allowed, foreign := httptest.NewServer(page), httptest.NewServer(page)
	defer allowed.Close()
	defer foreign.Close()
	h := inHouse(quietBooth(t))
	h.env = slices.Concat(h.env, []string{"SCOUT_HTTP__ALLOWED_ORIGINS=" + allowed.URL})
	server, key := h.atAnAddress()
	var owner v1.NewKey
	if err := json.Unmarshal([]byte(h.must("keys", "create", "me", "--role", "owner", "--json").out), &owner); err != nil {
		t.Fatal(err)
	}
	sound, err := filepath.Abs(clip)
	if err != nil {
		t.Fatal(err)
	}
	given, err := json.Marshal(map[string]any{
		"playwright": playwright, "chromium": chromium, "server": server, "key": key, "owner": owner.Secret, "link": strings.TrimSpace(h.must("open", "--print").out),
		"allowed": allowed.URL, "foreign": foreign.URL, "clip": sound, "seconds": 12,
		"text": v1.Keep{Transcript: v1.Transcript{Object: text.Object{Text: "one", Segments: []text.Segment{{End: 1, Text: "one"}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), node, "testdata/browser/run.mjs")
	run.Stdin = bytes.NewReader(given)
	got := outcomeOf(t, run)
	var told struct {
		ID, Text     string
		Frames, Rate uint64
	}
	if err := json.Unmarshal([]byte(got.out), &told); err != nil || got.code != 0 {
		t.Fatalf("exit %d, %v: %s%s", got.code, err, got.out, got.err)
	}
	// Where the sound came late, the text is cut elsewhere, and words at a cut may differ.
	if !heardTheClip(told.Text) {
		t.Errorf("the page got %q", told.Text)
	}
	folder, err := recording.OpenBrowser(filepath.Join(h.data, "browser"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := folder.Verify(recording.ID(told.ID))
	if err != nil || m.Frames != told.Frames || len(m.Gaps) > 0 || uint64(m.Format.SampleRateHz) != told.Rate {
		t.Errorf("%+v, %v: want %d frames at %d Hz without a gap", m, err, told.Frames, told.Rate)
	}
	texts := h.texts("list")
	if len(texts) != 4 || texts[3].ID != told.ID || texts[3].Title != "renamed by a page" {
		t.Errorf("texts: %+v", texts)
	}
	if shown := h.must("transcripts", "show", told.ID).out; strings.TrimSpace(shown) != strings.TrimSpace(told.Text) {
		t.Errorf("the text is %q, and the page got %q", shown, told.Text)
	}
	if jobs := h.must("jobs", "list").out; strings.Contains(jobs, "job_") {
		t.Errorf("a foreign page has made a job: %s", jobs)
	}
	if code, scrape := gotFrom(t, strings.TrimPrefix(server, "http://"), "/metrics"); code != 200 || !strings.Contains(scrape, `reason="origin"`) {
		t.Errorf("nothing was refused: %d", code)
	}
}
