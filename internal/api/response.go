package api

import (
	"net/http"
	"strings"
	"time"

	"github.com/scout-speech/scout"
	v1 "github.com/scout-speech/scout/internal/api/v1"
)

// response counts what is written.
type response struct {
	http.ResponseWriter
	base   string // precedes the path of a Location
	status int
	bytes  int64
	fails  func() // called before the headers of an error are sent; nil for nobody
	openai bool   // it is for a path of /v1, whose errors have a form of their own
}

// newResponse is the answer to a client, which finds Scout's paths below the base path where it comes over the network.
func (s *Server) newResponse(w http.ResponseWriter, c *connection) *response {
	if c.near {
		return &response{ResponseWriter: w}
	}
	return &response{ResponseWriter: w, base: s.options.Network.BasePath}
}

// WriteHeader notes the status, and completes the path of a Location: operations, and the answers that are kept for a repetition, have it
// without the base path.
func (w *response) WriteHeader(status int) {
	if w.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		w.status = status
		if path := w.Header().Get("Location"); strings.HasPrefix(path, "/") {
			w.Header().Set("Location", w.base+path)
		}
		if status >= http.StatusBadRequest && w.fails != nil {
			w.fails()
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write notes the status and counts.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// SetReadDeadline does nothing: how long a body may take is requestBody's, and huma has a time of its own.
func (w *response) SetReadDeadline(time.Time) error { return nil }

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// code is the error code of the answer, empty for a success.
func (w *response) code() scout.Code { return scout.Code(w.Header().Get(v1.HeaderCode)) }

// refusal keeps the status and the header Allow of what the mux would have answered, and drops its text.
type refusal struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (r *refusal) Header() http.Header { return r.header }

// Write implements http.ResponseWriter.
func (r *refusal) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader implements http.ResponseWriter.
func (r *refusal) WriteHeader(status int) { r.status = status }

// routes is a mux that knows its patterns.
type routes struct {
	http.ServeMux
	patterns []string
	// instead answers a request in the place of the handler; nil for never. It returns false where it does not.
	instead func(pattern string, w http.ResponseWriter, r *http.Request) bool
	// visible refuses a request for something that is not there for its caller.
	visible func(pattern string, r *http.Request) error
}

// HandleFunc adds a handler for a pattern, such as "GET /livez".
func (m *routes) HandleFunc(pattern string, handler func(http.ResponseWriter, *http.Request)) {
	m.patterns = append(m.patterns, pattern)
	m.ServeMux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := m.visible(pattern, r); err != nil {
			writeError(w, err)
			return
		}
		if m.instead != nil && m.instead(pattern, w, r) {
			return
		}
		handler(w, r)
	})
}
