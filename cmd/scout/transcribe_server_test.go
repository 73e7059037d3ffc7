//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// atAnAddress runs a daemon that clients reach by HTTP, and returns its URL and the key of a client.
func (h *house) atAnAddress() (server, key string) {
	h.t.Helper()
	h.must("serve", "--detach", "--addr", "127.0.0.1:0")
	var made v1.NewKey
	if err := json.Unmarshal([]byte(h.must("keys", "create", "desk", "--json").out), &made); err != nil {
		h.t.Fatal(err)
	}
	return "http://" + h.status().HTTP[0].Address, made.Secret
}

var timeTaken = regexp.MustCompile(`(?m)^(- Time taken| *"time_taken").*\n`)

// Another machine makes the same text as this one, in each format, and nothing stays there.
func TestATextIsMadeByAnotherMachine(t *testing.T) {
	t.Parallel()
	needModel(t)
	h := inHouse(quietBooth(t))
	server, key := h.atAnAddress()
	const clip = "../../testdata/jfk.wav"
	there := []string{"--server", server, "--key", key}
	for _, format := range []string{"text", "json", "srt", "md"} {
		want := h.must("transcribe", "--quiet", "--format", format, clip)
		got := h.must(append([]string{"transcribe", "--quiet", "--format", format, clip}, there...)...)
		if strip := func(text string) string { return timeTaken.ReplaceAllString(text, "") }; strip(got.out) != strip(want.out) || got.err != want.err {
			t.Errorf("%s: %q (%s), want %q (%s)", format, got.out, got.err, want.out, want.err)
		}
	}
	dir := t.TempDir()
	noise := filepath.Join(dir, "noise.wav")
	if err := os.WriteFile(noise, []byte(strings.Repeat("no audio", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	got := h.run(append([]string{"transcribe", "--quiet", "--output", dir + "/out/", "--language", "en", "--effort", "quick", filepath.Join(dir, "none.wav"), noise, clip}, there...)...)
	text, err := os.ReadFile(filepath.Join(dir, "out", "jfk.txt"))
	if got.code != 1 || err != nil || !strings.Contains(string(text), "country") || !strings.Contains(got.err, "none.wav") || !strings.Contains(got.err, "noise.wav: ") || !strings.Contains(got.err, "2 of 3 files failed") {
		t.Errorf("some of several: exit %d, %q (%v): %s", got.code, text, err, got.err)
	}
	if listed := h.must("recordings", "list").out + h.must("transcripts", "list").out; strings.Contains(listed, "Z-") {
		t.Errorf("what stayed there:\n%s", listed)
	}
	kept := h.must(append([]string{"transcribe", "--keep", clip}, there...)...)
	if texts := h.texts("list"); len(texts) != 1 || !strings.Contains(kept.err, texts[0].ID) {
		t.Errorf("kept: %+v, %s", texts, kept.err)
	}
}

// What cannot work ends at once, with what helps.
func TestATextThatAnotherMachineCannotMake(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	server, key := h.atAnAddress()
	const clip = "../../testdata/jfk.wav"
	for situation, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"a wrong key":                   {[]string{"--server", server, "--key", "sk-scout-wrong"}, 1, "does not know this key"},
		"nobody is there":               {[]string{"--server", "http://127.0.0.1:1"}, 1, "no Scout answers at http://127.0.0.1:1"},
		"no address":                    {[]string{"--server", "box"}, 2, "hint: give it as http://"},
		"a model that cannot translate": {[]string{"--server", server, "--key", key, "--translate", "--model", "moonshine-tiny-en"}, 1, "knows English only: it cannot translate"},
		"a channel":                     {[]string{"--server", server, "--channel", "left"}, 2, "--channel does not go with --server"},
		"a model that is not there":     {[]string{"--server", server, "--key", key, "--model", "none"}, 1, "none"},
		"a language that is not there":  {[]string{"--server", server, "--key", key, "--language", "klingon"}, 2, "klingon"},
	} {
		got := h.run(append([]string{"transcribe", clip, clip}, c.args...)...)
		if got.code != c.code || got.out != "" || !strings.Contains(got.err, c.want) || strings.Count(got.err, c.want) > 1 {
			t.Errorf("%s: exit %d, %q, %s", situation, got.code, got.out, got.err)
		}
	}
}

// Ctrl-C ends the work there, too, and removes the file.
func TestATextThatNobodyWantsAnyMore(t *testing.T) {
	t.Parallel()
	h := inHouse(quietBooth(t))
	server, key := h.atAnAddress()
	h.must("jobs", "pause", "--all")
	p := h.start("transcribe", "--server", server, "--key", key, "../../testdata/jfk.wav")
	jobs := func() (out struct{ Jobs []v1.Job }) {
		if err := json.Unmarshal([]byte(h.must("jobs", "list", "--json").out), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for len(jobs().Jobs) == 0 { // the command tells nobody
		select {
		case <-t.Context().Done():
			t.Fatal("no job came")
		default:
		}
	}
	p.signal(syscall.SIGINT)
	if got := p.end(); got.code != -1 || got.out != "" || !strings.Contains(got.err, "interrupted") {
		t.Errorf("exit %d, %q, %s", got.code, got.out, got.err)
	}
	if left := jobs(); len(left.Jobs) != 1 || left.Jobs[0].State != "cancelled" || strings.Contains(h.must("recordings", "list").out, "Z-") {
		t.Errorf("%+v stays", left)
	}
}

// A translation is a text of its own on each way that leads to one.
func TestATranslationIsKeptBesideTheText(t *testing.T) {
	t.Parallel()
	needModel(t)
	if _, err := os.Stat(filepath.Join(os.Getenv("SCOUT_MODELS"), "whisper-base")); err != nil {
		t.Skip("needs whisper-base")
	}
	h := inHouse(quietBooth(t))
	server, key := h.atAnAddress()
	const clip = "../../testdata/jfk.wav"
	there := []string{"--server", server, "--key", key}
	if got := h.must(append([]string{"transcribe", "--quiet", "--effort", "quick", "--translate", clip}, there...)...); !strings.Contains(got.out, "country") {
		t.Errorf("another machine writes %q", got.out)
	}
	id := h.recorded(1)
	spoken := h.addJob("--model", "moonshine-tiny-en", id)
	translated := h.addJob("--translate", "--effort", "quick", id)
	h.must("jobs", "wait", spoken)
	h.must("jobs", "wait", translated)
	own := id + ".mix.translate"
	if j := h.job(translated); j.Result == nil || j.Result.TranscriptID != own || h.job(spoken).Result.TranscriptID != id {
		t.Errorf("%+v", j)
	}
	var sent struct{ Uploaded []uploaded }
	if err := json.Unmarshal([]byte(h.must("upload", "--translate", "--effort", "quick", "--json", clip).out), &sent); err != nil || len(sent.Uploaded) != 1 {
		t.Fatalf("%+v, %v", sent, err)
	}
	h.must("jobs", "wait", sent.Uploaded[0].Job)
	h.must("transcribe", "--keep", "--translate", "--effort", "quick", clip)
	var translations int
	for _, text := range h.texts("list") {
		if strings.HasSuffix(text.ID, ".mix.translate") {
			translations++
		} else if text.ID != id {
			t.Errorf("a text %s that nobody asked for", text.ID)
		}
	}
	if got := h.must("transcripts", "show", own); translations != 3 || !strings.Contains(got.out, "country") {
		t.Errorf("%d translations; %q", translations, got.out)
	}
}
