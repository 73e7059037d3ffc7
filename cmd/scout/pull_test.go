//go:build unix

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hangingMirror serves the default model, but only the beginning of its second file: then it waits for release.
func hangingMirror(t *testing.T) (url string, hangs <-chan struct{}) {
	t.Helper()
	needModel(t)
	files := http.FileServer(http.Dir(filepath.Join(models, defaultModel)))
	release, reached := make(chan struct{}), make(chan struct{})
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "decoder_model_merged.onnx") {
			files.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Length", "20243286")
		_, _ = w.Write(make([]byte, 1<<20)) // the client tells when it is gone
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		once.Do(func() { close(reached) })
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(release); server.Close() })
	return server.URL, reached
}

// TestPullThatIsInterrupted: a signal ends a pull at once, with its exit status and one line. The next pull uses what
// was downloaded.
func TestPullThatIsInterrupted(t *testing.T) {
	t.Parallel()
	for name, n := range map[string]syscall.Signal{"Ctrl-C": syscall.SIGINT, "terminated": syscall.SIGTERM, "hung up": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			url, hangs := hangingMirror(t)
			r := p.start("models", "pull", defaultModel, "--from", url, "--models-dir", "m").run()
			select {
			case <-hangs:
			case <-r.ended:
				t.Fatalf("it ended: %s", r.err.String())
			case <-time.After(time.Minute):
				t.Fatal("nothing was asked for")
			}
			if err := r.cmd.Process.Signal(n); err != nil {
				t.Fatal(err)
			}
			<-r.ended
			if status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != n {
				t.Errorf("ended with %v: want to die of %v", r.cmd.ProcessState, n)
			}
			if said := r.err.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "interrupted") || r.out.String() != "" {
				t.Errorf("said %q and %q: want one line", said, r.out.String())
			}
			if _, err := os.Stat(p.path("m/" + defaultModel)); err == nil {
				t.Error("half a model took its place")
			}
			again := scoutRun(t, nil, "models", "pull", "--quiet", defaultModel, "--from", filepath.Join(models, defaultModel), "--models-dir", p.path("m"))
			if again.code != 0 || again.err != "" {
				t.Errorf("the next pull: exit %d, %s", again.code, again.err)
			}
		})
	}
}

// TestPullThatFails: one line with a hint, exit code 1, and no model.
func TestPullThatFails(t *testing.T) {
	t.Parallel()
	needModel(t)
	files := http.FileServer(http.Dir(filepath.Join(models, defaultModel)))
	for name, c := range map[string]struct {
		limit  string // what the shell sets before
		served func(w http.ResponseWriter, r *http.Request)
		says   string
	}{
		"the source has a shorter file": {"", func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "tokens.txt") {
				_, _ = w.Write([]byte("short"))
				return
			}
			files.ServeHTTP(w, r)
		}, "tokens.txt"},
		"the source has another file": {"", func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "tokens.txt") {
				_, _ = w.Write(make([]byte, 506922))
				return
			}
			files.ServeHTTP(w, r)
		}, "tokens.txt"},
		"the source does not have it":    {"", http.NotFound, "404"},
		"files must not become so large": {"ulimit -f 1000; trap '' XFSZ; ", files.ServeHTTP, "larger than is allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			server := httptest.NewServer(http.HandlerFunc(c.served))
			t.Cleanup(server.Close)
			got := p.sh(c.limit + "scout models pull --quiet " + defaultModel + " --from " + server.URL + " --models-dir m")
			if got.code != 1 || got.out != "" || !strings.Contains(got.err, c.says) || strings.Count(got.err, "\n") > 2 || !strings.Contains(got.err, "hint: ") {
				t.Errorf("exit %d, %q, %q", got.code, got.out, got.err)
			}
			if _, err := os.Stat(p.path("m/" + defaultModel)); err == nil {
				t.Error("a model took its place")
			}
		})
	}
}
