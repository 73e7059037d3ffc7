//go:build linux

package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scout-speech/scout/internal/testrun"
	"github.com/scout-speech/scout/internal/webhook"
)

// Whoever sends a file or asks for a job can have the end of it told, signed with a secret that nothing shows.
func TestTheEndOfAJobIsTold(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	secret := webhook.NewSecret()
	shown := webhook.FormatSecret(secret)
	told := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		at, err := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
		if err != nil || r.Header.Get("webhook-signature") != webhook.Sign(secret, r.Header.Get("webhook-id"), time.Unix(at, 0), body) {
			t.Errorf("the signature is wrong: %v", r.Header)
		}
		told <- string(body)
	}))
	defer receiver.Close()
	clip, err := os.ReadFile("../../testdata/jfk.wav")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "speech.wav")
	if err := os.WriteFile(path, clip, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range [][]string{
		{"upload", "--webhook", receiver.URL, path}, {"upload", "--webhook-secret", shown, path}, {"jobs", "add", "--webhook", receiver.URL, "7f3a9c2e41d0"},
	} {
		if got := h.run(wrong...); got.code != 2 || strings.Contains(got.err, shown) {
			t.Errorf("%v: exit %d, %q", wrong, got.code, got.err)
		}
	}
	if got := h.run("upload", "--webhook", receiver.URL, "--webhook-secret", shown+"x", path); got.code != 2 || strings.Contains(got.err, shown) {
		t.Errorf("a secret that is none: exit %d, %q", got.code, got.err)
	}
	h.must("jobs", "pause", "--all") // cancelled before a model is needed
	h.env = slices.Concat(h.env, []string{secretVariable + "=" + shown})
	sent := h.sent("--webhook", receiver.URL, path)
	if len(sent) != 1 || sent[0].Job == "" {
		t.Fatalf("%+v", sent)
	}
	more := strings.TrimSpace(h.must("jobs", "add", "--effort", "quick", "--webhook", receiver.URL, sent[0].Recording).out)
	for _, id := range []string{sent[0].Job, more} {
		if got := h.must("webhooks", "list", "--job", id).out; !strings.Contains(got, receiver.URL) || strings.Contains(got, shown) {
			t.Errorf("the webhooks of %s:\n%s", id, got)
		}
		h.must("jobs", "cancel", id)
		if said := <-told; !strings.Contains(said, `"job.cancelled"`) || !strings.Contains(said, id) {
			t.Errorf("told %s, want the end of %s", said, id)
		}
	}
	if got := h.must("webhooks", "list"); got.out != "" {
		t.Errorf("those of jobs among the owner's:\n%s", got.out)
	}
	if err := testrun.Walk(h.data, func(path string, entry os.DirEntry) error {
		if entry.IsDir() || !strings.Contains(entry.Name(), ".log") && !strings.HasSuffix(entry.Name(), ".json") && !strings.HasSuffix(entry.Name(), ".output") {
			return nil
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), shown) {
			t.Errorf("%s has the secret", path)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
