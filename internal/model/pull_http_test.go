package model_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/testrun"
)

func TestPullFetchesFromTheCatalogue(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	s := newServer(t, files)
	store := open(t, t.TempDir(), []model.Entry{entry("sample", s.URL, files, true)})
	var last model.Progress
	pulled := pull(t, store, "sample", model.PullOptions{Progress: func(p model.Progress) { last = p }})
	if pulled.Already || len(pulled.Recorded) != 0 {
		t.Errorf("a first pull with known sums: already %v, recorded %v", pulled.Already, pulled.Recorded)
	}
	m := wantInstalled(t, store, "", files)
	if m.SizeBytes != 425_000 || last.DoneBytes != 425_000 || last.TotalBytes != 425_000 {
		t.Errorf("sizes: installed %d, progress ended at %d of %d, want 425000", m.SizeBytes, last.DoneBytes, last.TotalBytes)
	}
	if !pull(t, store, "sample", model.PullOptions{}).Already {
		t.Error("a second pull fetched an intact model again")
	}
	if n := len(s.requestsOf("enc.onnx")); n != 1 {
		t.Errorf("%d requests for a file, want 1", n)
	}
	wantOnly(t, store.Dir(), "sample", ".sample.lock")
}

// wantOnly checks that a folder holds exactly these names.
func wantOnly(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(names) {
		t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}

func TestPullGoesOnAfterCutConnections(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	s := newServer(t, files)
	s.on("enc.onnx", func(w http.ResponseWriter, r *http.Request, n int) bool {
		if n <= 5 { // more cuts than a source gets attempts that bring nothing
			cutAfter(w, r, files["enc.onnx"], 50_000)
		}
		return false
	})
	store := open(t, t.TempDir(), []model.Entry{entry("sample", s.URL, files, true)})
	pull(t, store, "sample", model.PullOptions{})
	wantInstalled(t, store, "sample", files)
	requests := s.requestsOf("enc.onnx")
	if len(requests) != 6 || rangeStart(requests[5]) != 250_000 {
		t.Errorf("%d requests, the last from byte %d; want 6, the last from 250000", len(requests), rangeStart(requests[len(requests)-1]))
	}
	if requests[1].Header.Get("If-Range") == "" {
		t.Error("a range was asked for without If-Range")
	}
}

func TestPullGoesOnInTheNextCommand(t *testing.T) {
	t.Parallel()
	for name, withSums := range map[string]bool{"known sums": true, "sums recorded at first use": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := sampleFiles()
			s := newServer(t, files)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s.on("dec.onnx", func(w http.ResponseWriter, r *http.Request, n int) bool {
				if n == 1 {
					serve(&hangWriter{ResponseWriter: w, left: 70_000, hang: func() { <-r.Context().Done() }}, r, files["dec.onnx"])
					return true
				}
				return false
			})
			dir := t.TempDir()
			store := open(t, dir, []model.Entry{entry("sample", s.URL, files, withSums)}, model.WithClock(leapingClock()))
			_, err := store.Pull(ctx, "sample", model.PullOptions{Progress: func(p model.Progress) {
				if p.DoneBytes > 350_000 { // 300,000 are the first file
					cancel()
				}
			}})
			wantCode(t, err, scout.CodeCancelled)
			if _, err := store.Resolve(t.Context(), "sample"); scout.CodeOf(err) != scout.CodeModelNotInstalled {
				t.Errorf("half a model counts as installed: %v", err)
			}
			store = open(t, dir, []model.Entry{entry("sample", s.URL, files, withSums)})
			pull(t, store, "sample", model.PullOptions{})
			wantInstalled(t, store, "sample", files)
			if n := len(s.requestsOf("enc.onnx")); n != 1 {
				t.Errorf("a complete file was fetched %d times", n)
			}
			requests := s.requestsOf("dec.onnx")
			if len(requests) != 2 || rangeStart(requests[1]) == 0 {
				t.Errorf("the second command asked from byte %d in request %d, want to go on", rangeStart(requests[len(requests)-1]), len(requests))
			}
		})
	}
}

// leapingClock returns a time that is a second later at each call, so that every step of a pull is reported.
func leapingClock() func() time.Time {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

// hangWriter writes left bytes and then calls hang.
type hangWriter struct {
	http.ResponseWriter
	left int
	hang func()
}

func (h *hangWriter) Write(p []byte) (int, error) {
	n, err := h.ResponseWriter.Write(p[:min(len(p), h.left)])
	h.left -= n
	if err != nil {
		return n, err
	}
	if h.left == 0 {
		if f, ok := h.ResponseWriter.(http.Flusher); ok {
			f.Flush()
		}
		h.hang()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func TestPullSurvivesServersThatMisbehave(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	whole := files["enc.onnx"]
	cut := func(w http.ResponseWriter, r *http.Request) { cutAfter(w, r, whole, 80_000) }
	tests := map[string]func(w http.ResponseWriter, r *http.Request, n int) bool{
		"ranges ignored": func(w http.ResponseWriter, r *http.Request, n int) bool {
			r.Header.Del("Range")
			if n == 1 {
				cut(w, r)
			}
			return false
		},
		"another range than asked for": func(w http.ResponseWriter, r *http.Request, n int) bool {
			switch n {
			case 1:
				cut(w, r)
			case 2:
				r.Header.Set("Range", "bytes=10-")
				r.Header.Del("If-Range")
			}
			return false
		},
		"file changed between attempts": func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 {
				cutAfter(w, r, bytes.Repeat([]byte("old version "), 25_000), 80_000)
			}
			return false
		},
		"changed file served under the old name tag": func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 { // the resumed file has the wrong sum and is begun again
				w = &tagWriter{ResponseWriter: w, tag: `"` + sum(whole)[:16] + `"`}
				cutAfter(w, r, bytes.Repeat([]byte("old version "), 25_000), 80_000)
			}
			return false
		},
		"busy, with a pause named": func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n > 3 {
				return false
			}
			w.Header().Set("Retry-After", "0")
			w.WriteHeader([]int{429, 503, 500}[n-1])
			return true
		},
		"range past the end": func(w http.ResponseWriter, r *http.Request, n int) bool {
			switch n {
			case 1:
				cut(w, r)
			case 2:
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return true
			}
			return false
		},
		"stalls": func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n == 1 {
				serve(&hangWriter{ResponseWriter: w, left: 80_000, hang: func() { <-r.Context().Done() }}, r, whole)
			}
			return false
		},
		"no lengths, only chunks": func(w http.ResponseWriter, _ *http.Request, n int) bool {
			for part := whole; len(part) > 0; part = part[min(len(part), 50_000):] {
				if _, err := w.Write(part[:min(len(part), 50_000)]); err != nil {
					return true
				}
				if err := http.NewResponseController(w).Flush(); err != nil {
					return true
				}
				if n == 1 {
					panic(http.ErrAbortHandler)
				}
			}
			return true
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, files)
			s.on("enc.onnx", handler)
			store := open(t, t.TempDir(), []model.Entry{entry("sample", s.URL, files, true)}, model.WithStallTimeout(500*time.Millisecond)) // a busy machine is late for less
			pull(t, store, "sample", model.PullOptions{})
			wantInstalled(t, store, "sample", files)
		})
	}
}

// tagWriter replaces the ETag of the answer.
type tagWriter struct {
	http.ResponseWriter
	tag string
}

func (w *tagWriter) WriteHeader(code int) {
	w.Header().Set("ETag", w.tag)
	w.ResponseWriter.WriteHeader(code)
}

func TestPullRefusesWhatIsNotTheFile(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	answer := func(kind, body string) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			w.Header().Set("Content-Type", kind)
			_, _ = io.WriteString(w, body) // the client may be gone
			return true
		}
	}
	status := func(code int) func(http.ResponseWriter, *http.Request, int) bool {
		return func(w http.ResponseWriter, _ *http.Request, _ int) bool { w.WriteHeader(code); return true }
	}
	tests := map[string]struct {
		handler func(http.ResponseWriter, *http.Request, int) bool
		code    scout.Code
		says    string
		once    bool // one request must be enough to know
	}{
		"not there":  {status(404), scout.CodeModelSource, "404", true},
		"gone":       {status(410), scout.CodeModelSource, "410", true},
		"forbidden":  {status(403), scout.CodeModelSource, "refuses it", true},
		"login page": {answer("text/html; charset=utf-8", "<html>"), scout.CodeModelSource, "web page", true},
		"login page, unlabelled": {
			answer("application/octet-stream", "\r\n<!DOCTYPE html><title>Sign in</title>"), scout.CodeModelSource, "web page", true,
		},
		"LFS pointer": {answer("text/plain", "version https://git-lfs.github.com/spec/v1\noid sha256:00"), scout.CodeModelSource, "LFS", true},
		"empty":       {answer("application/octet-stream", ""), scout.CodeModelSource, "empty", true},
		"always busy": {status(503), scout.CodeModelDownload, "503", false},
		"redirect loop": {
			func(w http.ResponseWriter, r *http.Request, _ int) bool {
				http.Redirect(w, r, r.URL.Path, http.StatusFound)
				return true
			}, scout.CodeModelSource, "redirects", false,
		},
		"far too long": {
			func(w http.ResponseWriter, _ *http.Request, _ int) bool {
				w.Header().Set("Content-Length", "99999999999")
				return true
			}, scout.CodeModelSource, "more than", true,
		},
		"compressed": {
			func(w http.ResponseWriter, _ *http.Request, _ int) bool {
				w.Header().Set("Content-Encoding", "br")
				_, _ = io.WriteString(w, "x") // the client may be gone
				return true
			}, scout.CodeModelSource, "br coding", true,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, files)
			s.on("enc.onnx", test.handler)
			store := open(t, t.TempDir(), []model.Entry{entry("sample", s.URL, files, false)},
				model.WithHTTPClient(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: model.NewHTTPClient().CheckRedirect}))
			_, err := store.Pull(t.Context(), "sample", model.PullOptions{})
			wantCode(t, err, test.code)
			if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q: want one line with %q", err, test.says)
			}
			if scout.HintOf(err) == "" || strings.Contains(scout.HintOf(err), "MODEL") {
				t.Errorf("hint %q is missing or does not name the model", scout.HintOf(err))
			}
			if n := len(s.requestsOf("enc.onnx")); test.once && n != 1 {
				t.Errorf("asked %d times for a file that the source does not have", n)
			}
			if _, err := store.Resolve(t.Context(), "sample"); scout.CodeOf(err) != scout.CodeModelNotInstalled {
				t.Errorf("installed anyway: %v", err)
			}
		})
	}
}

func TestPullComparesWithTheCatalogue(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	altered := bytes.Clone(files["enc.onnx"])
	altered[7] ^= 1
	for name, wrong := range map[string][]byte{"altered": altered, "short": altered[:1000], "long": append(bytes.Clone(altered), 0)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, contents{"enc.onnx": wrong, "dec.onnx": files["dec.onnx"], "tokens.txt": files["tokens.txt"]})
			mirror := newServer(t, files)
			e := entry("sample", s.URL, files, true)
			store := open(t, t.TempDir(), []model.Entry{e})
			_, err := store.Pull(t.Context(), "sample", model.PullOptions{})
			wantCode(t, err, scout.CodeModelSource)

			// The next source of the same file is tried, and the pull succeeds.
			e.Files[0].Sources = append(e.Files[0].Sources, model.Source{URL: mirror.URL + "/enc.onnx"})
			store = open(t, t.TempDir(), []model.Entry{e})
			pull(t, store, "sample", model.PullOptions{})
			wantInstalled(t, store, "sample", files)
		})
	}
}

func TestPullTrustsOnFirstUseOnly(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	s := newServer(t, files)
	dir := t.TempDir()
	entries := []model.Entry{entry("sample", s.URL, files, false)}
	store := open(t, dir, entries)
	if got := pull(t, store, "sample", model.PullOptions{}).Recorded; len(got) != 3 {
		t.Errorf("recorded %v, want all three files", got)
	}
	if err := store.Remove(t.Context(), "sample", true); err != nil {
		t.Fatal(err)
	}
	if got := pull(t, store, "sample", model.PullOptions{}).Recorded; len(got) != 0 {
		t.Errorf("a second pull recorded %v anew", got)
	}
	replaced := append([]byte("replaced"), files["dec.onnx"]...)
	s.set("dec.onnx", replaced)
	_, err := store.Pull(t.Context(), "sample", model.PullOptions{Force: true})
	wantCode(t, err, scout.CodeModelSource)
	if !strings.Contains(scout.HintOf(err), "scout models pull sample --accept-changed") {
		t.Errorf("hint %q does not name the way out", scout.HintOf(err))
	}
	wantInstalled(t, open(t, dir, entries), "sample", contents{"enc.onnx": files["enc.onnx"], "tokens.txt": files["tokens.txt"], "dec.onnx": sampleFiles()["dec.onnx"]})

	pull(t, store, "sample", model.PullOptions{AcceptChanged: true})
	wantInstalled(t, store, "sample", contents{"enc.onnx": files["enc.onnx"], "tokens.txt": files["tokens.txt"], "dec.onnx": replaced})
	pull(t, store, "sample", model.PullOptions{Force: true}) // the new sums hold now
}

func TestPullNeedsAReadableLockFile(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	s := newServer(t, files)
	dir := t.TempDir()
	writeFiles(t, dir, contents{"models.lock": []byte("{")})
	store := open(t, dir, []model.Entry{entry("sample", s.URL, files, false)})
	_, err := store.Pull(t.Context(), "sample", model.PullOptions{})
	wantCode(t, err, scout.CodeConfigInvalid)
}

func TestPullGivesADeadSourceUpSoon(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	s := newServer(t, files)
	e := entry("sample", s.URL, files, true)
	e.Files[0].Sources = append([]model.Source{{URL: "http://" + testrun.ReservePort(t) + "/enc.onnx"}}, e.Files[0].Sources...)
	pull(t, open(t, t.TempDir(), []model.Entry{e}), "sample", model.PullOptions{})

	e.Files[0].Sources = e.Files[0].Sources[:1]
	_, err := open(t, t.TempDir(), []model.Entry{e}).Pull(t.Context(), "sample", model.PullOptions{})
	wantCode(t, err, scout.CodeModelDownload)
}

func TestPullNeverLeavesHTTPS(t *testing.T) {
	t.Parallel()
	next, err := http.NewRequest(http.MethodGet, "http://example.org/file", nil)
	if err != nil {
		t.Fatal(err)
	}
	first, err := http.NewRequest(http.MethodGet, "https://example.org/file", nil)
	if err != nil {
		t.Fatal(err)
	}
	check := model.NewHTTPClient().CheckRedirect
	if check(next, []*http.Request{first}) == nil {
		t.Error("a redirect from https to http is followed")
	}
	if err := check(first, []*http.Request{next}); err != nil {
		t.Errorf("a redirect from http to https is refused: %v", err)
	}
}

// TestPullBringsTheSameBytesHoweverTheLineBreaks cuts connections at arbitrary places, sometimes answers without ranges
// or with errors, and uses several commands.
func TestPullBringsTheSameBytesHoweverTheLineBreaks(t *testing.T) {
	t.Parallel()
	files := sampleFiles()
	files["enc.onnx"], files["dec.onnx"] = files["enc.onnx"][:2_000], files["dec.onnx"][:50_000]
	s := newServer(t, files)
	root, runs := memoryDir(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		withSums := rapid.Bool().Draw(rt, "sums")
		steps := rapid.SliceOfN(rapid.IntRange(-2, 25_000), 0, 6).Draw(rt, "cuts")
		runs++
		dir := filepath.Join(root, strconv.Itoa(runs))
		at := 0
		s.on("dec.onnx", func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if at >= len(steps) {
				return false
			}
			step := steps[at]
			at++
			switch step {
			case -2:
				w.WriteHeader(http.StatusBadGateway)
				return true
			case -1:
				r.Header.Del("Range")
			case 0:
				panic(http.ErrAbortHandler)
			default:
				cutAfter(w, r, files["dec.onnx"], step)
			}
			return false
		})
		store := open(t, dir, []model.Entry{entry("sample", s.URL, files, withSums)})
		var pulled model.Pulled
		var err error
		for range len(steps) + 1 { // each command brings something or uses up steps
			if pulled, err = store.Pull(context.Background(), "sample", model.PullOptions{}); err == nil {
				break
			}
			if scout.CodeOf(err) != scout.CodeModelDownload {
				rt.Fatalf("pull: %v", err)
			}
		}
		data, err := os.ReadFile(filepath.Join(pulled.Dir, "dec.onnx"))
		if err != nil || !bytes.Equal(data, files["dec.onnx"]) {
			rt.Fatalf("got %d bytes, error %v; want the published %d", len(data), err, len(files["dec.onnx"]))
		}
	})
}
