package model_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/scout-speech/scout"
	"github.com/scout-speech/scout/internal/model"
	"github.com/scout-speech/scout/internal/observe"
	"github.com/scout-speech/scout/internal/observe/prom"
	"github.com/scout-speech/scout/internal/resilience"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// contents are the files of the model that the tests pull, by path.
type contents map[string][]byte

// sampleFiles returns a model of three files with no particular content. The caller may change them.
func sampleFiles() contents {
	files := maps.Clone(samples())
	for name, data := range files {
		files[name] = slices.Clone(data)
	}
	return files
}

var samples = sync.OnceValue(func() contents {
	random := rand.New(rand.NewPCG(1, 2))
	file := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	return contents{"enc.onnx": file(300_000), "dec.onnx": file(120_000), "tokens.txt": file(5_000)}
})

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// entry is the catalogue entry of the sample model, with sums or without, its files below the address base.
func entry(id, base string, files contents, withSums bool) model.Entry {
	file := func(path string, role model.Role) model.File {
		f := model.File{Path: path, Role: role, SizeBytes: int64(len(files[path])), Sources: []model.Source{{URL: base + "/" + path}}}
		if withSums {
			f.SHA256 = sum(files[path])
		}
		return f
	}
	return model.Entry{
		ID: id, Name: "Sample", Family: model.Whisper, Languages: []string{"en"}, Licence: "MIT", Default: id == "sample",
		Files: []model.File{file("enc.onnx", model.RoleEncoder), file("dec.onnx", model.RoleDecoder), file("tokens.txt", model.RoleTokens)},
	}
}

// server is a publisher on the loopback that can misbehave. A handler for a path answers instead of the file; if it
// returns false, the file is served after all.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	files    contents
	handlers map[string]func(w http.ResponseWriter, r *http.Request, n int) bool
	requests map[string][]*http.Request
}

func newServer(t *testing.T, files contents) *server {
	t.Helper()
	s := &server{files: files, handlers: map[string]func(http.ResponseWriter, *http.Request, int) bool{}, requests: map[string][]*http.Request{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	s.mu.Lock()
	s.requests[path] = append(s.requests[path], r)
	n := len(s.requests[path])
	handler, data := s.handlers[path], s.files[path]
	s.mu.Unlock()
	if handler != nil && handler(w, r, n) {
		return
	}
	if data == nil {
		http.NotFound(w, r)
		return
	}
	serve(w, r, data)
}

// serve answers as an ordinary server does: strong ETag, ranges, If-Range.
func serve(w http.ResponseWriter, r *http.Request, data []byte) {
	w.Header().Set("ETag", `"`+sum(data)[:16]+`"`)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// cutAfter serves only n bytes of the requested ones and then breaks the connection.
func cutAfter(w http.ResponseWriter, r *http.Request, data []byte, n int) {
	serve(&cutWriter{ResponseWriter: w, left: n}, r, data)
}

type cutWriter struct {
	http.ResponseWriter
	left int
}

func (c *cutWriter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:min(len(p), c.left)])
	c.left -= n
	if err != nil {
		return n, err
	}
	if c.left == 0 {
		if f, ok := c.ResponseWriter.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func (s *server) on(path string, handler func(w http.ResponseWriter, r *http.Request, n int) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[path] = handler
}

func (s *server) set(path string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = data
}

func (s *server) requestsOf(path string) []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.requests[path]...)
}

// open returns a store in dir over the entries that does not wait long and keeps no connections.
func open(t *testing.T, dir string, entries []model.Entry, options ...model.Option) *model.Store {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	all := append([]model.Option{
		model.WithCatalogue(entries),
		model.WithHTTPClient(&http.Client{Transport: transport}),
		model.WithRetry(resilience.Policy{Initial: time.Millisecond, Max: 2 * time.Millisecond, Attempts: 60}),
	}, options...)
	store, err := model.Open(dir, observe.NewScope(nil, prom.NewRegistry(), nil), all...)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return store
}

func pull(t *testing.T, store *model.Store, id string, options model.PullOptions) model.Pulled {
	t.Helper()
	pulled, err := store.Pull(t.Context(), id, options)
	if err != nil {
		t.Fatalf("pull: %v (code %s)", err, scout.CodeOf(err))
	}
	return pulled
}

func wantCode(t *testing.T, err error, code scout.Code) {
	t.Helper()
	if scout.CodeOf(err) != code {
		t.Fatalf("error %v has code %q, want %q", err, scout.CodeOf(err), code)
	}
}

// wantInstalled checks that Resolve returns exactly these bytes.
func wantInstalled(t *testing.T, store *model.Store, id string, files contents) model.Installed {
	t.Helper()
	m, err := store.Resolve(context.Background(), id)
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	for role, path := range m.Files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if want := files[filepath.Base(path)]; !bytes.Equal(data, want) {
			t.Errorf("%s (%s): %d bytes that differ from the published %d", path, role, len(data), len(want))
		}
		if m.SHA256[role] != sum(data) {
			t.Errorf("%s: reported SHA-256 %s, is %s", path, m.SHA256[role], sum(data))
		}
	}
	return m
}

func writeFiles(t *testing.T, dir string, files contents) {
	t.Helper()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func rangeStart(r *http.Request) int {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-"))
	if err != nil {
		return 0
	}
	return n
}

// memoryDir is a temporary folder in memory if the system has one: a property over a hundred pulls would otherwise
// spend its time in fsync.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "scout-model-") //nolint:usetesting // see above
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
